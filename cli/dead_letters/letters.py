"""Parses the messages of dead-letter queues (dead letters) and filters them.

There are three dead-letter queues. The main queue's dead-letter queue has messages that `deliver`
failed to process too often. The subscription's dead-letter queue has messages that SNS could not
send to the main queue. The dead-letter queue of `keep` has events whose outputs could not be
copied, and events that SNS could not send to the queue of `keep`.
"""

from __future__ import annotations

import time
from typing import Any, Literal, NamedTuple

from chalicelib.errors import InvalidEvent
from chalicelib.protocol import events

QueueName = Literal["queue", "subscription", "keep"]

_RESENT = ("DataType", "StringValue", "BinaryValue")


class Letter(NamedTuple):
    """One dead letter; fields of its event that cannot be read are empty.

    A redrive moves the message unchanged, with any SNS envelope: `deliver` removes the envelope.
    """

    queue: QueueName
    message_id: str
    receipt: str
    body: str  # the message as received
    event: dict[str, Any]  # without SNS's envelope
    attributes: dict[str, Any]  # in SQS's form
    trace: str
    sent_at: float  # epoch seconds
    receives: int
    generation: str
    user: str
    type: str
    reason: str

    @property
    def size(self) -> int:
        """The size of the message as SQS counts it, in bytes."""
        size = len(self.body.encode("utf-8", "replace"))
        for name, value in self.attributes.items():
            size += len(name) + len(value["DataType"]) + len(value.get("BinaryValue", b""))
            size += len(value.get("StringValue", "").encode())
        return size

    def whole(self) -> dict[str, Any]:
        """Return everything that is known, for JSON."""
        return {
            **self._common(),
            "attributes": {
                name: value.get("StringValue", "(binary)")
                for name, value in self.attributes.items()
            },
            **({"event": self.event} if self.event else {"body": self.body}),
        }

    def summary(self) -> dict[str, Any]:
        """Return the fields that `dlq list` shows, for JSON."""
        of_event = {"type": self.type, "generation": self.generation, "user": self.user}
        return {**self._common(), **of_event}

    def _common(self) -> dict[str, Any]:
        return {
            "queue": self.queue,
            "messageId": self.message_id,
            "sentAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.sent_at)),
            "receives": self.receives,
            "reason": self.reason,
        }


class Filter(NamedTuple):
    """Selects the dead letters that match all fields that are set. Ages are in seconds."""

    generation: str | None = None
    user: str | None = None
    older_than: int | None = None
    younger_than: int | None = None

    def matches(self, letter: Letter, now: float) -> bool:
        """Whether a dead letter matches the filter."""
        age = now - letter.sent_at
        return (
            (self.generation is None or letter.generation.lower() == self.generation.lower())
            and (self.user is None or letter.user == self.user)
            and (self.older_than is None or age > self.older_than)
            and (self.younger_than is None or age < self.younger_than)
        )


EVERYTHING = Filter()


def read(queue: QueueName, message: dict[str, Any]) -> Letter:
    """Parse a message in the format that ReceiveMessage returns."""
    body, attributes = message["Body"], message.get("MessageAttributes", {})
    event = _event(body)
    system = message.get("Attributes", {})
    return Letter(
        queue=queue,
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=body,
        event=event,
        attributes={
            name: {key: value[key] for key in _RESENT if key in value}
            for name, value in attributes.items()
        },
        trace=system.get("AWSTraceHeader", ""),
        sent_at=int(system.get("SentTimestamp", 0)) / 1000,
        receives=int(system.get("ApproximateReceiveCount", 0)),
        generation=_text(event, "subject"),
        user=_text(event, "userid"),
        type=_text(event, "type"),
        reason=_reason(queue, body, attributes),
    )


def _reason(queue: QueueName, body: str, attributes: dict[str, Any]) -> str:
    said = [
        attributes[name]["StringValue"]
        for name in ("ErrorCode", "ErrorMessage")
        if attributes.get(name, {}).get("StringValue")
    ]
    if queue == "subscription" or said:
        return "SNS: " + (" ".join(said) or "it could not put the event into the queue")
    try:
        events.parse(body)
    except InvalidEvent as exc:
        return f"invalid event: {exc}"
    if queue == "keep":
        return "its outputs could not be copied: the log of `keep` says why"
    return "received too often: `deliver` failed on it"


def _event(body: str) -> dict[str, Any]:
    try:
        return events.opened(body)[1]
    except InvalidEvent:
        return {}


def _text(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""
