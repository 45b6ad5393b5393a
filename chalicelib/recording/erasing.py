"""Erasing a user: every row that belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from psycopg2.extras import RealDictCursor


class Rows(NamedTuple):
    """How many rows were erased, by table."""

    generations: int
    outbox: int
    streams: int


def erase(cursor: RealDictCursor, user_id: str) -> Rows:
    """Delete a user's generations, stream and events, in the caller's transaction.

    In the order in which `callback` locks them: a result that is being recorded is erased, too.
    Receipts of webhooks name no user and expire with the outbox.
    """
    cursor.execute("SET LOCAL statement_timeout = 0")  # the tables may be large
    cursor.execute("DELETE FROM generations WHERE user_id = %s", (user_id,))
    generations = cursor.rowcount
    cursor.execute("DELETE FROM streams WHERE user_id = %s", (user_id,))
    streams = cursor.rowcount
    cursor.execute("DELETE FROM outbox WHERE event->>'userid' = %s", (user_id,))
    return Rows(generations, cursor.rowcount, streams)
