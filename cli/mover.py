"""Reading, moving and deleting dead letters so that none is lost, whatever interrupts it.

A letter is deleted only after SQS accepted its copy. What a run has received is hidden from
everybody for a while, and shown again as soon as the run ends.
"""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from cli.dead_letters import EVERYTHING, Filter, Letter, QueueName, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import FrameType, TracebackType

BATCH = 10  # entries in one SQS request
BATCH_BYTES = 240_000  # under 256 KiB, the smallest limit that SQS has had for a request
HOLD_SECONDS = 600
WAIT_SECONDS = 1  # long polling asks all of SQS's servers: only then does empty mean empty
STALE_RECEIVES = 3
DELETE_TRIES = 3
POLL_SECONDS = 1.0
_NOT_OFFERED = {"InvalidAction", "UnknownOperationException", "InvalidAction.NotFound"}


class Interrupt:
    """Turns Ctrl-C and SIGTERM into a flag to be looked at between two requests.

    The second one ends the run at once: what is in hand may then be copied and not deleted.
    """

    requested = False

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class Run:
    """What came of a run so far, in letters.

    Between two requests `stop` is asked and `progress` told.
    """

    def __init__(
        self,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.done = 0  # moved or deleted
        self.refused = 0  # no copy was accepted, or it could not be deleted: still there
        self.doubled = 0  # the copy was accepted, but the letter itself could not be deleted
        self.passed_over = 0  # not chosen by the filter
        self.reasons: set[str] = set()
        self.stop = stop
        self._progress = progress

    def add(self, count: int) -> None:
        """Count letters as done."""
        self.done += count
        self._progress(count)

    def full(self, limit: int | None) -> bool:
        """Whether as many as allowed were dealt with."""
        return limit is not None and self.done + self.doubled >= limit


class DeadLetterQueue:
    """One dead-letter queue during one run: no letter is handed out twice.

    To be used in a `with` block; at its end all that was received and not deleted is shown again.
    """

    def __init__(
        self, client: Any, name: QueueName, url: str, *, wait_seconds: int = WAIT_SECONDS
    ) -> None:
        self.client = client
        self.name = name
        self.url = url
        self._wait_seconds = wait_seconds
        self._held: dict[str, str] = {}  # receipt by message id
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
        # A failure here only means that they are shown again after HOLD_SECONDS.
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
        """Return how many letters are visible and how many somebody holds, as SQS estimates."""
        attributes = self._attributes()
        return (
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )

    def arn(self) -> str:
        return str(self._attributes()["QueueArn"])

    def batches(self, stop: Callable[[], bool] = lambda: False) -> Iterator[list[Letter]]:
        """Hand out the letters, up to ten at a time, until none is left or `stop()`."""
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
        # A copy that `deliver` failed on again comes back under the id it was sent with.
        known = message["MessageId"]
        return known not in self._held and known not in self._gone and known not in self._copies

    def copied(self, message_ids: Iterable[str]) -> None:
        """Take note of the ids of copies, so that they are not moved again when they come back."""
        self._copies.update(message_ids)

    def delete(self, letters: Sequence[Letter]) -> list[Letter]:
        """Delete up to ten letters, in three tries; return those that are still there."""
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


def redrive(
    source: DeadLetterQueue,
    destination: str,
    run: Run,
    *,
    chosen: Filter = EVERYTHING,
    limit: int | None = None,
) -> None:
    """Move the chosen letters to the queue at `destination`, until the run has `limit` done."""
    now = time.time()
    for batch in source.batches(lambda: run.stop() or run.full(limit)):
        wanted = [letter for letter in batch if chosen.chooses(letter, now)]
        run.passed_over += len(batch) - len(wanted)
        room = None if limit is None else limit - run.done - run.doubled
        for part in parts(wanted[:room]):
            if run.stop():
                return
            _move(source, destination, part, run)


def _move(source: DeadLetterQueue, destination: str, letters: Sequence[Letter], run: Run) -> None:
    answer = source.client.send_message_batch(
        QueueUrl=destination,
        Entries=[_entry(index, letter) for index, letter in enumerate(letters)],
    )
    failed = answer.get("Failed", [])
    run.refused += len(failed)
    run.reasons.update(f"{entry['Code']}: {entry.get('Message', '')}" for entry in failed)
    accepted = answer.get("Successful", [])
    source.copied(entry["MessageId"] for entry in accepted)
    sent = [letters[int(entry["Id"])] for entry in accepted]
    left = source.delete(sent)
    run.doubled += len(left)
    run.add(len(sent) - len(left))


def _entry(index: int, letter: Letter) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": str(index), "MessageBody": letter.body}
    if letter.attributes:
        entry["MessageAttributes"] = letter.attributes
    if letter.trace:
        trace = {"DataType": "String", "StringValue": letter.trace}
        entry["MessageSystemAttributes"] = {"AWSTraceHeader": trace}
    return entry


def parts(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    """Cut letters so that each part fits one request."""
    part: list[Letter] = []
    size = 0
    for letter in letters:
        if part and (len(part) == BATCH or size + letter.size > BATCH_BYTES):
            yield part
            part, size = [], 0
        part.append(letter)
        size += letter.size
    if part:
        yield part


def collect(source: DeadLetterQueue, chosen: Filter, limit: int | None = None) -> list[Letter]:
    """Return the chosen letters, held until the end of the run; nothing is changed."""
    now = time.time()
    found: list[Letter] = []
    if limit == 0:
        return found
    for batch in source.batches():
        found += [letter for letter in batch if chosen.chooses(letter, now)]
        if limit is not None and len(found) >= limit:
            break
    return found[:limit]


def purge(source: DeadLetterQueue, letters: Sequence[Letter], run: Run) -> None:
    """Delete letters for ever."""
    for start in range(0, len(letters), BATCH):
        if run.stop():
            return
        part = letters[start : start + BATCH]
        left = source.delete(part)
        run.refused += len(left)
        run.add(len(part) - len(left))


def start_task(client: Any, source_arn: str, destination_arn: str) -> str | None:
    """Start SQS's own message move task and return its handle; None where it is not offered."""
    try:
        answer = client.start_message_move_task(
            SourceArn=source_arn, DestinationArn=destination_arn
        )
    except ClientError as exc:
        if exc.response["Error"]["Code"] in _NOT_OFFERED:
            return None
        raise
    return str(answer["TaskHandle"])


def follow_task(
    client: Any,
    source_arn: str,
    handle: str,
    run: Run,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Follow a message move task to its end; `run.stop()` cancels it."""
    cancelled = False
    count = 0
    while True:
        tasks = client.list_message_move_tasks(SourceArn=source_arn, MaxResults=1)["Results"]
        task = tasks[0] if tasks else {"Status": "RUNNING"}  # not listed yet
        before, count = count, int(task.get("ApproximateNumberOfMessagesMoved", 0))
        run.add(count - before)
        if task["Status"] not in ("RUNNING", "CANCELLING"):
            break
        if run.stop() and not cancelled:
            cancelled = True
            with contextlib.suppress(ClientError):  # it may have ended by itself just now
                client.cancel_message_move_task(TaskHandle=handle)
        pause(POLL_SECONDS)
    if task["Status"] == "FAILED":
        run.refused += max(1, int(task.get("ApproximateNumberOfMessagesToMove", 0)) - count)
        run.reasons.add(task.get("FailureReason", "the message move task failed"))
