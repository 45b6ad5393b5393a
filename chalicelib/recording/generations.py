"""The transaction that records a report, and with it a generation's states: PENDING, progress any
number of times, and one end.

PostgreSQL assigns the offsets. The statement that records a result also takes the next offset of
the owner's stream, and the event is added to the outbox in the same transaction. Offsets are
therefore contiguous and in commit order.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, cast

from chalicelib.errors import Refused
from chalicelib.protocol.events import event_id
from chalicelib.recording import columns, generation_events, outbox

if TYPE_CHECKING:
    from chalicelib.providers.report import Report
    from chalicelib.recording.database import Cursor
    from chalicelib.recording.rows import Ended

PROGRESS_SECONDS = 1.0  # between two reports of progress that are kept


class Outcome(StrEnum):
    """The effect of a report."""

    RECORDED = "recorded"
    PROGRESS = "progress"  # the generation is still running, and its progress is kept
    LIMITED = "limited"  # dropped: progress was kept less than PROGRESS_SECONDS ago
    LATE = "late"  # dropped: progress of a generation that has ended
    UNCHANGED = "unchanged"  # the generation already had its result
    DUPLICATE = "duplicate"  # the delivery has already been recorded


class Recorded(NamedTuple):
    """The effect of a report. `event_id` is that of the generation's result, None without one;
    `event` is None if there is nothing left to publish. An event of progress is not in the outbox.
    """

    outcome: Outcome
    event_id: str | None = None
    event: str | None = None


def owner(cursor: Cursor, generation_id: str) -> str | None:
    """Return the user whose generation it is, if there is one."""
    cursor.execute_and_commit(
        f"SELECT user_id FROM {cursor.tables.generations} WHERE id = %s", (generation_id,)
    )
    row = cursor.fetchone()
    return row["user_id"] if row else None


def record(
    cursor: Cursor, report: Report, *, generation_id: str, delivery_id: str | None, stage: str
) -> Recorded:
    """Record a report once, and commit.

    A result updates the generation, takes the stream's next offset and adds the event to the
    outbox: two round trips, with BEGIN and COMMIT. Progress takes one.

    A generation that already has its result is not changed. The receipt of a delivery is stored
    only with what it recorded. A known delivery alone does not make a result a duplicate: if it
    names another generation, that generation's result is recorded.

    Parameters
    ----------
    delivery_id
        The provider's id of the delivery, the same for every repeat, or None.

    Raises
    ------
    Refused
        404 if the generation does not exist.
    """
    if not report.state.is_final:
        return _keep_progress(cursor, report, generation_id, delivery_id, stage)
    ended = _end(cursor, report, generation_id, delivery_id)
    if ended is None:
        return _repeated(cursor, generation_id, delivery_id)
    recorded_id = event_id(generation_id, ended["version"])
    event = generation_events.build(
        ended,
        stage=stage,
        epoch=ended["epoch"],
        offset=ended["last_offset"],
        outputs=columns.outputs(report),
    )
    outbox.add(cursor, recorded_id, event)
    return Recorded(Outcome.RECORDED, recorded_id, event)


def _end(
    cursor: Cursor, report: Report, generation_id: str, delivery_id: str | None
) -> Ended | None:
    """Lock and update a PENDING generation, and take the next offset; None if it is not PENDING.

    The UPDATE waits for other transactions and then checks the status again (READ COMMITTED).
    """
    result = columns.result(report)
    values = result._asdict() | {
        "error": json.dumps(result.error) if result.error else None,
        "id": generation_id,
        "delivery": delivery_id,
    }
    tables = cursor.tables
    cursor.execute(
        f"""
        WITH ended AS (
            UPDATE {tables.generations}
            SET status = %(status)s, image_url = %(image_url)s,
                image_height = coalesce(%(image_height)s, image_height),
                image_width = coalesce(%(image_width)s, image_width),
                core_model = coalesce(%(core_model)s, core_model), error = %(error)s,
                outputs = %(outputs)s, progress = NULL, progress_at = NULL,
                version = version + 1, updated_at = clock_timestamp()
            WHERE id = %(id)s AND status = 'PENDING'
            RETURNING id, user_id, status, prompt, image_url, image_height, image_width, core_model,
                error, version, created_at, updated_at
        ), place AS (
            INSERT INTO {tables.streams} AS stream (user_id, last_offset)
            SELECT user_id, 1 FROM ended
            ON CONFLICT (user_id) DO UPDATE SET last_offset = stream.last_offset + 1
            RETURNING epoch::text, last_offset
        ), receipt AS (
            INSERT INTO {tables.webhook_receipts} (id)
            SELECT %(delivery)s FROM ended WHERE %(delivery)s IS NOT NULL ON CONFLICT DO NOTHING
        )
        SELECT * FROM ended, place
        """,
        values,
    )
    return cast("Ended | None", cursor.fetchone())


def _keep_progress(
    cursor: Cursor, report: Report, generation_id: str, delivery_id: str | None, stage: str
) -> Recorded:
    tables = cursor.tables
    cursor.execute_and_commit(
        f"""
        WITH kept AS (
            UPDATE {tables.generations}
            SET progress = %(progress)s, progress_at = clock_timestamp()
            WHERE id = %(id)s AND status = 'PENDING'
              AND (progress_at <= clock_timestamp() - make_interval(secs => %(seconds)s))
                  IS NOT FALSE
              AND NOT EXISTS (SELECT FROM {tables.webhook_receipts} WHERE id = %(delivery)s)
            RETURNING progress_at
        ), receipt AS (
            INSERT INTO {tables.webhook_receipts} (id)
            SELECT %(delivery)s FROM kept WHERE %(delivery)s IS NOT NULL ON CONFLICT DO NOTHING
        )
        SELECT status, user_id, (SELECT progress_at FROM kept) AS kept_at,
            EXISTS (SELECT FROM {tables.webhook_receipts} WHERE id = %(delivery)s) AS seen
        FROM {tables.generations} WHERE id = %(id)s
        """,
        {
            "progress": columns.progress(report.progress),
            "id": generation_id,
            "seconds": PROGRESS_SECONDS,
            "delivery": delivery_id,
        },
    )
    row = cursor.fetchone()
    if row is None:
        raise _unknown()
    if row["kept_at"] is not None:
        fraction, step, preview = report.progress or (None, None, None)
        event = generation_events.build_progress(
            generation_id,
            row["user_id"],
            stage=stage,
            now=row["kept_at"],
            fraction=fraction,
            step=step,
            preview_url=preview,
        )
        return Recorded(Outcome.PROGRESS, event=event)
    if row["seen"]:
        return Recorded(Outcome.DUPLICATE)
    return Recorded(Outcome.LIMITED if row["status"] == "PENDING" else Outcome.LATE)


def _repeated(cursor: Cursor, generation_id: str, delivery_id: str | None) -> Recorded:
    """Return the event if it is still unpublished: the previous try may have died after its
    COMMIT.
    """
    tables = cursor.tables
    cursor.execute(
        f"""
        SELECT version, EXISTS (SELECT FROM {tables.webhook_receipts} WHERE id = %s) AS seen
        FROM {tables.generations} WHERE id = %s
        """,
        (delivery_id, generation_id),
    )
    row = cursor.fetchone()
    if row is None:
        raise _unknown()
    recorded_id = event_id(generation_id, row["version"])
    outcome = Outcome.DUPLICATE if row["seen"] else Outcome.UNCHANGED
    return Recorded(outcome, recorded_id, outbox.unpublished(cursor, recorded_id))


def _unknown() -> Refused:
    return Refused(
        404, "unknown_generation", "There is no generation with this id.", "generationId"
    )
