"""`./herald dlq list|peek|redrive|purge`: lists, shows, redrives and deletes dead letters."""

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli import target
from cli.console import DONE, PARTLY, add_row, age, confirmed, note, print_json, say, tables
from cli.declare import command
from cli.options import Json, Which, Yes, duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.dead_letters.actions import Listing, Outcome
    from cli.dead_letters.letters import Filter, Letter, QueueName
    from cli.dead_letters.queue import DeadLetterQueue
    from cli.target import Target

HELP = """\
Dead letters: messages in the dead-letter queues, with events that were not delivered, or whose
outputs were not copied.

Find the reason (`list`, then the logs of deliver or keep), fix it, and `redrive` the messages.
`deliver` or `keep` then processes them again. Clients drop duplicates by the event's id, and an
output is copied only once."""

_OUTPUTS: dict["QueueName", str] = {
    "queue": "dlq_url",
    "subscription": "subscription_dlq_url",
    "keep": "keep_dlq_url",
}
_DESTINATIONS: dict["QueueName", str] = {
    "queue": "queue_url",
    "subscription": "queue_url",
    "keep": "keep_queue_url",
}
_TITLES: dict["QueueName", str] = {
    "queue": "dead letters of the queue (`deliver` failed on them)",
    "subscription": "dead letters of the subscription (SNS could not put them into the queue)",
    "keep": "dead letters of keep (their outputs could not be copied)",
}
_LISTED = 20
_PEEKED = 10
_LETTERS = "Which messages (default: all)"


@dataclass(frozen=True)
class Chosen:
    """The options that select dead letters."""

    queue: Annotated[
        Literal["queue", "subscription", "keep", "all"],
        typer.Option(help="The dead-letter queue to use.", rich_help_panel=_LETTERS),
    ] = "all"
    generation: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Only events of this generation.", rich_help_panel=_LETTERS
        ),
    ] = None
    user: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only events of this user.", rich_help_panel=_LETTERS),
    ] = None
    older_than: Annotated[
        int | None,
        typer.Option(
            parser=duration,
            metavar="AGE",
            help="Only those sent longer ago than this: 10m, 2h, 3d.",
            rich_help_panel=_LETTERS,
        ),
    ] = None
    younger_than: Annotated[
        int | None,
        typer.Option(
            parser=duration,
            metavar="AGE",
            help="Only those sent within this time.",
            rich_help_panel=_LETTERS,
        ),
    ] = None
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="At most N messages.", rich_help_panel=_LETTERS),
    ] = None

    def filter(self) -> "Filter":
        """Return the filter that the options describe."""
        from cli.dead_letters.letters import Filter

        return Filter(self.generation, self.user, self.older_than, self.younger_than)


@command("""
./herald dlq list
./herald dlq list --stage prod --json | jq '.queues[].visible'
""")
def list_letters(which: Which, chosen: Chosen, json: Json = False) -> int:
    """Count the messages in all queues; show the first 20 of each with the reason for the failure.

    --json prints {"queues": an array of {"queue", "visible", "inFlight", "letters"}}; each of the
    "letters" is {"queue", "messageId", "sentAt", "receives", "reason", "type", "generation",
    "user"}.
    """
    from cli.dead_letters import actions

    limit = chosen.limit or _LISTED
    listings = []
    with _open(which, chosen) as (_, queues):
        for queue in queues:
            listings.append(actions.listing(queue, chosen.filter(), limit))
            if not json:
                _show(listings[-1], limit)
    if json:
        print_json(
            {
                "queues": [
                    {
                        "queue": found.queue,
                        "visible": found.visible,
                        "inFlight": found.in_flight,
                        "letters": [letter.summary() for letter in found.letters],
                    }
                    for found in listings
                ]
            }
        )
    return DONE


@command("""
./herald dlq peek --user alice --limit 1
./herald dlq peek --queue subscription --stage prod | jq '.[].reason'
""")
def peek(which: Which, chosen: Chosen, json: Json = False) -> int:
    """Print the first 10 messages of each queue completely, as JSON (even without --json).

    The output is an array of {"queue", "messageId", "sentAt", "receives", "reason", "attributes",
    "event"}. A message that is not JSON has "body" instead of "event".
    """
    from cli.dead_letters import mover

    with _open(which, chosen) as (_, queues):
        print_json(
            [
                letter.whole()
                for queue in queues
                for letter in mover.collect(queue, chosen.filter(), chosen.limit or _PEEKED)
            ]
        )
    return DONE


