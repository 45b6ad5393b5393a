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

# SNS takes 10 entries and 256 KiB in one PublishBatch; eight of the largest events fit.
BATCH = 8

# How SNS refuses a message for what it holds:
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
    """Puts events and alerts on their topics; `sleep` waits between tries, seconds."""

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
        """Publish one event, in three tries.

        Raises
        ------
        PublishFailed
            SNS refused all three.
        """
        self._retried(
            lambda: self._client.publish(
                TopicArn=self._topic_arn, Message=event, MessageAttributes=message_attributes(event)
            ),
            deadline,
        )

    def publish_or_report(self, event: str, *, event_id: str, deadline: float) -> bool:
        """Publish an event of the outbox; on failure report it and leave it to the relay."""
        try:
            self.publish(event, deadline=deadline)
        except PublishFailed as exc:
            telemetry.emit({metrics.PUBLISH_FAILURES: 1})
            telemetry.error("event left to the relay", event_id=event_id, error=str(exc))
            self.alert("Herald could not publish an event", eventId=event_id, error=str(exc))
            return False
        return True

    def publish_batch(self, rows: Sequence[OutboxRow], *, deadline: float) -> list[str]:
        """Publish up to BATCH events, in three tries, and return the ids that SNS accepted.

        When SNS blames the request, one of its events is at fault: each is published on its own.

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
        """Notify `error-notifications`, in one try: the metric's alarm does not depend on it."""
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
    """Return an event's SNS attributes: nothing of its owner, since SNS does not encrypt them."""
    found = json.loads(event)
    attributes = {"type": found["type"], "status": found["data"]["status"]}
    return {
        name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
    }


def _name(exc: Exception) -> str:
    response = getattr(exc, "response", None) or {}  # None where there was no answer
    return response.get("Error", {}).get("Code") or type(exc).__name__
