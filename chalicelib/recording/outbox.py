"""The outbox: a table of events that a transaction recorded and that SNS may not have accepted
yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chalicelib.recording.cursor import Cursor

    Place = tuple[str, str, int]  # user id, epoch, offset
    KeepHeads = Callable[[Sequence[Place]], None]

# longer than the timeout of `callback`, which may still publish newer rows itself
RELAY_GRACE_SECONDS = 20
PURGE_ROWS = 2000  # rows of each table in one transaction


class OutboxRow(NamedTuple):
    """An event that is not yet published."""

    id: str
    event: str


def mark_published(cursor: Cursor, event_ids: Sequence[str], *, wait: bool = True) -> None:
    """Record that SNS has these events, and commit.

    If PostgreSQL forgets it, the relay publishes the events again, under the same ids.
    """
    cursor.execute_and_commit(
        f"UPDATE {cursor.tables.outbox} SET published_at = now() WHERE id = ANY(%s::uuid[])",
        (f"{{{','.join(event_ids)}}}",),
        durable=False,
        wait=wait,
    )


def claim_unpublished(cursor: Cursor, *, limit: int, skip: Sequence[str]) -> list[OutboxRow]:
    """Lock and return the oldest unpublished rows, except those that another relay has locked."""
    cursor.execute(
        f"""
        SELECT id::text, event::text FROM {cursor.tables.outbox}
        WHERE published_at IS NULL
          AND created_at < now() - make_interval(secs => %s)
          AND id <> ALL(%s::uuid[])
        ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        (RELAY_GRACE_SECONDS, list(skip), limit),
    )
    return [OutboxRow(row["id"], row["event"]) for row in cursor.fetchall()]


def oldest_unpublished_seconds(cursor: Cursor) -> float:
    """Return the age of the oldest unpublished event; 0 when there is none."""
    row = cursor.last_row(
        "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float AS age"
        f" FROM {cursor.tables.outbox} WHERE published_at IS NULL"
    )
    return float(row["age"]) if row else 0.0


def purge(
    cursor: Cursor,
    *,
    retention_days: int,
    keep_heads: KeepHeads,
    limit: int = PURGE_ROWS,
) -> int:
    """Delete some published outbox rows and webhook receipts past their retention.

    `limit` applies to each table. Returns the number of deleted rows. If this number is at least
    `limit`, more rows may be left. Before the last events of streams are deleted, `keep_heads`
    stores their places; if it fails, nothing is deleted.
    """
    tables = cursor.tables
    cursor.execute(
        _delete(tables.outbox, "published_at")
        + " RETURNING event->>'userid' AS user_id, event->>'epoch' AS epoch,"
        " event->>'sequence' AS last_offset",
        (retention_days, limit),
    )
    places = [(row["user_id"], row["epoch"], row["last_offset"]) for row in cursor.fetchall()]
    cursor.execute(_delete(tables.webhook_receipts, "received_at"), (retention_days, limit))
    deleted = len(places) + cursor.rowcount
    if heads := _heads(cursor, places):
        keep_heads(heads)
    return deleted


def _delete(table: str, column: str) -> str:
    return f"""
        DELETE FROM {table} WHERE id IN (
            SELECT id FROM {table} WHERE {column} < now() - make_interval(days => %s)
            LIMIT %s FOR UPDATE SKIP LOCKED)
        """


def _heads(cursor: Cursor, places: Sequence[tuple[str, str, str]]) -> list[Place]:
    """Return those of some events' places that are still the ends of their streams."""
    if not places:
        return []
    cursor.execute(
        f"SELECT user_id, epoch::text, last_offset FROM {cursor.tables.streams}"
        " WHERE user_id = ANY(%s)",
        ([user_id for user_id, _, _ in places],),
    )
    ends = {(row["user_id"], row["epoch"], str(row["last_offset"])) for row in cursor.fetchall()}
    return [
        (user_id, epoch, int(offset))
        for user_id, epoch, offset in places
        if (user_id, epoch, offset) in ends
    ]
