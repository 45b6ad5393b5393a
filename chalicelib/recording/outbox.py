"""The outbox: a table of events that a transaction recorded and that SNS may not have accepted
yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.recording.rows import OutboxRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extras import RealDictCursor

# longer than the timeout of `callback`, which may still publish newer rows itself
RELAY_GRACE_SECONDS = 20
PURGE_ROWS = 2000  # rows of each table in one transaction


def add(cursor: RealDictCursor, event_id: str, event: str) -> None:
    """Add an event to the outbox."""
    cursor.execute("INSERT INTO outbox (id, event) VALUES (%s, %s)", (event_id, event))


def unpublished(cursor: RealDictCursor, event_id: str) -> str | None:
    """Return an event if it is unpublished, else None."""
    cursor.execute(
        "SELECT event::text FROM outbox WHERE id = %s AND published_at IS NULL", (event_id,)
    )
    waiting = cursor.fetchone()
    return waiting["event"] if waiting else None


def mark_published(cursor: RealDictCursor, event_ids: Sequence[str]) -> None:
    """Record that SNS has accepted these events."""
    cursor.execute(
        "UPDATE outbox SET published_at = now() WHERE id = ANY(%s::uuid[])", (list(event_ids),)
    )


def claim_unpublished(
    cursor: RealDictCursor, *, limit: int, skip: Sequence[str]
) -> list[OutboxRow]:
    """Lock and return the oldest unpublished rows that no other relay has locked."""
    cursor.execute(
        """
        SELECT id::text, event::text FROM outbox
        WHERE published_at IS NULL
          AND created_at < now() - make_interval(secs => %s)
          AND id <> ALL(%s::uuid[])
        ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        (RELAY_GRACE_SECONDS, list(skip), limit),
    )
    return [OutboxRow(row["id"], row["event"]) for row in cursor.fetchall()]


def oldest_unpublished_seconds(cursor: RealDictCursor) -> float:
    """Return the age of the oldest unpublished event in seconds, or 0 if there is none."""
    cursor.execute(
        "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float AS age"
        " FROM outbox WHERE published_at IS NULL"
    )
    row = cursor.fetchone()
    return float(row["age"]) if row else 0.0


def purge(cursor: RealDictCursor, *, retention_days: int, limit: int = PURGE_ROWS) -> int:
    """Delete some published outbox rows and webhook receipts that are older than their retention.

    `limit` applies to each table. Returns the number of deleted rows. If this number is at least
    `limit`, more rows may be left.
    """
    deleted = 0
    for table, column in (("outbox", "published_at"), ("webhook_receipts", "received_at")):
        cursor.execute(
            f"""
            DELETE FROM {table} WHERE id IN (
                SELECT id FROM {table} WHERE {column} < now() - make_interval(days => %s)
                LIMIT %s FOR UPDATE SKIP LOCKED)
            """,  # noqa: S608 - both names are constants defined above
            (retention_days, limit),
        )
        deleted += cursor.rowcount
    return deleted
