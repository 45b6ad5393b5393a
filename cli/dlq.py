"""Dead letters: `make dlq ARGS="list|peek|redrive|purge"`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from cli import mover, target
from cli.commands import DONE, PARTLY, age, confirmed, duration, note, positive, run
from cli.dead_letters import EVERYTHING, Filter
from cli.mover import DeadLetterQueue, Interrupt, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cli.dead_letters import Letter, QueueName

_OUTPUTS: dict[QueueName, str] = {"queue": "dlq_url", "subscription": "subscription_dlq_url"}
_TITLES: dict[QueueName, str] = {
    "queue": "dead letters of the queue (`deliver` failed on them)",
    "subscription": "dead letters of the subscription (SNS could not put them into the queue)",
}
_PREVIEWED = 20
_PEEKED = 10

_HELP = """\
Dead letters are events that were not delivered. Find out why (`list`, then deliver's log), mend
it, and `redrive` them: they go through `deliver` again, and clients sort out duplicates by the
event's id. Nothing is lost when a redrive is interrupted: a letter is deleted only after SQS
accepted its copy. Ctrl-C finishes the request in hand and tells what was moved."""

_EXAMPLES = """\
examples:
  make dlq ARGS="list"
  make dlq ARGS="peek --user alice --limit 1"
  make dlq ARGS="redrive --queue queue --older-than 10m --dry-run" STAGE=prod
  make dlq ARGS="purge --generation 5e0e6f0c-…"

exit codes: 0 done; 1 something was left (refused, interrupted, answered no); 2 nothing was begun"""


def list_letters(queues: Sequence[DeadLetterQueue], arguments: argparse.Namespace) -> int:
    """Count both queues and show the first letters of each with the reason."""
    from rich.console import Console
    from rich.table import Table

    limit = arguments.limit or _PREVIEWED
    console = Console(width=None if sys.stdout.isatty() else 200)
    for queue in queues:
        visible, held = queue.counts()
        console.print(f"{visible} {_TITLES[queue.name]}{f', {held} more in hand' if held else ''}")
        letters = mover.collect(queue, chosen(arguments), limit=limit)
        if not letters:
            continue
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("age", "type", "generation", "user", "reason"):
            table.add_column(column, overflow="fold")
        for letter in sorted(letters, key=lambda letter: letter.sent_at):
            table.add_row(*_row(letter))
        console.print(table)
        if len(letters) == limit:
            note(f"Only {limit} are shown; --limit shows more.")
    return DONE


def _row(letter: Letter) -> tuple[str, ...]:
    from rich.markup import escape

    kind = letter.type.removeprefix("herald.generation.")
    cells = (age(time.time() - letter.sent_at), kind, letter.generation, letter.user, letter.reason)
    return tuple(escape(cell) or "?" for cell in cells)


def peek(queues: Sequence[DeadLetterQueue], arguments: argparse.Namespace) -> int:
    """Print letters whole, as one JSON array."""
    found = [
        letter.whole()
        for queue in queues
        for letter in mover.collect(queue, chosen(arguments), limit=arguments.limit or _PEEKED)
    ]
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return DONE


def redrive(
    queues: Sequence[DeadLetterQueue], arguments: argparse.Namespace, destination: str
) -> int:
    """Move letters back into the main queue."""
    wanted, limit = chosen(arguments), arguments.limit
    if arguments.dry_run:
        found = sum(len(letters) for letters in _collected(queues, wanted, limit).values())
        print(f"{found} would be moved.")
        return DONE

    def move(queue: DeadLetterQueue, work: Run) -> None:
        # SQS's own task knows no filter, and refuses a queue that is not the DLQ of another queue.
        if queue.name == "queue" and wanted == EVERYTHING and limit is None:
            source = queue.arn()
            main_arn = DeadLetterQueue(queue.client, "queue", destination).arn()
            if handle := mover.start_task(queue.client, source, main_arn):
                mover.follow_task(queue.client, source, handle, work)
                return
        mover.redrive(queue, destination, work, chosen=wanted, limit=limit)

    total = sum(queue.counts()[0] for queue in queues)
    return _work(queues, move, "moved", total if limit is None else min(total, limit))


def purge(queues: Sequence[DeadLetterQueue], arguments: argparse.Namespace) -> int:
    """Delete letters for ever: exactly those that were counted before the question."""
    found = _collected(queues, chosen(arguments), arguments.limit)
    count = sum(map(len, found.values()))
    if not count:
        print("0 deleted: there are none.")
        return DONE
    counted = "; ".join(f"{len(letters)} {_TITLES[name]}" for name, letters in found.items())
    if not confirmed(f"{counted}.\nDelete {count} for ever?", yes=arguments.yes):
        print("0 deleted.")
        return PARTLY
    return _work(
        queues, lambda queue, work: mover.purge(queue, found[queue.name], work), "deleted", count
    )


def chosen(arguments: argparse.Namespace) -> Filter:
    """Return the filter that the options describe."""
    return Filter(
        arguments.generation, arguments.user, arguments.older_than, arguments.younger_than
    )


def _collected(
    queues: Sequence[DeadLetterQueue], wanted: Filter, limit: int | None
) -> dict[QueueName, list[Letter]]:
    found: dict[QueueName, list[Letter]] = {}
    for queue in queues:
        left = None if limit is None else limit - sum(map(len, found.values()))
        found[queue.name] = mover.collect(queue, wanted, left)
    return found


def _work(
    queues: Sequence[DeadLetterQueue],
    job: Callable[[DeadLetterQueue, Run], None],
    verb: str,
    total: int,
) -> int:
    """Do the job on each queue under a progress bar; report what was done however it ends."""
    error = ""
    with Interrupt() as interrupt, _progress(verb, total) as progress:
        work = Run(stop=lambda: interrupt.requested, progress=progress)
        try:
            for queue in queues:
                job(queue, work)
        except (BotoCoreError, ClientError) as exc:
            error = str(exc)
        except KeyboardInterrupt:
            error = "interrupted twice: the letters in hand may come again, as duplicates"
    print(summary(work, verb, interrupted=interrupt.requested))
    for reason in sorted({*work.reasons, *([error] if error else [])}):
        note(reason)
    left = interrupt.requested or error or work.refused or work.doubled
    return PARTLY if left else DONE


def summary(work: Run, verb: str, *, interrupted: bool) -> str:
    """Say in one line what came of a run."""
    parts = [f"{work.done} {verb}"]
    if work.refused:
        parts.append(f"{work.refused} refused and left in place")
    if work.doubled:
        parts.append(f"{work.doubled} copied but left in place: they will come twice, harmlessly")
    if work.passed_over:
        parts.append(f"{work.passed_over} passed over by the filter")
    if interrupted:
        parts.append("interrupted; the rest is where it was")
    return ", ".join(parts) + "."


@contextmanager
def _progress(verb: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(verb, total=total)
        yield lambda count: bar.advance(task, count)


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    shared = argparse.ArgumentParser(add_help=False)
    group = shared.add_argument_group("which letters (default: all)")
    group.add_argument("--queue", choices=(*_OUTPUTS, "both"), default="both")
    group.add_argument("--generation", metavar="ID", help="of this generation")
    group.add_argument("--user", metavar="ID", help="of this owner")
    group.add_argument(
        "--older-than", type=duration, metavar="AGE", help="sent longer ago than 10m, 2h, 3d"
    )
    group.add_argument("--younger-than", type=duration, metavar="AGE", help="sent since")
    group.add_argument("--limit", type=positive, metavar="N", help="at most N letters")
    target.add_arguments(shared)

    root = argparse.ArgumentParser(
        prog="python -m cli.dlq",
        description=_HELP,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in (
        ("list", f"count both queues; show the first {_PREVIEWED} of each with the reason"),
        ("peek", f"print letters whole, as JSON; the first {_PEEKED} of each queue"),
        ("redrive", "move letters back into the main queue"),
        ("purge", "delete letters for ever; asks first"),
    ):
        command = commands.add_parser(name, help=text, description=text, parents=[shared])
        if name == "redrive":
            command.add_argument("--dry-run", action="store_true", help="only count them")
        if name == "purge":
            command.add_argument("--yes", action="store_true", help="do not ask")
    return root


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words`; return the exit code."""
    arguments = parser().parse_args(words)
    herald = target.choose(arguments)
    note(f"Dead letters of the {herald.title}")
    client = herald.client("sqs")
    names = list(_OUTPUTS) if arguments.queue == "both" else [arguments.queue]
    with ExitStack() as stack:
        queues = [
            stack.enter_context(DeadLetterQueue(client, name, herald.output(_OUTPUTS[name])))
            for name in names
        ]
        match arguments.command:
            case "list":
                return list_letters(queues, arguments)
            case "peek":
                return peek(queues, arguments)
            case "redrive":
                return redrive(queues, arguments, herald.output("queue_url"))
            case _:
                return purge(queues, arguments)


if __name__ == "__main__":
    sys.exit(run(main))
