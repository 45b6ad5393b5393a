"""The transaction that records a result, and the outbox it fills.

PostgreSQL is the sequencer: the transaction that records a result also takes the next offset of
its owner's stream and writes the event into the outbox, so offsets are contiguous and in commit
order.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from chalicelib.errors import Refused
from chalicelib.protocol import events
from chalicelib.recording.webhooks import GenerationResult

RELAY_GRACE_SECONDS = 20  # longer than `callback` may run: younger rows may still be with it

PURGE_ROWS = 2000  # of each table, in one transaction


class Recorded(NamedTuple):
    """What came of a callback; `event` is set while nobody is known to have published it."""

    outcome: Literal["recorded", "unchanged", "duplicate"]
    event_id: str
    event: str | None


class OutboxRow(NamedTuple):
    """An event that waits to be published."""

    id: str
    event: str


def owner(cursor: Any, generation_id: str) -> str | None:
    """Return the user whose generation it is, if there is one."""
    cursor.execute("SELECT user_id FROM generations WHERE id = %s", (generation_id,))
    row = cursor.fetchone()
    return row["user_id"] if row else None


def record(
    cursor: Any, result: GenerationResult, *, webhook_id: str | None, stage: str
) -> Recorded:
    """Record a result once: the row, the stream's next offset and the outbox row, in the caller's
    transaction.

    A webhook-id seen before, or a generation that has its result, changes nothing.

    Raises
    ------
    Refused
        404 when there is no such generation; the webhook-id is then not kept.
    """
    generation_id = str(result.generation_id)
    if webhook_id is not None:
        cursor.execute(
            "INSERT INTO webhook_receipts (id) VALUES (%s) ON CONFLICT DO NOTHING", (webhook_id,)
        )
        if cursor.rowcount == 0:
            return Recorded("duplicate", *_unpublished(cursor, generation_id))
    cursor.execute("SELECT status FROM generations WHERE id = %s FOR UPDATE", (generation_id,))
    row = cursor.fetchone()
    if row is None:
        raise Refused(
            404, "unknown_generation", "There is no generation with this id.", "generationId"
        )
    if row["status"] != "PENDING":
        return Recorded("unchanged", *_unpublished(cursor, generation_id))
    generation = _finish(cursor, generation_id, result)
    stream = _next_offset(cursor, generation["user_id"])
    event = events.build(
        generation, stage=stage, epoch=str(stream["epoch"]), offset=stream["last_offset"]
    )
    event_id = events.event_id(generation_id, generation["version"])
    cursor.execute("INSERT INTO outbox (id, event) VALUES (%s, %s)", (event_id, event))
    return Recorded("recorded", event_id, event)


def mark_published(cursor: Any, event_ids: Sequence[str]) -> None:
    """Say of outbox rows that SNS has their events."""
    cursor.execute(
        "UPDATE outbox SET published_at = now() WHERE id = ANY(%s::uuid[])", (list(event_ids),)
    )


def claim_unpublished(cursor: Any, *, limit: int, skip: Sequence[str]) -> list[OutboxRow]:
    """Lock the oldest outbox rows that were never published, passing over those another relay
    holds.
    """
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


def oldest_unpublished_seconds(cursor: Any) -> float:
    """Return the age of the oldest event that waits in the outbox; 0 when none does."""
    cursor.execute(
        "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float AS age"
        " FROM outbox WHERE published_at IS NULL"
    )
    return float(cursor.fetchone()["age"])


def purge(cursor: Any, *, retention_days: int) -> int:
    """Delete some published outbox rows and webhook receipts past their retention.

    Returns how many: at least PURGE_ROWS when there may be more.
    """
    deleted = 0
    for table, column in (("outbox", "published_at"), ("webhook_receipts", "received_at")):
        cursor.execute(
            f"""
            DELETE FROM {table} WHERE id IN (
                SELECT id FROM {table} WHERE {column} < now() - make_interval(days => %s)
                LIMIT %s FOR UPDATE SKIP LOCKED)
            """,  # noqa: S608 - both names are constants above
            (retention_days, PURGE_ROWS),
        )
        deleted += cursor.rowcount
    return deleted


def _finish(cursor: Any, generation_id: str, result: GenerationResult) -> dict[str, Any]:
    cursor.execute(
        """
        UPDATE generations
        SET status = %s, image_url = %s, image_height = %s, image_width = %s,
            core_model = coalesce(%s, core_model), error = %s,
            version = version + 1, updated_at = clock_timestamp()
        WHERE id = %s RETURNING *
        """,
        (
            result.status,
            result.image_url,
            result.image_height,
            result.image_width,
            result.core_model,
            json.dumps(result.error.model_dump()) if result.error else None,
            generation_id,
        ),
    )
    return dict(cursor.fetchone())


def _next_offset(cursor: Any, user_id: str) -> dict[str, Any]:
    cursor.execute(
        """
        INSERT INTO streams (user_id, last_offset) VALUES (%s, 1)
        ON CONFLICT (user_id) DO UPDATE SET last_offset = streams.last_offset + 1
        RETURNING epoch, last_offset
        """,
        (user_id,),
    )
    return dict(cursor.fetchone())


def _unpublished(cursor: Any, generation_id: str) -> tuple[str, str | None]:
    """Return the generation's event if it still waits: the try before this one may have died
    after its COMMIT.
    """
    cursor.execute("SELECT version FROM generations WHERE id = %s", (generation_id,))
    row = cursor.fetchone()
    if row is None:
        return "", None
    event_id = events.event_id(generation_id, row["version"])
    cursor.execute(
        "SELECT event::text FROM outbox WHERE id = %s AND published_at IS NULL", (event_id,)
    )
    waiting = cursor.fetchone()
    return event_id, waiting["event"] if waiting else None
