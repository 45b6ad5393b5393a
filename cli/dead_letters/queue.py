"""Access to a dead-letter queue during one run.

A run returns each message once. Messages that are not deleted become visible again when it ends.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from cli.dead_letters.letters import Letter, QueueName, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

BATCH = 10  # entries in one SQS request
HOLD_SECONDS = 600
# long polling queries all SQS servers, so an empty response means that the queue is empty
WAIT_SECONDS = 1
STALE_RECEIVES = 3
DELETE_TRIES = 3


class DeadLetterQueue:
    """A dead-letter queue during one run, which returns each message only once.

    Use it in a `with` block. At the end of the block, messages that were received but not deleted
    become visible again.
    """

    def __init__(
        self, client: Any, name: QueueName, url: str, *, wait_seconds: int = WAIT_SECONDS
    ) -> None:
        self.client = client
        self.name = name
        self.url = url
        self._wait_seconds = wait_seconds
        self._held: dict[str, str] = {}  # receipt handles by message id
        self._gone: set[str] = set()
        self._copies: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        receipts = list(self._held.values())
        # If this fails, the messages become visible after HOLD_SECONDS.
        with contextlib.suppress(BotoCoreError, ClientError):
            for start in range(0, len(receipts), BATCH):
                self.client.change_message_visibility_batch(
                    QueueUrl=self.url,
                    Entries=[
                        {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                        for index, receipt in enumerate(receipts[start : start + BATCH])
                    ],
                )

    def counts(self) -> tuple[int, int]:
        """Return SQS's estimates of the numbers of visible messages and of messages in flight."""
        attributes = self._attributes()
        return (
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )

    def arn(self) -> str:
        """Return the queue's ARN."""
        return str(self._attributes()["QueueArn"])

    def batches(self, stop: Callable[[], bool] = lambda: False) -> Iterator[list[Letter]]:
        """Yield up to ten dead letters at a time until none is left or `stop()` returns true."""
        stale = 0
        while not stop() and stale < STALE_RECEIVES:
            answer = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=HOLD_SECONDS,
                WaitTimeSeconds=self._wait_seconds,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                return
            fresh = [read(self.name, message) for message in messages if self._new(message)]
            self._held.update((item["MessageId"], item["ReceiptHandle"]) for item in messages)
            stale = 0 if fresh else stale + 1
            if fresh:
                yield fresh

    def _new(self, message: dict[str, Any]) -> bool:
        # If `deliver` fails again on a copy, the copy returns to this queue with its own message
        # id.
        known = message["MessageId"]
        return known not in self._held and known not in self._gone and known not in self._copies

    def copied(self, message_ids: Iterable[str]) -> None:
        """Remember the message ids of copies. A copy that returns to this queue is not moved
        again.
        """
        self._copies.update(message_ids)

    def delete(self, letters: Sequence[Letter]) -> list[Letter]:
        """Delete up to ten dead letters in at most three attempts; return those that were not
        deleted.
        """
        self._gone.update(letter.message_id for letter in letters)
        left = list(letters)
        for _ in range(DELETE_TRIES):
            if not left:
                break
            answer = self.client.delete_message_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": letter.receipt}
                    for index, letter in enumerate(left)
                ],
            )
            failed = {int(entry["Id"]) for entry in answer.get("Failed", [])}
            for index, letter in enumerate(left):
                if index not in failed:
                    self._held.pop(letter.message_id, None)
            left = [letter for index, letter in enumerate(left) if index in failed]
        return left

    def _attributes(self) -> dict[str, str]:
        answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])
        return dict(answer["Attributes"])
