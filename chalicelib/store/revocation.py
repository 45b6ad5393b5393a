"""The revocation mark: the moment up to which a user's credentials were revoked.

It is in the user's item in the table of connections. One conditional write stores a connection and
checks the mark. Writing the mark removes all connections from the item and returns them. So a
connection that is being opened is either refused, or returned to the command that revokes
(docs/adr/0018).
"""

from chalicelib.aws.dynamodb import Item, Row, to_item

MARK_DAYS = 400  # a token issued before the mark must have expired by then
KEPT_UNTIL = "mark_kept_until"
# For a ConditionExpression; a token without `iat` was issued at 0.
NOT_REVOKED = "(attribute_not_exists(revoked_at) OR revoked_at < :issued_at)"


def mark(user_id: str, now: int) -> Item:
    """Return the item of a user whose sessions are revoked at `now`, in epoch seconds.

    It replaces the item with the user's connections.
    """
    kept_until = now + MARK_DAYS * 86_400
    row: Row = {
        "user_id": user_id,
        "revoked_at": now,
        KEPT_UNTIL: kept_until,
        "expires_at": kept_until,
    }
    return to_item(row)
