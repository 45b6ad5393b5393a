"""A subscriber to error-notifications, which receives the alerts for operators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.faults.background import eventually

if TYPE_CHECKING:
    from tests.faults.stack import FaultStack

_QUEUE = "fault-suite-alerts"


class Alerts:
    """A queue subscribed to the error topic."""

    def __init__(self, stack: FaultStack) -> None:
        self._stack = stack
        sqs = stack.client("sqs")
        topic = stack.env["HERALD_ERROR_TOPIC_ARN"]
        self._url = sqs.create_queue(QueueName=_QUEUE)["QueueUrl"]
        self._arn = sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])[
            "Attributes"
        ]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self._arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        self._subscription = stack.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=self._arn, ReturnSubscriptionArn=True
        )["SubscriptionArn"]
        self._seen: list[str] = []

    def expect(self, *words: str, seconds: float = 20.0) -> None:
        """Wait for an alert that contains all the words."""

        def found() -> bool:
            sqs = self._stack.client("sqs")
            answer = sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                self._seen.append(message["Body"])
                sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            return any(all(word in alert for word in words) for alert in self._seen)

        eventually(found, f"an alert containing {words}", seconds)

    def close(self) -> None:
        self._stack.client("sns").unsubscribe(SubscriptionArn=self._subscription)
        self._stack.client("sqs").delete_queue(QueueUrl=self._url)
