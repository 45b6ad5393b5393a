"""New epochs after a database was restored from a backup.

A restored database has forgotten offsets that clients have already seen, and would assign them to
other events: clients would take those for duplicates and drop them. The epoch says to which
incarnation of a stream an offset belongs, so every stream gets a new one.

In one transaction, for every stream:

1. `streams`: a new epoch, and offsets start at 1 again. The new epoch must sort after the old one
   (both are UUIDv7), else nothing is changed: the head in the inbox never moves to an older epoch.
2. `outbox`, rows that were never published: their events take the first offsets of the new epoch,
   in their old order and with their old ids. In the old epoch they would be stored where a client
   that has moved on does not look. Rows of the last seconds are left alone: the callback that wrote
   them may be publishing them now.

`published_at` of the other rows is not cleared. Events that were published before the backup are in
the inbox under the old epoch, and in `generations`; publishing them again would only show every
client a week of old news.

Then, after the transaction, each user's inbox gets a head at offset 0 of the new epoch (an event of
that epoch that is already there keeps its own). A client has a cursor of the old epoch: at its next
ping, hello or event it gets a `gap` with reason `epoch_changed`, reloads its state from the
application, which reads the restored database, and continues from the new head. Without this step,
clients would notice only with their next event. If it fails, run the command again.

Results that were recorded after the backup cannot be restored. Their generations are PENDING again
although the provider was answered 2xx, so ask the provider to report them again. A client that
handled such a result before takes the second report for the duplicate that it is: same generation,
same version, same event id. Streams that began after the backup are not in it; they begin anew,
under a new epoch, by themselves.
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

    from chalicelib.recording.database import Cursor

_THREADS = 10  # boto3 keeps as many connections


class Renewed(NamedTuple):
    """Each user's new epoch, and how many waiting events moved into one."""

    epochs: dict[str, str]
    moved: int


def renew(cursor: Cursor) -> Renewed:
    """Give every stream a new epoch and move waiting events into it, in the caller's transaction.

    Raises
    ------
    CommandError
        The server's clock is behind the clock that made a current epoch.
    """
    cursor.execute("SET LOCAL statement_timeout = 0")  # the tables may be large
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
    """Return an event as it is published, at another place in its stream."""
    moved = {**event, "epoch": epoch, "sequence": str(offset)}
    return json.dumps(moved, ensure_ascii=False, separators=(",", ":"))


def announce(client: Any, table: str, epochs: Mapping[str, str]) -> Iterator[str]:
    """Write into each user's inbox that the new epoch has begun; yield the users."""

    def write(stream: tuple[str, str]) -> str:
        user_id, epoch = stream
        client.put_item(TableName=table, Item=to_item(head_row(user_id, epoch, 0, 0)))
        return user_id

    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(write, epochs.items())


def count_streams(cursor: Cursor) -> int:
    """Return how many streams there are."""
    cursor.execute(f"SELECT count(*) AS streams FROM {cursor.tables.streams}")
    row = cursor.fetchone()
    return int(row["streams"]) if row else 0
