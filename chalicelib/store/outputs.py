"""The table of outputs: where each output of a generation comes from, and where its copy is.

One item per generation, with these attributes for output number <n>:

    source_<n>   its address at the provider, its kind, and when the provider deletes it
    upload_<n>   an unfinished copy: the upload at S3 and what must not change at the source
    copy_<n>     the finished copy

`claimed` is set when copying begins; from then on, the sources do not change. DynamoDB deletes
expired items with a delay, so `read` leaves them out.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.aws.dynamodb import number_of, text_of, to_item
from chalicelib.errors import ServiceError
from chalicelib.protocol.events import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chalicelib.aws.dynamodb import AttributeValue, Item, Row
    from chalicelib.aws.service import JsonObject, Service

DAY_SECONDS = 86_400
MAX_SOURCES_BYTES = 300_000  # of one item; DynamoDB takes 400 KB
CONDITION_FAILED = "ConditionalCheckFailedException"
_NOT_CLAIMED = "attribute_not_exists(claimed)"


class Source(NamedTuple):
    """Where the provider serves an output. `expires_at` is in epoch seconds, 0 if unknown."""

    url: str
    kind: str
    expires_at: int = 0


class Upload(NamedTuple):
    """An unfinished copy.

    `validator` is the source's ETag or date, and `length` its size in bytes. A copy goes on only if
    both are the same as before.
    """

    id: str
    key: str
    content_type: str
    validator: str
    length: int
    width: int = 0
    height: int = 0


class Copy(NamedTuple):
    """A finished copy. Width and height are in pixels, 0 if unknown."""

    key: str
    content_type: str
    bytes: int
    width: int = 0
    height: int = 0


class Kept(NamedTuple):
    """The outputs of one generation, by number."""

    provider: str
    expires_at: int
    sources: Mapping[int, Source]
    uploads: Mapping[int, Upload]
    copies: Mapping[int, Copy]

    @property
    def missing(self) -> list[int]:
        """The numbers of the outputs that have no copy yet."""
        return sorted(set(self.sources) - set(self.copies))


class Outputs:
    """The outputs in one table. Every method may raise ServiceError."""

    def __init__(
        self,
        dynamodb: Service,
        table: str,
        retention_days: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._retention_days = retention_days
        self._clock = clock

    def expiry(self) -> int:
        """Return the time at which links that are made now expire, in epoch seconds."""
        return int(self._clock()) + self._retention_days * DAY_SECONDS

    def expires_at(self) -> str:
        """Return the same time in the format of events."""
        return rfc3339(datetime.fromtimestamp(self.expiry(), UTC))

    def register(
        self, generation_id: str, provider: str, sources: Sequence[Source | None], deadline: float
    ) -> None:
        """Store where a generation's outputs come from, in one request.

        A place in the list is an output's number; None is an output that is not kept. A generation
        whose copying has begun is not changed.
        """
        item: JsonObject = to_item(
            {
                "generation_id": generation_id,
                "provider": provider,
                "expires_at": self.expiry(),
            }
        )
        for number, source in enumerate(sources):
            if source is not None:
                item[f"source_{number}"] = _map(source)
        payload = {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": _NOT_CLAIMED,
        }
        try:
            self._dynamodb.call("PutItem", payload, deadline)
        except ServiceError as exc:
            if exc.code != CONDITION_FAILED:
                raise

    def read(self, generation_id: str) -> Kept | None:
        """Return a generation's outputs, or None if there are none or they have expired."""
        payload = {
            "TableName": self._table,
            "Key": to_item({"generation_id": generation_id}),
            "ConsistentRead": True,
        }
        item: Item | None = self._dynamodb.call("GetItem", payload).get("Item")
        if not item or number_of(item, "expires_at") <= self._clock():
            return None
        return Kept(
            text_of(item, "provider"),
            number_of(item, "expires_at"),
            {number: _source(found) for number, found in _maps(item, "source_")},
            {number: _upload(found) for number, found in _maps(item, "upload_")},
            {number: _copy(found) for number, found in _maps(item, "copy_")},
        )

    def begin(self, generation_id: str, number: int, upload: Upload) -> None:
        """Store an unfinished copy, so that another invocation can go on with it."""
        self._update(generation_id, f"SET claimed = :one, upload_{number} = :value", _map(upload))

    def finish(self, generation_id: str, number: int, copy: Copy) -> None:
        """Store a finished copy."""
        expression = f"SET claimed = :one, copy_{number} = :value REMOVE upload_{number}"
        self._update(generation_id, expression, _map(copy))

    def add(
        self, generation_id: str, provider: str, number: int, copy: Copy, deadline: float
    ) -> None:
        """Store the finished copy of an output that has no address of its own.

        It is for results that the provider sends as bytes, or serves only with a key.
        """
        self._update(
            generation_id,
            f"SET claimed = :one, copy_{number} = :value, provider = :provider,"
            " expires_at = :expires_at",
            _map(copy),
            {":provider": provider, ":expires_at": self.expiry()},
            condition=None,
            deadline=deadline,
        )

    def _update(
        self,
        generation_id: str,
        expression: str,
        value: AttributeValue,
        values: Row | None = None,
        *,
        condition: str | None = "attribute_exists(generation_id)",  # it was not erased meanwhile
        deadline: float | None = None,
    ) -> None:
        payload: JsonObject = {
            "TableName": self._table,
            "Key": to_item({"generation_id": generation_id}),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": {
                ":one": {"N": "1"},
                ":value": value,
                **to_item(values or {}),
            },
        }
        if condition:
            payload["ConditionExpression"] = condition
        self._dynamodb.call("UpdateItem", payload, deadline)


def _map(row: NamedTuple) -> AttributeValue:
    return {"M": to_item(row._asdict())}


def _maps(item: Item, prefix: str) -> list[tuple[int, Item]]:
    return [
        (int(name.removeprefix(prefix)), value["M"])
        for name, value in item.items()
        if name.startswith(prefix)
    ]


def _source(item: Item) -> Source:
    return Source(text_of(item, "url"), text_of(item, "kind"), number_of(item, "expires_at"))


def _upload(item: Item) -> Upload:
    return Upload(
        text_of(item, "id"),
        text_of(item, "key"),
        text_of(item, "content_type"),
        text_of(item, "validator"),
        number_of(item, "length"),
        number_of(item, "width"),
        number_of(item, "height"),
    )


def _copy(item: Item) -> Copy:
    return Copy(
        text_of(item, "key"),
        text_of(item, "content_type"),
        number_of(item, "bytes"),
        number_of(item, "width"),
        number_of(item, "height"),
    )
