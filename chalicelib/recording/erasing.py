"""Erasing a user's rows in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from chalicelib.recording.cursor import Cursor


class Rows(NamedTuple):
    """How many rows were erased, by table."""

    generations: int
    outbox: int
    streams: int


def generations(cursor: Cursor, user_id: str) -> list[str]:
    """Return the ids of a user's generations, and commit."""
    cursor.execute_and_commit(
        f"SELECT id::text FROM {cursor.tables.generations} WHERE user_id = %s", (user_id,)
    )
    return [row["id"] for row in cursor.fetchall()]


def erase(cursor: Cursor, user_id: str) -> Rows:
    """Delete a user's generations, stream and events, in the caller's transaction.

    The tables are in the order in which `callback` locks their rows. If a result is being recorded,
    the first DELETE waits for it, and its event is then erased, too. Receipts of webhooks contain
    no user id, and expire with the outbox.
    """
    cursor.execute("SET LOCAL statement_timeout = 0")  # the tables may be large
    cursor.execute(f"DELETE FROM {cursor.tables.generations} WHERE user_id = %s", (user_id,))
    generations = cursor.rowcount
    cursor.execute(f"DELETE FROM {cursor.tables.streams} WHERE user_id = %s", (user_id,))
    streams = cursor.rowcount
    cursor.execute(f"DELETE FROM {cursor.tables.outbox} WHERE event->>'userid' = %s", (user_id,))
    return Rows(generations, cursor.rowcount, streams)
