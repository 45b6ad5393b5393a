"""A batch of queue messages, grouped by recipient."""

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
    """The reason why a user's messages must be received again."""

    NOT_STORED = "not stored"
    CONNECTIONS_NOT_READ = "connections not read"
    FORBIDDEN = "posting is forbidden: check the function's rights"
    OUT_OF_TIME = "the time ran out"


class Recipient:
    """One user's events in a batch, with the outcome of their delivery.

    `message_ids` are the messages that must be received again after a failure. Those of progress
    events are not among them: a progress event is worthless by then, and a newer one follows.
    `last_receive` is true if at least one of the messages goes to the dead-letter queue when this
    delivery fails.
    """

    __slots__ = (
        "delivered_at",
        "events",
        "failure",
        "last_receive",
        "message_ids",
        "progress",
        "reason",
        "user_id",
    )

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.events: dict[str, Event] = {}  # by event id, because SQS may deliver a message twice
        self.progress: dict[str, Event] = {}  # the newest event of each running generation
        self.message_ids: list[str] = []
        self.last_receive = False
        self.failure: Failure | None = None
        self.reason = ""
        self.delivered_at = 0.0  # time of the last accepted post, in epoch seconds

    def add(self, event: Event, message_id: str, *, last_receive: bool) -> None:
        """Add an event that is delivered or received again."""
        self.events[event.id] = event
        self.message_ids.append(message_id)
        self.last_receive |= last_receive

    def add_progress(self, event: Event) -> None:
        """Add a progress event, unless a newer one of its generation is there."""
        newest = self.progress.get(event.generation_id)
        if newest is None or newest.recorded_at < event.recorded_at:
            self.progress[event.generation_id] = event

    def drop_superseded_progress(self) -> None:
        """Drop the progress of generations whose result is in the same batch."""
        for event in self.events.values():
            if event.offset is not None:
                self.progress.pop(event.generation_id, None)

    def fail(self, failure: Failure, detail: str = "") -> None:
        """Record a failure; only the first one is kept."""
        if self.failure is None:
            self.failure = failure
            self.reason = f"{failure.value}: {detail}" if detail else failure.value


class Batch(NamedTuple):
    """The content of one invocation's messages; `invalid` has the ids of messages without a valid
    event.
    """

    received: int
    recipients: list[Recipient]
    invalid: list[str]

    def failed(self) -> list[str]:
        """Return the ids of the messages that must be received again."""
        ids = list(self.invalid)
        for recipient in self.recipients:
            if recipient.failure is not None:
                ids += recipient.message_ids
        return ids


def read(records: Iterable[SqsRecord], stage: str, max_receive_count: int) -> Batch:
    """Parse the events in queue messages and group them by user.

    The ids of messages without a valid event of this stage are collected in `invalid`. Such
    messages do not affect the others.
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
        if not event.user_id:  # published while the database could not name the owner
            telemetry.warning("event without owner", event_id=event.id)
            continue
        recipient = recipients.get(event.user_id)
        if recipient is None:
            recipient = recipients[event.user_id] = Recipient(event.user_id)
        if event.is_progress:
            recipient.add_progress(event)
            continue
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        last_receive = receives >= max_receive_count
        recipient.add(event, record["messageId"], last_receive=last_receive)
    for recipient in recipients.values():
        recipient.drop_superseded_progress()
    return Batch(received, list(recipients.values()), invalid)
