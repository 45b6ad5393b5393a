"""The operations on the dead letters of one or several queues."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from cli.dead_letters import mover
from cli.dead_letters.letters import EVERYTHING
from cli.dead_letters.queue import DeadLetterQueue
from cli.dead_letters.run import Interrupt, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cli.dead_letters.letters import Filter, Letter, QueueName


class Listing(NamedTuple):
    """SQS's estimated message counts for one queue, and its first dead letters, oldest first."""

    queue: QueueName
    visible: int
    in_flight: int
    letters: list[Letter]


class Outcome(NamedTuple):
    """The result of a redrive or a purge."""

    verb: str
    run: Run
    interrupted: bool
    error: str = ""

    @property
    def complete(self) -> bool:
        """Whether all selected dead letters were processed."""
        return not (self.interrupted or self.error or self.run.refused or self.run.doubled)

    @property
    def reasons(self) -> list[str]:
        """The reasons why dead letters were not processed."""
        return sorted({*self.run.reasons, *([self.error] if self.error else [])})

    def __str__(self) -> str:
        run = self.run
        parts = [f"{run.done} {self.verb}"]
        if run.refused:
            parts.append(f"{run.refused} refused and left in place")
        if run.doubled:
            parts.append(f"{run.doubled} copied but not deleted: clients drop the duplicates")
        if run.passed_over:
            parts.append(f"{run.passed_over} not selected by the filter")
        if self.interrupted:
            parts.append("interrupted; the others were not changed")
        return ", ".join(parts) + "."

    def as_json(self) -> dict[str, Any]:
        """Return the counts, for JSON."""
        return {
            self.verb: self.run.done,
            "refused": self.run.refused,
            "doubled": self.run.doubled,
            "passedOver": self.run.passed_over,
            "interrupted": self.interrupted,
            "reasons": self.reasons,
        }


def listing(queue: DeadLetterQueue, wanted: Filter, limit: int) -> Listing:
    """Return the counts of a queue and its first `limit` dead letters."""
    visible, in_flight = queue.counts()
    letters = mover.collect(queue, wanted, limit)
    return Listing(
        queue.name, visible, in_flight, sorted(letters, key=lambda letter: letter.sent_at)
    )


def collect(
    queues: Sequence[DeadLetterQueue], wanted: Filter, limit: int | None
) -> dict[QueueName, list[Letter]]:
    """Return the selected dead letters of each queue, at most `limit` in total, without changing
    them.
    """
    found: dict[QueueName, list[Letter]] = {}
    for queue in queues:
        left = None if limit is None else limit - sum(map(len, found.values()))
        found[queue.name] = mover.collect(queue, wanted, left)
    return found


def redrive(
    queues: Sequence[DeadLetterQueue],
    destinations: Mapping[QueueName, str],
    wanted: Filter,
    limit: int | None,
) -> Outcome:
    """Move the selected dead letters of each queue to the queue at its destination."""

    def move(queue: DeadLetterQueue, run: Run) -> None:
        destination = destinations[queue.name]
        # SQS's message move task has no filter, and it accepts only the dead-letter queue of a
        # queue, not that of a subscription.
        if queue.name != "subscription" and wanted == EVERYTHING and limit is None:
            source = queue.arn()
            main_arn = DeadLetterQueue(queue.client, queue.name, destination).arn()
            if handle := mover.start_task(queue.client, source, main_arn):
                mover.follow_task(queue.client, source, handle, run)
                return
        mover.redrive(queue, destination, run, wanted=wanted, limit=limit)

    total = sum(queue.counts()[0] for queue in queues)
    return _work(queues, move, "moved", total if limit is None else min(total, limit))


def purge(queues: Sequence[DeadLetterQueue], found: dict[QueueName, list[Letter]]) -> Outcome:
    """Delete the dead letters that `collect` found. They cannot be restored."""

    def delete(queue: DeadLetterQueue, run: Run) -> None:
        mover.purge(queue, found[queue.name], run)

    return _work(queues, delete, "deleted", sum(map(len, found.values())))


def _work(
    queues: Sequence[DeadLetterQueue],
    job: Callable[[DeadLetterQueue, Run], None],
    verb: str,
    total: int,
) -> Outcome:
    """Run a job on each queue with a progress bar. The counts are reported even if the job fails or
    is interrupted.
    """
    error = ""
    with Interrupt() as interrupt, _progress(verb, total) as progress:
        run = Run(stop=lambda: interrupt.requested, progress=progress)
        try:
            for queue in queues:
                job(queue, run)
        except (BotoCoreError, ClientError) as exc:
            error = str(exc)
        except KeyboardInterrupt:
            error = "interrupted twice: some messages may be delivered as duplicates"
    return Outcome(verb, run, interrupt.requested, error)


@contextmanager
def _progress(verb: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(verb, total=total)
        yield lambda count: bar.advance(task, count)
