"""`./herald new-epoch`: starts new streams after a database was restored."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import target
from cli.console import DONE, PARTLY, CommandError, confirmed, note, print_json, say
from cli.declare import command
from cli.options import Json, Which, Yes

if TYPE_CHECKING:
    from cli.new_epoch import Renewed

_SECONDS = 3600.0  # time limit of the transaction in seconds


@command("""
./herald new-epoch --stage prod
HERALD_DATABASE_URL=postgresql://user:password@host:5432/name ./herald new-epoch --stage prod
""")
def new_epoch(
    which: Which,
    yes: Yes = False,
    no_announce: Annotated[
        bool,
        typer.Option("--no-announce", help="Do not update the inboxes."),
    ] = False,
    json: Json = False,
) -> int:
    """Start new streams after the database was restored from a backup.

    A restored database has lost offsets that clients have already seen, and would assign them to
    other events. This command therefore gives every stream a new epoch, moves unpublished events to
    it, and updates each user's inbox. Clients then receive a gap and reload their state. You can
    safely run the command again.

    Results that were recorded after the backup are lost: ask the provider to report them again.

    Exit codes: 0 success; 1 you answered no, or an inbox was not updated; 2 nothing was changed.

    --json prints {"streams", "moved", "announced"}: the numbers of renewed streams, moved events
    and updated inboxes (null with --no-announce).
    """
    database = target.database(which)
    herald = None if no_announce else target.choose(which)
    table = herald.output("inbox_table") if herald else ""
    renewed = _renew(database, yes=yes)
    if renewed is None:
        zeros = dict.fromkeys(("streams", "moved", "announced"), 0)
        print_json(zeros) if json else say("Nothing was changed.")
        return PARTLY
    if not json:
        say(f"{len(renewed.epochs)} streams renewed, {renewed.moved} waiting events moved.")
    announced = _announce(herald.client("dynamodb"), table, renewed) if herald else None
    complete = announced in (None, len(renewed.epochs))
    if json:
        streams = len(renewed.epochs)
        print_json({"streams": streams, "moved": renewed.moved, "announced": announced})
    elif announced is not None and complete:
        say(f"{announced} inboxes in {table} updated.")
    return DONE if complete else PARTLY


def _renew(where: target.DatabaseTarget, *, yes: bool) -> "Renewed | None":
    """Renew all streams; None when the operator does not agree."""
    from chalicelib.errors import DatabaseError
    from chalicelib.recording.database import Database
    from cli.new_epoch import count_streams, renew
    from tooling.migrations import place

    database = Database(lambda: where.dsn, schema=where.schema)
    try:
        count = database.run(count_streams, deadline=time.monotonic() + _SECONDS)
        question = f"{place(where.dsn)} has {count} streams. Give each stream a new epoch?"
        if not confirmed(question, yes=yes):
            return None
        return database.run(renew, deadline=time.monotonic() + _SECONDS, seconds=_SECONDS)
    except DatabaseError as exc:
        raise CommandError(f"The database at {place(where.dsn)} failed: {exc}") from exc
    finally:
        database.close()


def _announce(client: Any, table: str, renewed: "Renewed") -> int:
    """Update the inboxes; return their number."""
    from botocore.exceptions import BotoCoreError, ClientError
    from rich.console import Console
    from rich.progress import track

    from cli.new_epoch import announce

    console = Console(stderr=True)
    count = 0
    try:
        for _ in track(
            announce(client, table, renewed.epochs),
            "inboxes updated",
            total=len(renewed.epochs),
            console=console,
            disable=not console.is_terminal,
        ):
            count += 1
    except (BotoCoreError, ClientError) as exc:
        note(f"Not every inbox in {table} was updated: {exc}")
        note("Run this again; otherwise clients notice the new epoch with their next event.")
    return count