@command("""
./herald dlq redrive --dry-run
./herald dlq redrive --queue queue --older-than 10m --stage prod
""")
def redrive(
    which: Which,
    chosen: Chosen,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the messages.")] = False,
    json: Json = False,
) -> int:
    """Move dead letters back to the queue that they came from.

    An interrupted redrive loses no message, because a message is deleted only after SQS has
    accepted its copy. After Ctrl-C, the command finishes the current request and reports the number
    of moved messages.

    Exit codes: 0 all were moved; 1 some were not moved (SQS refused them, or the command was
    interrupted); 2 nothing was done.

    --json prints {"moved", "refused", "doubled", "passedOver", "interrupted", "reasons"}; with
    --dry-run, {"found"}.
    """
    from cli.dead_letters import actions

    with _open(which, chosen) as (herald, queues):
        if dry_run:
            found = actions.collect(queues, chosen.filter(), chosen.limit)
            count = sum(map(len, found.values()))
            print_json({"found": count}) if json else say(f"{count} would be moved.")
            return DONE
        destinations = {queue.name: herald.output(_DESTINATIONS[queue.name]) for queue in queues}
        outcome = actions.redrive(queues, destinations, chosen.filter(), chosen.limit)
    return _report(outcome, json=json)


@command("""
./herald dlq purge --generation 5e0e6f0c-7a31-4d5b-9a66-0d1f9b2e7a66
./herald dlq purge --older-than 7d --stage prod --yes
""")
def purge(which: Which, chosen: Chosen, yes: Yes = False, json: Json = False) -> int:
    """Delete dead letters permanently.

    Only the messages that the confirmation counts are deleted.

    Exit codes: 0 all were deleted; 1 some were not deleted (SQS refused, or the command was
    interrupted), or you answered no; 2 an error, before anything was deleted.

    --json prints {"deleted", "refused", "doubled", "passedOver", "interrupted", "reasons"}.
    """
    from cli.dead_letters import actions
    from cli.dead_letters.run import Run

    with _open(which, chosen) as (_, queues):
        found = actions.collect(queues, chosen.filter(), chosen.limit)
        count = sum(map(len, found.values()))
        if count:
            counted = "; ".join(f"{len(found[name])} {_TITLES[name]}" for name in found)
            if confirmed(f"{counted}.\nDelete {count} permanently?", yes=yes):
                return _report(actions.purge(queues, found), json=json)
    if json:
        print_json(actions.Outcome("deleted", Run(), interrupted=False).as_json())
    else:
        say("0 deleted." if count else "0 deleted: there are none.")
    return PARTLY if count else DONE


@contextmanager
def _open(which: Which, chosen: Chosen) -> "Iterator[tuple[Target, list[DeadLetterQueue]]]":
    """Open the queues. At the end, messages that were received but not deleted become visible
    again.
    """
    from cli.dead_letters.queue import DeadLetterQueue

    herald = target.choose(which)
    note(f"Dead letters of the {herald.title}")
    client = herald.client("sqs")
    names: list[QueueName] = [chosen.queue] if chosen.queue != "all" else list(_OUTPUTS)
    if chosen.queue == "all" and not herald.known(_OUTPUTS["keep"]):
        names.remove("keep")  # this deployment does not keep outputs
    with ExitStack() as stack:
        yield (
            herald,
            [
                stack.enter_context(DeadLetterQueue(client, name, herald.output(_OUTPUTS[name])))
                for name in names
            ],
        )


def _report(outcome: "Outcome", *, json: bool) -> int:
    if json:
        print_json(outcome.as_json())
    else:
        say(outcome)
    for reason in outcome.reasons:
        note(reason)
    return DONE if outcome.complete else PARTLY


def _show(found: "Listing", limit: int) -> None:
    from rich.table import Table

    console = tables(wide=200)
    in_flight = f", {found.in_flight} more in flight" if found.in_flight else ""
    console.print(f"{found.visible} {_TITLES[found.queue]}{in_flight}")
    if not found.letters:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("age", "type", "generation", "user", "reason"):
        table.add_column(column, overflow="fold")
    for letter in found.letters:
        add_row(table, *_row(letter))
    console.print(table)
    if len(found.letters) == limit:
        note(f"Only {limit} are shown; --limit shows more.")


def _row(letter: "Letter") -> tuple[str, ...]:
    kind = letter.type.removeprefix("herald.generation.")
    cells = (age(time.time() - letter.sent_at), kind, letter.generation, letter.user, letter.reason)
    return tuple(cell or "?" for cell in cells)
