"""Assigns new epochs after a database was restored from a backup.

A restored database has lost the most recent offsets. It would assign them again to other events,
and clients would drop these events as duplicates. An offset is valid only together with its epoch,
so every stream gets a new epoch.

One transaction changes these tables for every stream:

1. `streams`: a new epoch, and offsets start at 1 again. The new epoch must sort after the old one
   (both are UUIDv7), because the head in the inbox never moves to an older epoch. If it does not,
   nothing is changed.
2. `outbox`, rows that were never published: their events take the first offsets of the new epoch,
   in their old order and with their old ids. With the old epoch, clients that already use the new
   epoch would not receive them. Rows of the last seconds are not changed, because the callback that
   wrote them may be publishing them now.

Rows that were published before the backup are not published again. Their events are in the inbox
with the old epoch, and their results are in `generations`. Publishing them again would only send
old events to every client.

After the transaction, a head with offset 0 of the new epoch is written to each user's inbox. (If
the inbox already has an event of the new epoch, the head of that event stays valid, because its
offset is higher.) A client still has a cursor of the old epoch. With its next ping, hello or event
it receives a `gap` with reason `epoch_changed`. It then reloads its state from the application,
which reads the restored database, and continues from the new head. Without this step, clients would
notice the new epoch only with their next event. If this step fails, run the command again.

Results that were recorded after the backup cannot be restored. Their generations are PENDING again,
although Herald answered the provider with 2xx. Ask the provider to report them again. A client that
already handled such a result drops the second report as a duplicate, because the generation, its
version and so the event id are the same. Streams that began after the backup are missing in the
restored database. With their next event, they start again with a new epoch.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.aws.dynamodb import to_item
from chalicelib.recording.outbox import RELAY_GRACE_SECONDS
from chalicelib.store.inbox import head_row
from cli.console import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.recording.cursor import Cursor

_THREADS = 10  # boto3 keeps as many connections


class Renewed(NamedTuple):
    """The new epoch of each user, and the number of unpublished events that were moved to a new
    epoch.
    """

    epochs: dict[str, str]
    moved: int


def renew(cursor: Cursor) -> Renewed:
    """Give every stream a new epoch and move waiting events into it, in the caller's transaction.

    Raises
    ------
    CommandError
        The database server's clock is behind the time in a current epoch.
    """
    # no time limit, because the tables may be large
    cursor.execute("SET LOCAL statement_timeout = 0")
    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    # From here on, a callback that needs an offset waits.
    streams = cursor.tables.streams
    cursor.execute(f"SELECT user_id, epoch::text FROM {streams} FOR UPDATE")
    before = {stream["user_id"]: stream["epoch"] for stream in cursor.fetchall()}
    cursor.execute(
        f"UPDATE {streams} SET epoch = {cursor.tables.schema}.herald_epoch(), last_offset = 0"
        " RETURNING user_id, epoch::text"
    )
    epochs = {stream["user_id"]: stream["epoch"] for stream in cursor.fetchall()}
    if any(epochs[user] <= epoch for user, epoch in before.items()):
        raise CommandError(
            "The database server's clock is behind the clock that made the current epochs: new ones"
            " would sort before them. Nothing was changed; correct the clock, then run this again."
        )
    return Renewed(epochs, _move_waiting(cursor, epochs))


def _move_waiting(cursor: Cursor, epochs: Mapping[str, str]) -> int:
    cursor.execute(
        f"""
        SELECT id::text, event::text FROM {cursor.tables.outbox}
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
            f"UPDATE {cursor.tables.outbox} SET event = %s WHERE id = %s",
            (placed(event, epochs[user], offsets[user]), row["id"]),
        )
    for user, last in offsets.items():
        cursor.execute(
            f"UPDATE {cursor.tables.streams} SET last_offset = %s WHERE user_id = %s", (last, user)
        )
    return sum(offsets.values())


def placed(event: dict[str, Any], epoch: str, offset: int) -> str:
    """Return an event with another epoch and offset, as JSON text."""
    moved = {**event, "epoch": epoch, "sequence": str(offset)}
    return json.dumps(moved, ensure_ascii=False, separators=(",", ":"))


def announce(client: Any, table: str, epochs: Mapping[str, str]) -> Iterator[str]:
    """Write a head of the new epoch to each user's inbox; yield the user ids."""

    def write(stream: tuple[str, str]) -> str:
        user_id, epoch = stream
        client.put_item(TableName=table, Item=to_item(head_row(user_id, epoch, 0)))
        return user_id

    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(write, epochs.items())


def count_streams(cursor: Cursor) -> int:
    """Return how many streams there are."""
    cursor.execute(f"SELECT count(*) AS streams FROM {cursor.tables.streams}")
    row = cursor.fetchone()
    return int(row["streams"]) if row else 0
