"""What each user's pages are to receive: one partition per user, in this order of its sort key.

    <epoch>/<offset, 16 digits>      an event of the stream; epochs are UUIDv7, so they sort by age
    head                             the newest epoch and its highest offset; outlives the events
    notice/<milliseconds>/<id>       an event outside the stream, kept an hour

Expired items stay readable until DynamoDB deletes them: every read filters by `expires_at`.
"""

import time
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from chalicelib import aws
from chalicelib.dynamodb import Item, from_item, to_item
from chalicelib.events import Event

NOTICE_SECONDS = 3600
REPLAY_LIMIT = 300
DAY_SECONDS = 86_400
_HEAD = "head"
_AFTER_ALL_OFFSETS = "~"


class Head(NamedTuple):
    """The end of a stream; without an event so far, epoch is None and offset 0."""

    epoch: str | None
    offset: int


class Stored(NamedTuple):
    """An event as the inbox keeps it."""

    offset: int
    text: str


class Page(NamedTuple):
    """What a hello needs to know: the stream's end and the notices of the last hour."""

    head: Head
    notices: list[str]


EMPTY = Head(None, 0)


def item_of(event: Event, retention_days: int) -> Item:
    """Return the item that stores an event; storing it again changes nothing but its end."""
    now = int(time.time())
    if event.offset is None:
        position = f"notice/{int(event.recorded_at * 1000):015d}/{event.id}"
        ends = now + NOTICE_SECONDS
    else:
        position = f"{event.epoch}/{event.offset:016d}"
        ends = now + retention_days * DAY_SECONDS
    return to_item(
        {"user_id": event.user_id, "position": position, "event": event.text, "expires_at": ends}
    )


def head_payload(table: str, event: Event) -> dict[str, Any]:
    """Return the payload of the UpdateItem that moves a stream's head forward to an event, never
    back.

    DynamoDB answers ConditionalCheckFailedException when the head is there already.
    """
    return {
        "TableName": table,
        "Key": to_item({"user_id": event.user_id, "position": _HEAD}),
        "UpdateExpression": "SET epoch = :epoch, head = :offset",
        "ConditionExpression": (
            "attribute_not_exists(head) OR epoch < :epoch OR (epoch = :epoch AND head < :offset)"
        ),
        "ExpressionAttributeValues": to_item(
            {":epoch": event.epoch or "", ":offset": event.offset or 0}
        ),
    }


class Inbox:
    """Reads the inboxes of one table; every method raises ServiceError when DynamoDB fails."""

    def __init__(self, table: str, retention_days: int) -> None:
        self._table = table
        self._retention_days = retention_days

    def head(self, user_id: str) -> Head:
        """Return the end of a user's stream, as last written."""
        return _head(aws.call(aws.DYNAMODB, "GetItem", self._head_payload(user_id)))

    def page(self, user_id: str) -> Page:
        """Return the end of a user's stream and the notices, in one round trip."""
        head, notices = aws.together(
            aws.DYNAMODB,
            ("GetItem", self._head_payload(user_id)),
            ("Query", self._range_payload(user_id, "notice/", "notice/" + _AFTER_ALL_OFFSETS)),
        )
        return Page(_head(head), [from_item(item)["event"] for item in notices["Items"]])

    def after(self, user_id: str, epoch: str, offset: int, *, limit: int) -> list[Stored]:
        """Return the events of a stream above an offset, oldest first, up to the limit."""
        found: list[Stored] = []
        first = f"{epoch}/{offset + 1:016d}"
        payload = self._range_payload(user_id, first, f"{epoch}/{_AFTER_ALL_OFFSETS}")
        while len(found) < limit:
            answer = aws.call(aws.DYNAMODB, "Query", {**payload, "Limit": limit})
            found += [_stored(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            payload["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return found[:limit]

    def earliest(self, user_id: str, head: Head) -> int:
        """Return the lowest offset that is still kept: head + 1 when none is.

        Nothing of a stream younger than the retention can have expired, so what is missing from its
        beginning is on its way; the epoch, a UUIDv7, tells when the stream began.
        """
        if head.epoch is None:
            return 1
        began = (uuid.UUID(head.epoch).int >> 80) / 1000
        if time.time() - began < self._retention_days * DAY_SECONDS:
            return 1
        kept = self.after(user_id, head.epoch, 0, limit=1)
        return kept[0].offset if kept else head.offset + 1

    def _head_payload(self, user_id: str) -> dict[str, Any]:
        key = to_item({"user_id": user_id, "position": _HEAD})
        return {"TableName": self._table, "Key": key, "ConsistentRead": True}

    def _range_payload(self, user_id: str, first: str, last: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "user_id = :user AND #position BETWEEN :first AND :last",
            "FilterExpression": "expires_at > :now",
            "ExpressionAttributeNames": {"#position": "position"},
            "ExpressionAttributeValues": to_item(
                {":user": user_id, ":first": first, ":last": last, ":now": int(time.time())}
            ),
            "ConsistentRead": True,
        }


def _head(answer: Mapping[str, Any]) -> Head:
    if "Item" not in answer:
        return EMPTY
    values = from_item(answer["Item"])
    return Head(values["epoch"], values["head"])


def _stored(item: Item) -> Stored:
    values = from_item(item)
    return Stored(int(values["position"].rpartition("/")[2]), values["event"])
