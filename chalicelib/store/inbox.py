"""What each user's pages are to receive: one partition per user, in this order of its sort key.

    <epoch>/<offset, 16 digits>      an event of the stream; epochs are UUIDv7, so they sort by age
    head/<epoch>/<offset>            the stream was this far; the last one is its end, and outlives
                                     the events
    notice/<milliseconds>/<id>       an event outside the stream, kept an hour

Expired items stay readable until DynamoDB deletes them: every read filters by `expires_at`.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from chalicelib.aws import service
from chalicelib.aws.dynamodb import Item, Row, from_item, to_item
from chalicelib.protocol.events import Event

NOTICE_SECONDS = 3600
REPLAY_LIMIT = 300
DAY_SECONDS = 86_400
HEAD_DAYS = 400  # beyond the retention: a page that comes back later than that is told of a gap
_HEADS = "head/"
_NOTICES = "notice/"
_LAST = "~"  # sorts after every digit and letter


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


def row_of(event: Event, retention_days: int) -> Row:
    """Return the row that stores an event; storing it again changes nothing but its end."""
    now = int(time.time())
    if event.offset is None:
        position = f"{_NOTICES}{int(event.recorded_at * 1000):015d}/{event.id}"
        ends = now + NOTICE_SECONDS
    else:
        position = f"{event.epoch}/{event.offset:016d}"
        ends = now + retention_days * DAY_SECONDS
    return {
        "user_id": event.user_id,
        "position": position,
        "event": event.text,
        "expires_at": ends,
    }


def head_row(event: Event, retention_days: int) -> Row:
    """Return the row that says how far an event's stream is.

    It is only ever added: whatever order events are stored in, the last one by its key is the end.
    """
    ends = int(time.time()) + (retention_days + HEAD_DAYS) * DAY_SECONDS
    position = f"{_HEADS}{event.epoch}/{event.offset:016d}"
    return {"user_id": event.user_id, "position": position, "expires_at": ends}


class Inbox:
    """Reads the inboxes of one table; every method raises ServiceError when DynamoDB fails."""

    def __init__(self, table: str, retention_days: int) -> None:
        self._table = table
        self._retention_days = retention_days

    def head(self, user_id: str) -> Head:
        """Return the end of a user's stream, as last written."""
        return _head(service.call(service.DYNAMODB, "Query", self._head_payload(user_id)))

    def page(self, user_id: str) -> Page:
        """Return the end of a user's stream and the notices, in one round trip."""
        head, notices = service.together(
            service.DYNAMODB,
            ("Query", self._head_payload(user_id)),
            ("Query", self._range_payload(user_id, _NOTICES, _NOTICES + _LAST)),
        )
        return Page(_head(head), [from_item(item)["event"] for item in notices["Items"]])

    def after(self, user_id: str, epoch: str, offset: int, *, limit: int) -> list[Stored]:
        """Return the events of a stream above an offset, oldest first, up to the limit."""
        found: list[Stored] = []
        first = f"{epoch}/{offset + 1:016d}"
        payload = self._range_payload(user_id, first, f"{epoch}/{_LAST}")
        while len(found) < limit:
            answer = service.call(service.DYNAMODB, "Query", {**payload, "Limit": limit})
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
        began = int(head.epoch.replace("-", "")[:12], 16) / 1000
        if time.time() - began < self._retention_days * DAY_SECONDS:
            return 1
        kept = self.after(user_id, head.epoch, 0, limit=1)
        return kept[0].offset if kept else head.offset + 1

    def _head_payload(self, user_id: str) -> dict[str, Any]:
        newest_first = {"ScanIndexForward": False, "Limit": 1}
        return {**self._range_payload(user_id, _HEADS, _HEADS + _LAST), **newest_first}

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
    if not answer["Items"]:
        return EMPTY
    _, epoch, offset = from_item(answer["Items"][0])["position"].split("/")
    return Head(epoch, int(offset))


def _stored(item: Item) -> Stored:
    values = from_item(item)
    return Stored(int(values["position"].rpartition("/")[2]), values["event"])
