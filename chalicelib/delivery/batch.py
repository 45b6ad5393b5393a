"""A batch of queue messages, sorted by the users they are for."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import telemetry
from chalicelib.errors import InvalidEvent
from chalicelib.protocol import events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.aws.lambda_events import SqsRecord
    from chalicelib.protocol.events import Event


class Failure(Enum):
    """Why a user's messages have to be received again."""

    NOT_STORED = "not stored"
    CONNECTIONS_NOT_READ = "connections not read"
    FORBIDDEN = "posting is forbidden: check the function's rights"
    OUT_OF_TIME = "the time ran out"


class Recipient:
    """One user's events in a batch, and how their delivery went.

    `last_receive` says that a message of theirs goes to the dead-letter queue if it fails again.
    """

    __slots__ = (
        "delivered_at",
        "events",
        "failure",
        "last_receive",
        "message_ids",
        "reason",
        "user_id",
    )

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.events: dict[str, Event] = {}  # by id: SQS may deliver one twice
        self.message_ids: list[str] = []
        self.last_receive = False
        self.failure: Failure | None = None
        self.reason = ""
        self.delivered_at = 0.0  # epoch seconds; of the last accepted post so far

    def fail(self, failure: Failure, detail: str = "") -> None:
        """Record a failure; the first one counts."""
        if self.failure is None:
            self.failure = failure
            self.reason = f"{failure.value}: {detail}" if detail else failure.value


class Batch(NamedTuple):
    """What the messages of one invocation hold; `invalid` are the ids of those without an event."""

    received: int
    recipients: list[Recipient]
    invalid: list[str]

    def failed(self) -> list[str]:
        """Return the ids of the messages that have to be received again."""
        ids = list(self.invalid)
        for recipient in self.recipients:
            if recipient.failure is not None:
                ids += recipient.message_ids
        return ids


def read(records: Iterable[SqsRecord], stage: str, max_receive_count: int) -> Batch:
    """Sort queue messages by user; their bodies are events of the stage, as published.

    A message that is not such an event fails alone.
    """
    recipients: dict[str, Recipient] = {}
    invalid: list[str] = []
    received = 0
    for record in records:
        received += 1
        try:
            event = events.parse(record["body"], stage=stage)
        except InvalidEvent as exc:
            invalid.append(record["messageId"])
            telemetry.error("invalid message", message_id=record["messageId"], reason=str(exc))
            continue
        if not event.user_id:  # a notice whose owner the database could not give
            telemetry.warning("notice without owner", event_id=event.id)
            continue
        recipient = recipients.get(event.user_id)
        if recipient is None:
            recipient = recipients[event.user_id] = Recipient(event.user_id)
        recipient.events[event.id] = event
        recipient.message_ids.append(record["messageId"])
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        recipient.last_receive |= receives >= max_receive_count
    return Batch(received, list(recipients.values()), invalid)
