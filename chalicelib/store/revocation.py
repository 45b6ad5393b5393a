"""The revocation mark: the moment up to which a user's credentials were revoked.

It is in the user's item of connections: one conditional write keeps a connection and checks the
mark, and writing the mark takes all connections out of the item. So a connection that is being
opened is either refused or found by whoever revokes (docs/adr/0018).
"""

from chalicelib.aws.dynamodb import Item, Row, to_item

MARK_DAYS = 400  # a token issued before the mark must have expired by then
KEPT_UNTIL = "mark_kept_until"
# For a ConditionExpression; a token without `iat` was issued at 0.
NOT_REVOKED = "(attribute_not_exists(revoked_at) OR revoked_at < :issued_at)"


def mark(user_id: str, now: int) -> Item:
    """Return the item of a user whose sessions are revoked at `now`, in epoch seconds: it replaces
    the item with the user's connections.
    """
    kept_until = now + MARK_DAYS * 86_400
    row: Row = {
        "user_id": user_id,
        "revoked_at": now,
        KEPT_UNTIL: kept_until,
        "expires_at": kept_until,
    }
    return to_item(row)
