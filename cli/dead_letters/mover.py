"""Moves and deletes dead letters. A move loses none of them, even if it is interrupted.

A move deletes a dead letter only after SQS has accepted its copy.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cli.dead_letters.letters import EVERYTHING, Filter, Letter
from cli.dead_letters.queue import BATCH, DeadLetterQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cli.dead_letters.run import Run

BATCH_BYTES = 240_000  # less than 256 KiB, the lowest limit that SQS has ever had for a request
POLL_SECONDS = 1.0
_NOT_OFFERED = {"InvalidAction", "UnknownOperationException", "InvalidAction.NotFound"}


def redrive(
    source: DeadLetterQueue,
    destination: str,
    run: Run,
    *,
    wanted: Filter = EVERYTHING,
    limit: int | None = None,
) -> None:
    """Move the selected dead letters to the queue at `destination`, at most `limit`."""
    now = time.time()
    for batch in source.batches(lambda: run.stop() or run.full(limit)):
        matching = [letter for letter in batch if wanted.matches(letter, now)]
        run.passed_over += len(batch) - len(matching)
        room = None if limit is None else limit - run.done - run.doubled
        for part in parts(matching[:room]):
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
    """Split dead letters into parts that each fit into one request."""
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


def collect(source: DeadLetterQueue, wanted: Filter, limit: int | None = None) -> list[Letter]:
    """Return the selected dead letters without changing them. They stay in flight until the run
    ends.
    """
    now = time.time()
    found: list[Letter] = []
    if limit == 0:
        return found
    for batch in source.batches():
        found += [letter for letter in batch if wanted.matches(letter, now)]
        if limit is not None and len(found) >= limit:
            break
    return found[:limit]


def purge(source: DeadLetterQueue, letters: Sequence[Letter], run: Run) -> None:
    """Delete dead letters. They cannot be restored."""
    for start in range(0, len(letters), BATCH):
        if run.stop():
            return
        part = letters[start : start + BATCH]
        left = source.delete(part)
        run.refused += len(left)
        run.add(len(part) - len(left))


def start_task(client: Any, source_arn: str, destination_arn: str) -> str | None:
    """Start a message move task of SQS and return its handle, or None if SQS does not support it
    here.
    """
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
    """Poll a message move task until it finishes. If `run.stop()` returns true, the task is
    cancelled.
    """
    cancelled = False
    count = 0
    while True:
        tasks = client.list_message_move_tasks(SourceArn=source_arn, MaxResults=1)["Results"]
        task = tasks[0] if tasks else {"Status": "RUNNING"}  # the task is not listed yet
        before, count = count, int(task.get("ApproximateNumberOfMessagesMoved", 0))
        run.add(count - before)
        if task["Status"] not in ("RUNNING", "CANCELLING"):
            break
        if run.stop() and not cancelled:
            cancelled = True
            with contextlib.suppress(ClientError):  # the task may have just finished
                client.cancel_message_move_task(TaskHandle=handle)
        pause(POLL_SECONDS)
    if task["Status"] == "FAILED":
        run.refused += max(1, int(task.get("ApproximateNumberOfMessagesToMove", 0)) - count)
        run.reasons.add(task.get("FailureReason", "the message move task failed"))
