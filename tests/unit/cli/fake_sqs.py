"""A fake of SQS in memory. Its visibility timeouts use the test's clock, and tests can make
requests fail.
"""

from __future__ import annotations

import itertools
from typing import Any

from botocore.exceptions import ClientError

MAIN, DLQ = "https://sqs.test/main", "https://sqs.test/dlq"


class Message:
    def __init__(self, message_id: str, body: str, attributes: dict[str, Any], sent: float) -> None:
        self.id = message_id
        self.body = body
        self.attributes = attributes
        self.sent = sent
        self.visible_at = 0.0
        self.receipt = ""
        self.receives = 0


class FakeSqs:
    """A fake of boto3's SQS client. `refuse_send` and `refuse_delete` have the bodies of refused
    messages.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.queues: dict[str, list[Message]] = {MAIN: [], DLQ: []}
        self.refuse_send: set[str] = set()
        self.refuse_delete: dict[str, int] = {}  # number of refusals by body
        self.requests: list[str] = []
        self.tasks: list[dict[str, Any]] | None = None  # None: message move tasks are not supported
        self.cancelled: list[str] = []
        self._ids = itertools.count()

    def put(self, body: str, url: str = DLQ, message_id: str = "", **attributes: Any) -> Message:
        message_id = message_id or f"id-{next(self._ids)}"
        message = Message(message_id, body, attributes, self.now)
        self.queues[url].append(message)
        return message

    def bodies(self, url: str) -> list[str]:
        return sorted(message.body for message in self.queues[url])

    def visible(self, url: str) -> list[str]:
        return sorted(item.body for item in self.queues[url] if item.visible_at <= self.now)

    def receive_message(self, *, QueueUrl: str, VisibilityTimeout: int, **_: Any) -> Any:  # noqa: N803
        self.requests.append("receive")
        found = [item for item in self.queues[QueueUrl] if item.visible_at <= self.now][:10]
        for item in found:
            item.receives += 1
            item.receipt = f"{item.id}/{item.receives}"
            item.visible_at = self.now + VisibilityTimeout
        messages = [
            {
                "MessageId": item.id,
                "ReceiptHandle": item.receipt,
                "Body": item.body,
                "Attributes": {
                    "SentTimestamp": str(int(item.sent * 1000)),
                    "ApproximateReceiveCount": str(item.receives),
                },
                **({"MessageAttributes": item.attributes} if item.attributes else {}),
            }
            for item in found
        ]
        return {"Messages": messages} if messages else {}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        self.requests.append("send")
        answer: dict[str, list[Any]] = {"Successful": [], "Failed": []}
        for entry in Entries:
            if entry["MessageBody"] in self.refuse_send:
                failure = {"Id": entry["Id"], "Code": "Denied", "Message": "not now"}
                answer["Failed"].append(failure)
                continue
            sent = self.put(entry["MessageBody"], QueueUrl, **entry.get("MessageAttributes", {}))
            answer["Successful"].append({"Id": entry["Id"], "MessageId": sent.id})
        return answer

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        self.requests.append("delete")
        failed = []
        for entry in Entries:
            matches = [m for m in self.queues[QueueUrl] if m.receipt == entry["ReceiptHandle"]]
            left = self.refuse_delete.get(matches[0].body, 0) if matches else 1
            if left:
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                if matches:
                    self.refuse_delete[matches[0].body] = left - 1
                continue
            self.queues[QueueUrl].remove(matches[0])
        return {"Successful": [], "Failed": failed}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        self.requests.append("visibility")
        wanted = {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}
        for item in self.queues[QueueUrl]:
            if item.receipt in wanted:
                item.visible_at = self.now + wanted[item.receipt]
        return {"Successful": [], "Failed": []}

    def get_queue_attributes(self, *, QueueUrl: str, **_: Any) -> Any:  # noqa: N803
        visible = len(self.visible(QueueUrl))
        return {
            "Attributes": {
                "QueueArn": QueueUrl.replace("https://sqs.test/", "arn:aws:sqs:r:1:"),
                "ApproximateNumberOfMessages": str(visible),
                "ApproximateNumberOfMessagesNotVisible": str(len(self.queues[QueueUrl]) - visible),
            }
        }

    def start_message_move_task(self, **wanted: str) -> Any:
        if self.tasks is None:
            raise error("InvalidAction")
        self.requests.append(f"task {wanted['SourceArn']} {wanted['DestinationArn']}")
        return {"TaskHandle": "task-1"}

    def list_message_move_tasks(self, **_: Any) -> Any:
        tasks = self.tasks or []
        return {"Results": [tasks.pop(0) if len(tasks) > 1 else tasks[0]] if tasks else []}

    def cancel_message_move_task(self, *, TaskHandle: str) -> Any:  # noqa: N803
        self.cancelled.append(TaskHandle)


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "Anything")
