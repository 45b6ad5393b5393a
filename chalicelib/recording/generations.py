"""The transaction that records a result.

PostgreSQL assigns the offsets. The transaction that records a result also takes the next offset of
the owner's stream and adds the event to the outbox. Offsets are therefore contiguous and in commit
order.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, cast

from chalicelib.errors import Refused
from chalicelib.protocol.events import event_id
from chalicelib.recording import generation_events, outbox
from chalicelib.recording.rows import Generation, StreamPosition

if TYPE_CHECKING:
    from chalicelib.recording.database import Cursor
    from chalicelib.recording.results import GenerationResult


class Outcome(StrEnum):
    """The effect of a webhook."""

    RECORDED = "recorded"
    UNCHANGED = "unchanged"  # the generation already had its result
    DUPLICATE = "duplicate"  # as UNCHANGED, and the webhook-id was already known


class Recorded(NamedTuple):
    """The result of a webhook. `event` is None if the event is already published."""

    outcome: Outcome
    event_id: str
    event: str | None


def owner(cursor: Cursor, generation_id: str) -> str | None:
    """Return the user whose generation it is, if there is one."""
    cursor.execute(
        f"SELECT user_id FROM {cursor.tables.generations} WHERE id = %s", (generation_id,)
    )
    row = cursor.fetchone()
    return row["user_id"] if row else None


def record(
    cursor: Cursor, result: GenerationResult, *, webhook_id: str | None, stage: str
) -> Recorded:
    """Record a result once, in the caller's transaction.

    This updates the generation, takes the stream's next offset and adds the event to the outbox.

    A generation that already has its result is not changed. A known webhook-id alone does not make
    a webhook a duplicate: if it names another generation, that generation's result is recorded.

    Raises
    ------
    Refused
        404 if the generation does not exist. The webhook-id is then not stored.
    """
    generation_id = result.generation_id
    cursor.execute(
        f"SELECT status FROM {cursor.tables.generations} WHERE id = %s FOR UPDATE", (generation_id,)
    )
    row = cursor.fetchone()
    if row is None:
        raise Refused(
            404, "unknown_generation", "There is no generation with this id.", "generationId"
        )
    seen = webhook_id is not None and not _first_receipt(cursor, webhook_id)
    if row["status"] != "PENDING":
        outcome = Outcome.DUPLICATE if seen else Outcome.UNCHANGED
        return Recorded(outcome, *_unpublished(cursor, generation_id))
    generation = _finish(cursor, generation_id, result)
    epoch, offset = _next_position(cursor, generation["user_id"])
    event = generation_events.build(generation, stage=stage, epoch=epoch, offset=offset)
    recorded_id = event_id(generation_id, generation["version"])
    outbox.add(cursor, recorded_id, event)
    return Recorded(Outcome.RECORDED, recorded_id, event)


def _first_receipt(cursor: Cursor, webhook_id: str) -> bool:
    cursor.execute(
        f"INSERT INTO {cursor.tables.webhook_receipts} (id) VALUES (%s) ON CONFLICT DO NOTHING",
        (webhook_id,),
    )
    return cursor.rowcount > 0


def _finish(cursor: Cursor, generation_id: str, result: GenerationResult) -> Generation:
    cursor.execute(
        f"""
        UPDATE {cursor.tables.generations}
        SET status = %s, image_url = %s,
            image_height = coalesce(%s, image_height), image_width = coalesce(%s, image_width),
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
            json.dumps(result.error) if result.error else None,
            generation_id,
        ),
    )
    return cast(Generation, cursor.fetchone())


def _next_position(cursor: Cursor, user_id: str) -> StreamPosition:
    cursor.execute(
        f"""
        INSERT INTO {cursor.tables.streams} AS stream (user_id, last_offset) VALUES (%s, 1)
        ON CONFLICT (user_id) DO UPDATE SET last_offset = stream.last_offset + 1
        RETURNING epoch::text, last_offset
        """,
        (user_id,),
    )
    row = cast(dict[str, object], cursor.fetchone())
    return StreamPosition(str(row["epoch"]), cast(int, row["last_offset"]))


def _unpublished(cursor: Cursor, generation_id: str) -> tuple[str, str | None]:
    """Return the generation's event if it is still unpublished. An earlier invocation may have
    ended between its COMMIT and publishing the event.
    """
    cursor.execute(
        f"SELECT version FROM {cursor.tables.generations} WHERE id = %s", (generation_id,)
    )
    row = cursor.fetchone()
    if row is None:
        return "", None
    recorded_id = event_id(generation_id, row["version"])
    return recorded_id, outbox.unpublished(cursor, recorded_id)
