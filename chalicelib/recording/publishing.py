"""Publishing to SNS: events to `generation-complete`, alerts to `error-notifications`."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from chalicelib import metrics, telemetry
from chalicelib.aws.sns import Entry
from chalicelib.errors import PublishFailed, ServiceError
from chalicelib.protocol.event_writer import fitted
from chalicelib.protocol.events import TYPES
from chalicelib.retry import TRIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.aws.sns import Sns
    from chalicelib.recording.outbox import OutboxRow

# SNS takes 10 entries and 256 KiB in one PublishBatch; eight of the largest events fit.
BATCH = 8
ALERT_SECONDS = 3.0
_TYPE = re.compile(r'"type":\s*"([^"]*)"')
_ATTRIBUTES: dict[str, dict[str, str]] = {
    kind: {"type": kind, "status": status} for status, kind in TYPES.items()
}


class Publisher:
    """Publishes events and alerts to their topics."""

    def __init__(self, sns: Sns, topic_arn: str, error_topic_arn: str) -> None:
        self._sns = sns
        self._topic_arn = topic_arn
        self._error_topic_arn = error_topic_arn

    def publish(self, event: str, *, deadline: float, tries: int = TRIES) -> None:
        """Publish one event in at most `tries` attempts.

        Raises
        ------
        PublishFailed
            SNS accepted the event in none of them.
        """
        message, attributes = _message(event)
        try:
            self._sns.publish(
                self._topic_arn, message, attributes=attributes, deadline=deadline, tries=tries
            )
        except ServiceError as exc:
            raise _failed(exc) from exc

    def publish_or_report(self, event: str, *, event_id: str, deadline: float) -> bool:
        """Publish an event of the outbox and return True.

        On failure, report the failure and return False; the relay then publishes the event.
        """
        try:
            self.publish(event, deadline=deadline)
        except PublishFailed as exc:
            telemetry.emit({metrics.PUBLISH_FAILURES: 1})
            telemetry.error("event left to the relay", event_id=event_id, error=str(exc))
            self.alert("Herald could not publish an event", eventId=event_id, error=str(exc))
            return False
        return True

    def publish_batch(self, rows: Sequence[OutboxRow], *, deadline: float) -> list[str]:
        """Publish up to BATCH events in at most three attempts; return the ids that SNS accepted.

        If SNS refuses the whole request because of its content, at least one event is invalid. Each
        event is then published in a request of its own, so that only invalid events fail.

        Raises
        ------
        PublishFailed
            SNS refused the request for another reason, or did not answer.
        """
        try:
            return self._publish_entries(rows, deadline)
        except PublishFailed as exc:
            if not exc.blames_request:
                raise
            if len(rows) == 1:
                telemetry.warning("event refused by SNS", event_id=rows[0].id, code=str(exc))
                return []
        return [
            accepted for row in rows for accepted in self.publish_batch([row], deadline=deadline)
        ]

    def _publish_entries(self, rows: Sequence[OutboxRow], deadline: float) -> list[str]:
        entries = [Entry(row.id, *_message(row.event)) for row in rows]
        try:
            result = self._sns.publish_batch(self._topic_arn, entries, deadline=deadline)
        except ServiceError as exc:
            raise _failed(exc) from exc
        for event_id, code in result.refused.items():
            telemetry.warning("event refused by SNS", event_id=event_id, code=code)
        return result.accepted

    def alert(self, subject: str, **details: object) -> None:
        """Notify `error-notifications` in one attempt. The alarm on the metric does not need it."""
        message = json.dumps({"message": subject, **details}, default=str)
        deadline = time.monotonic() + ALERT_SECONDS
        try:
            self._sns.publish(
                self._error_topic_arn, message, subject=subject, deadline=deadline, tries=1
            )
        except ServiceError as exc:
            telemetry.error("alert not published", subject=subject, error=exc.code)


def _message(event: str) -> tuple[str, dict[str, str]]:
    """Return an event's message and its attributes; raises PublishFailed if it is not an event."""
    attributes = message_attributes(event)
    try:
        return fitted(event), attributes
    except (ValueError, LookupError, TypeError) as exc:
        raise PublishFailed("NotAnEvent", blames_request=True) from exc


def message_attributes(event: str) -> dict[str, str]:
    """Return an event's SNS attributes, without its owner: SNS does not encrypt attributes.

    The type comes before all text from outside in an event, so the event need not be parsed.

    Raises
    ------
    PublishFailed
        The text is not an event of Herald's. It blames the request.
    """
    found = _TYPE.search(event)
    attributes = _ATTRIBUTES.get(found[1]) if found else None
    if attributes is None:
        raise PublishFailed("NotAnEvent", blames_request=True)
    return attributes


def _failed(exc: ServiceError) -> PublishFailed:
    return PublishFailed(exc.code, blames_request=exc.blames_request)
