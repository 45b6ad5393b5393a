"""New epochs after a database was restored: `make new-epoch`.

A restored database has forgotten offsets that pages have already seen, and would give them to
other events: a page would take those for duplicates and drop them. An epoch says which incarnation
of a stream an offset belongs to, so every stream gets a new one.

In one transaction, for every stream:

1. `streams`: a new epoch, and offsets begin at 1 again. The new epoch must sort after the old one
   (both are UUIDv7), else nothing is changed: the inbox's head never moves to an older epoch.
2. `outbox`, rows never published: their events take the first offsets of the new epoch, in their
   old order, with the ids they had. Left in the old epoch they would be stored where a page that
   has moved on does not look. Rows of the last seconds are left to the callback that may be
   publishing them now.

`published_at` of other rows is not cleared. What was published before the backup is in the inbox
under the old epoch, and in `generations`; publishing it again would only show every page a week of
old news.

Then, outside the transaction, each user's inbox is told that the new epoch stands at offset 0 (an
event of it that is there already stays its end). Pages hold a cursor of the old epoch: at their
next ping, hello or event they get a `gap` with reason `epoch_changed`, reload their state from
the application, which reads the restored database, and go on from the new head. Without this step
they would learn of it only with their next event. A failure here is mended by running the command
again.

What it cannot bring back: results recorded after the backup. Their generations are PENDING again
although the provider was answered 2xx, so ask the provider to report them again. A page that
handled such a result before the restore takes the second report for the duplicate it is: same
generation, same version, same event id. Streams that began after the backup are not in it; they
begin anew, under a new epoch, by themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.dynamodb import to_item
from chalicelib.errors import DatabaseUnavailable
from chalicelib.protocol.events import Event
from chalicelib.recording.database import Database
from chalicelib.recording.generations import RELAY_GRACE_SECONDS
from chalicelib.store.inbox import head_row
from cli import target
from cli.commands import DONE, PARTLY, CommandError, confirmed, note, run
from cli.migrate import database_url, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SECONDS = 3600.0
_THREADS = 10  # boto3 keeps as many connections


class Renewed(NamedTuple):
    """What a renewal did: each user's new epoch, and how many waiting events moved into it."""

    epochs: dict[str, str]
    moved: int


def renew(cursor: Any) -> Renewed:
    """Give every stream a new epoch and move the events that wait into it, in the caller's
    transaction.

    Raises
    ------
    CommandError
        The server's clock is behind the one that made an epoch.
    """
    cursor.execute("SET LOCAL statement_timeout = 0")  # the tables may be large
    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    # From here on a callback that wants an offset waits.
    cursor.execute("SELECT user_id, epoch::text FROM streams FOR UPDATE")
    before = {stream["user_id"]: stream["epoch"] for stream in cursor.fetchall()}
    cursor.execute(
        "UPDATE streams SET epoch = herald_epoch(), last_offset = 0 RETURNING user_id, epoch::text"
    )
    epochs = {stream["user_id"]: stream["epoch"] for stream in cursor.fetchall()}
    if any(epochs[user] <= epoch for user, epoch in before.items()):
        raise CommandError(
            "The database server's clock is behind the one that made the present epochs: new ones"
            " would sort before them. Nothing was changed; set the clock, then run this again."
        )
    return Renewed(epochs, _move_waiting(cursor, epochs))


def _move_waiting(cursor: Any, epochs: Mapping[str, str]) -> int:
    cursor.execute(
        """
        SELECT id::text, event::text FROM outbox
        WHERE published_at IS NULL AND created_at < now() - make_interval(secs => %s)
        ORDER BY event->>'epoch', (event->>'sequence')::bigint FOR UPDATE
        """,
        (RELAY_GRACE_SECONDS,),
    )
    offsets: dict[str, int] = {}
    for row in cursor.fetchall():
        event = json.loads(row["event"])
        user = event["userid"]
        offsets[user] = offsets.get(user, 0) + 1
        cursor.execute(
            "UPDATE outbox SET event = %s WHERE id = %s",
            (placed(event, epochs[user], offsets[user]), row["id"]),
        )
    for user, last in offsets.items():
        cursor.execute("UPDATE streams SET last_offset = %s WHERE user_id = %s", (last, user))
    return sum(offsets.values())


def placed(event: dict[str, Any], epoch: str, offset: int) -> str:
    """Return an event as published, at another place of its stream; all else stays."""
    moved = {**event, "epoch": epoch, "sequence": str(offset)}
    return json.dumps(moved, ensure_ascii=False, separators=(",", ":"))


def announce(client: Any, table: str, epochs: Mapping[str, str]) -> Iterator[str]:
    """Say in each user's inbox that the new epoch has begun; yield the users."""

    def tell(stream: tuple[str, str]) -> str:
        user_id, epoch = stream
        beginning = Event("", user_id, epoch, 0, 0.0, "")
        client.put_item(TableName=table, Item=to_item(head_row(beginning, 0)))
        return user_id

    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(tell, epochs.items())


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words`; return the exit code."""
    arguments = parser().parse_args(words)
    dsn = database_url(arguments)
    herald = None if arguments.no_announce else target.choose(arguments)
    table = herald.output("inbox_table") if herald else ""
    database = Database(lambda: dsn)
    try:
        count = database.run(_count, deadline=time.monotonic() + SECONDS)
        question = f"{shown(dsn)} has {count} streams. Give every one a new epoch?"
        if not confirmed(question, yes=arguments.yes):
            print("Nothing was changed.")
            return PARTLY
        renewed = database.run(renew, deadline=time.monotonic() + SECONDS, seconds=SECONDS)
    except DatabaseUnavailable as exc:
        raise CommandError(f"The database at {shown(dsn)} failed: {exc}") from exc
    finally:
        database.close()
    print(f"{len(renewed.epochs)} streams renewed, {renewed.moved} waiting events moved along.")
    return _tell(herald.client("dynamodb"), table, renewed) if herald else DONE


def _count(cursor: Any) -> int:
    cursor.execute("SELECT count(*) AS streams FROM streams")
    return int(cursor.fetchone()["streams"])


def _tell(client: Any, table: str, renewed: Renewed) -> int:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    answers = track(
        announce(client, table, renewed.epochs),
        "inboxes told",
        total=len(renewed.epochs),
        console=console,
        disable=not console.is_terminal,
    )
    try:
        told = sum(1 for _ in answers)
    except (BotoCoreError, ClientError) as exc:
        note(f"Not every inbox in {table} was told: {exc}")
        note("Run this again, or pages learn of the new epoch only with their next event.")
        return PARTLY
    print(f"{told} inboxes in {table} told of it.")
    return DONE


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    root = argparse.ArgumentParser(
        prog="python -m cli.new_epoch",
        description=__doc__,
        epilog="""\
example:
  HERALD_DATABASE_URL=postgresql://… make new-epoch STAGE=prod

exit codes: 0 done; 1 an inbox was not told, or the answer was no; 2 nothing was changed""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--yes", action="store_true", help="do not ask")
    root.add_argument(
        "--no-announce", action="store_true", help="leave it to the next events to tell the inboxes"
    )
    target.add_arguments(root)
    return root


if __name__ == "__main__":
    sys.exit(run(main))
