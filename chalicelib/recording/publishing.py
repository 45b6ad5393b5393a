"""Publishing to SNS: events to `generation-complete`, alerts to `error-notifications`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, TypeVar

from chalicelib import metrics, telemetry
from chalicelib.errors import PublishFailed
from chalicelib.retry import retry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import (
        MessageAttributeValueTypeDef,
        PublishBatchRequestEntryTypeDef,
    )

    from chalicelib.recording.rows import OutboxRow

T = TypeVar("T")

# SNS accepts at most 10 entries and 256 KiB in one PublishBatch. Eight events of the largest size
# fit into 256 KiB.
BATCH = 8

# The errors with which SNS refuses a message because of its content:
# https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html#API_PublishBatch_Errors
_REFUSED = {
    "BatchRequestTooLong",
    "BatchRequestTooLongException",
    "InvalidParameter",
    "InvalidParameterException",
    "InvalidParameterValue",
    "ParameterValueInvalid",
    "ValidationException",
}


class Publisher:
    """Publishes events and alerts to their topics; `sleep` waits between attempts, in seconds."""

    def __init__(
        self,
        client: SNSClient,
        topic_arn: str,
        error_topic_arn: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._topic_arn = topic_arn
        self._error_topic_arn = error_topic_arn
        self._sleep = sleep

    def publish(self, event: str, *, deadline: float) -> None:
        """Publish one event in at most three attempts.

        Raises
        ------
        PublishFailed
            SNS accepted the event in none of them.
        """
        self._retried(
            lambda: self._client.publish(
                TopicArn=self._topic_arn, Message=event, MessageAttributes=message_attributes(event)
            ),
            deadline,
        )

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
        entries: list[PublishBatchRequestEntryTypeDef] = [
            {"Id": row.id, "Message": row.event, "MessageAttributes": message_attributes(row.event)}
            for row in rows
        ]
        answer = self._retried(
            lambda: self._client.publish_batch(
                TopicArn=self._topic_arn, PublishBatchRequestEntries=entries
            ),
            deadline,
        )
        for failure in answer.get("Failed", []):
            telemetry.warning("event refused by SNS", event_id=failure["Id"], code=failure["Code"])
        return [success["Id"] for success in answer["Successful"]]

    def alert(self, subject: str, **details: object) -> None:
        """Publish an alert to `error-notifications`, in one attempt.

        Retries are not needed, because an alarm on the metric reports the same failure.
        """
        try:
            self._client.publish(
                TopicArn=self._error_topic_arn,
                Subject=subject,
                Message=json.dumps({"message": subject, **details}, default=str),
            )
        except Exception as exc:
            telemetry.error("alert not published", subject=subject, error=_name(exc))

    def _retried(self, call: Callable[[], T], deadline: float) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        def attempt() -> T:
            try:
                return call()
            except ClientError as exc:
                if _name(exc) in _REFUSED:  # the same request will never succeed
                    raise PublishFailed(_name(exc), blames_request=True) from exc
                raise

        try:
            return retry(
                attempt,
                on=(BotoCoreError, ClientError),
                deadline=deadline,
                failed=lambda tries, exc: telemetry.warning(
                    "publish failed", tries=tries, error=_name(exc)
                ),
                sleep=self._sleep,
            )
        except (BotoCoreError, ClientError) as exc:
            raise PublishFailed(_name(exc)) from exc


def message_attributes(event: str) -> dict[str, MessageAttributeValueTypeDef]:
    """Return an event's SNS message attributes. They do not name the owner, because SNS does not
    encrypt attributes.
    """
    found = json.loads(event)
    attributes = {"type": found["type"], "status": found["data"]["status"]}
    return {
        name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
    }


def _name(exc: Exception) -> str:
    response = getattr(exc, "response", None) or {}  # None if there was no response
    return response.get("Error", {}).get("Code") or type(exc).__name__
