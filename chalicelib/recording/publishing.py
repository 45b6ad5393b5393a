"""Publishing to SNS: events to `generation-complete`, alerts to `error-notifications`."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from chalicelib import settings, telemetry
from chalicelib.errors import PublishFailed
from chalicelib.protocol import events
from chalicelib.recording.generations import OutboxRow
from chalicelib.retry import retry

# SNS takes 10 entries and 256 KiB in one PublishBatch; eight of the largest events fit.
BATCH = 8


@cache
def sns_client() -> Any:
    """Return the SNS client; its own retries are off, since Herald's are the one policy."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "sns", config=Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
    )


class Publisher:
    """Puts events and alerts on their topics."""

    def __init__(self, topic_arn: str, error_topic_arn: str, client: Any = None) -> None:
        self._topic_arn = topic_arn
        self._error_topic_arn = error_topic_arn
        self._client = client or sns_client()

    def publish(self, event: str, *, deadline: float) -> None:
        """Publish one event, with three tries.

        Raises
        ------
        PublishFailed
            SNS took it in none of them.
        """
        self._tried(
            lambda: self._client.publish(
                TopicArn=self._topic_arn, Message=event, MessageAttributes=_attributes(event)
            ),
            deadline,
        )

    def publish_batch(self, rows: Sequence[OutboxRow], *, deadline: float) -> list[str]:
        """Publish up to BATCH events, with three tries, and return the ids that SNS took.

        Raises
        ------
        PublishFailed
            SNS refused the request as a whole.
        """
        answer = self._tried(
            lambda: self._client.publish_batch(
                TopicArn=self._topic_arn,
                PublishBatchRequestEntries=[
                    {
                        "Id": row.id,
                        "Message": row.event,
                        "MessageAttributes": _attributes(row.event),
                    }
                    for row in rows
                ],
            ),
            deadline,
        )
        for failure in answer.get("Failed", []):
            telemetry.warning("event refused by SNS", event_id=failure["Id"], code=failure["Code"])
        return [success["Id"] for success in answer["Successful"]]

    def alert(self, subject: str, **details: object) -> None:
        """Tell `error-notifications`, in one try: the metric's alarm does not depend on it."""
        try:
            self._client.publish(
                TopicArn=self._error_topic_arn,
                Subject=subject,
                Message=json.dumps({"message": subject, **details}, default=str),
            )
        except Exception as exc:
            telemetry.error("alert not published", subject=subject, error=_name(exc))

    def _tried(self, call: Any, deadline: float) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return retry(
                call,
                on=(BotoCoreError, ClientError),
                deadline=deadline,
                failed=lambda tries, exc: telemetry.warning(
                    "publish failed", tries=tries, error=_name(exc)
                ),
            )
        except (BotoCoreError, ClientError) as exc:
            raise PublishFailed(_name(exc)) from exc


@cache
def publisher() -> Publisher:
    """Return the process's publisher."""
    config = settings.load(settings.Outbox)
    return Publisher(config.topic_arn, config.error_topic_arn)


def publish_or_report(publisher: Publisher, event: str, *, event_id: str, deadline: float) -> bool:
    """Publish an event that the outbox holds; on failure report it and leave it to the relay."""
    try:
        publisher.publish(event, deadline=deadline)
    except PublishFailed as exc:
        telemetry.metrics(PublishFailures=1)
        telemetry.error("event left to the relay", event_id=event_id, error=str(exc))
        publisher.alert("Herald could not publish an event", eventId=event_id, error=str(exc))
        return False
    return True


def _attributes(event: str) -> dict[str, dict[str, str]]:
    return {
        name: {"DataType": "String", "StringValue": value}
        for name, value in events.attributes(event).items()
    }


def _name(exc: Exception) -> str:
    response = getattr(exc, "response", None) or {}  # None where there was no answer
    return response.get("Error", {}).get("Code") or type(exc).__name__
