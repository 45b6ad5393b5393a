"""The inbox: a table with the events of each user. Each user has one partition with these sort
keys.

    <epoch>/<offset, 16 digits>      an event of the stream; epochs are UUIDv7, so they sort by age
    <epoch>/<offset>/head            the stream reached this offset; added before the last event of
                                     a silent stream expires
    notice/<milliseconds>/<id>       an event outside the stream, a notice or progress, for an hour

The head of a stream is its last row, so an event and the new head are one write. Rows are only
added, never changed (docs/adr/0002, docs/adr/0023). The newest progress of a generation is that
with the highest key, so a late progress event replaces no newer one.

DynamoDB deletes expired items with a delay, so every read filters by `expires_at`.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from chalicelib.aws.dynamodb import (
    BATCH_WRITE_ITEMS,
    Item,
    Row,
    batch_write,
    text_of,
    to_item,
)
from chalicelib.aws.service import Call, JsonObject, Service
from chalicelib.engine.engine import Request, Response
from chalicelib.errors import ServiceError
from chalicelib.protocol.events import MAX_OFFSET, Event, began_at

NOTICE_SECONDS = 3600
REPLAY_LIMIT = 300
NEWEST_PAGE = 25
DAY_SECONDS = 86_400
# An event is kept for longer than its outbox row, whose deletion adds the head.
GRACE_DAYS = 1
# days that a head outlives its events, so that a client that returns late receives a gap
HEAD_DAYS = 400
_DIGITS = len(str(MAX_OFFSET))
_HEAD = "/head"
_STREAMS = ("0", "g")  # the keys of all epochs, which begin with a hexadecimal digit
_NOTICES = "notice/"
_LAST = "~"  # character that sorts after all digits and letters

RowKey = tuple[str, str]  # user id and sort key


class Head(NamedTuple):
    """The end of a stream. Before the first event, `epoch` is None and `offset` is 0."""

    epoch: str | None
    offset: int


class StoredEvent(NamedTuple):
    """An event as it is stored in the inbox."""

    offset: int
    text: str


class Standing(NamedTuple):
    """The data for the answer to `hello`: the stream's head, and the events outside the stream from
    the last hour, newest first.
    """

    head: Head
    outside: list[str]


EMPTY = Head(None, 0)


def event_row(event: Event, retention_days: int) -> Row:
    """Return the row that stores an event. Storing the event again changes only its expiry."""
    now = int(time.time())
    if event.epoch is None or event.offset is None:
        position = f"{_outside_position(event.recorded_at)}/{event.id}"
        expires_at = now + NOTICE_SECONDS
    else:
        position = stream_position(event.epoch, event.offset)
        expires_at = now + (retention_days + GRACE_DAYS) * DAY_SECONDS
    return {
        "user_id": event.user_id,
        "position": position,
        "event": event.text,
        "expires_at": expires_at,
    }


def head_row(user_id: str, epoch: str, offset: int) -> Row:
    """Return the row that keeps the head of a stream without its event."""
    expires_at = int(time.time()) + HEAD_DAYS * DAY_SECONDS
    position = stream_position(epoch, offset) + _HEAD
    return {"user_id": user_id, "position": position, "expires_at": expires_at}


def key_of(row: Row) -> RowKey:
    """Return the primary key of a row."""
    return str(row["user_id"]), str(row["position"])


class Inbox:
    """The inboxes in one table. Every method that calls DynamoDB may raise ServiceError.

    `retention_days` is needed to store and replay events, but not to keep heads.
    """

    def __init__(self, dynamodb: Service, table: str, retention_days: int = 0) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._retention_days = retention_days

    def rows(self, events: Iterable[Event]) -> list[Row]:
        """Return the rows that store some events."""
        return [event_row(event, self._retention_days) for event in events]

    def write(self, rows: Sequence[Row]) -> Request:
        """Return the request that stores some rows, at most BATCH_WRITE_ITEMS."""
        return self._dynamodb.encoded_request("BatchWriteItem", batch_write(self._table, rows))

    def keep_heads(self, heads: Sequence[tuple[str, str, int]]) -> None:
        """Add the heads of streams, each a user id, an epoch and an offset.

        Raises ServiceError if one could not be stored; storing them again is harmless.
        """
        rows = [head_row(*head) for head in heads]
        for first in range(0, len(rows), BATCH_WRITE_ITEMS):
            payload = json.loads(batch_write(self._table, rows[first : first + BATCH_WRITE_ITEMS]))
            answer = self._dynamodb.call("BatchWriteItem", payload)
            if answer.get("UnprocessedItems"):
                raise ServiceError("dynamodb", 200, "UnprocessedItems")

    def unprocessed(self, result: Response) -> set[RowKey]:
        """Return the keys of the rows that DynamoDB did not process in a successful write."""
        left = json.loads(result.body).get("UnprocessedItems", {}).get(self._table, [])
        items = [write["PutRequest"]["Item"] for write in left]
        return {(text_of(item, "user_id"), text_of(item, "position")) for item in items}

    def head(self, user_id: str) -> Head:
        """Return the head of a user's stream, with a strongly consistent read."""
        return _head(self._dynamodb.call("Query", self._head_query(user_id)))

    def standing(self, user_id: str, *others: Call) -> tuple[Standing, list[JsonObject]]:
        """Return the head of a user's stream and the user's events outside it, with concurrent
        requests, and the responses to other calls that are made at the same time.

        Of the events, the newest 1 MB are read at most, which is one page of DynamoDB.
        """
        head, outside, *answers = self._dynamodb.call_all(
            ("Query", self._head_query(user_id)),
            ("Query", self._outside_query(user_id)),
            *others,
        )
        events = [text_of(item, "event") for item in outside["Items"]]
        return Standing(_head(head), events), answers

    def after(self, user_id: str, epoch: str, offset: int, *, limit: int) -> list[StoredEvent]:
        """Return the events of a stream above an offset, oldest first, at most `limit`."""
        found: list[StoredEvent] = []
        query = self._range_query(user_id, stream_position(epoch, offset + 1), f"{epoch}/{_LAST}")
        while len(found) < limit:
            answer = self._dynamodb.call("Query", {**query, "Limit": limit})
            found += [_stored(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return found[:limit]

    def newest_first(self, user_id: str, head: Head) -> Iterator[StoredEvent]:
        """Yield the events of a stream, newest first; reads a page of NEWEST_PAGE when needed."""
        query = {
            **self._range_query(user_id, f"{head.epoch}/", f"{head.epoch}/{_LAST}"),
            "ScanIndexForward": False,
            "Limit": NEWEST_PAGE,
        }
        while True:
            answer = self._dynamodb.call("Query", query)
            yield from map(_stored, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def earliest(self, user_id: str, head: Head) -> int:
        """Return the lowest offset that is still stored, or head + 1 if there is none.

        If the stream is younger than the retention, none of its events can have expired. Events
        missing from its beginning are then not yet delivered. The epoch is a UUIDv7, which contains
        the time at which the stream began.
        """
        if head.epoch is None:
            return 1
        if time.time() - began_at(head.epoch) < self._retention_days * DAY_SECONDS:
            return 1
        kept = self.after(user_id, head.epoch, 0, limit=1)
        return kept[0].offset if kept else head.offset + 1

    def _head_query(self, user_id: str) -> JsonObject:
        # Without filter: an expired row that is not yet deleted is still the head.
        query = self._range_query(user_id, *_STREAMS)
        del query["FilterExpression"], query["ExpressionAttributeValues"][":now"]
        del query["ExpressionAttributeNames"]["#event"]
        last = {"ScanIndexForward": False, "Limit": 1, "ProjectionExpression": "#position"}
        return {**query, **last}

    def _outside_query(self, user_id: str) -> JsonObject:
        # Without this bound, the query would read what has expired and is not yet deleted.
        first = _outside_position(time.time() - NOTICE_SECONDS)
        newest_first = {"ScanIndexForward": False}
        return {**self._range_query(user_id, first, _NOTICES + _LAST), **newest_first}

    def _range_query(self, user_id: str, first: str, last: str) -> JsonObject:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "user_id = :user AND #position BETWEEN :first AND :last",
            "FilterExpression": "expires_at > :now AND attribute_exists(#event)",
            "ExpressionAttributeNames": {"#position": "position", "#event": "event"},
            "ExpressionAttributeValues": to_item(
                {":user": user_id, ":first": first, ":last": last, ":now": int(time.time())}
            ),
            "ConsistentRead": True,
        }


def stream_position(epoch: str, offset: int) -> str:
    return f"{epoch}/{offset:0{_DIGITS}d}"


def _outside_position(recorded_at: float) -> str:
    return f"{_NOTICES}{int(recorded_at * 1000):015d}"


def _head(answer: JsonObject) -> Head:
    if not answer["Items"]:
        return EMPTY
    epoch, offset = text_of(answer["Items"][0], "position").removesuffix(_HEAD).split("/")
    return Head(epoch, int(offset))


def _stored(item: Item) -> StoredEvent:
    return StoredEvent(int(text_of(item, "position").rpartition("/")[2]), text_of(item, "event"))
