"""The transaction that records a report, and with it a generation's states: PENDING, progress any
number of times, and one end.

Only an end by Herald itself, a timeout or a cancellation, is provisional: the first result that
arrives afterwards supersedes it, as a new version with an event of its own.

PostgreSQL assigns the offsets. The statement that records a result also takes the next offset of
the owner's stream, and the event is added to the outbox in the same transaction. Offsets are
therefore contiguous and in commit order.
"""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from chalicelib.protocol.event_writer import event_id
from chalicelib.recording import columns, generation_events, outbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.report import Progress, Report
    from chalicelib.recording.columns import Result
    from chalicelib.recording.database import Cursor
    from chalicelib.recording.rows import Ended
    from chalicelib.recording.tables import Tables

PROGRESS_SECONDS = 1.0  # between two reports of progress that are kept
_OPEN = "status = 'PENDING'"
_SUPERSEDABLE = "(status = 'PENDING' OR provisional)"


class Source(NamedTuple):
    """Who reports, and about which generation.

    Parameters
    ----------
    provider
        The provider's name in the callback path, or None for Herald's own payload. A row that names
        a provider takes reports only from that provider, and from Herald's own payload.
    generation_id
        Herald's id. Without it, the row is found by the provider and its id.
    provider_id
        The provider's id of the generation.
    delivery_id
        The id of the delivery, the same for every repeat, or None.
    """

    provider: str | None
    generation_id: str | None
    provider_id: str | None = None
    delivery_id: str | None = None


class Outcome(StrEnum):
    """The effect of a report."""

    RECORDED = "recorded"
    PROGRESS = "progress"  # the generation is still running, and its progress is kept
    LIMITED = "limited"  # dropped: progress was kept less than PROGRESS_SECONDS ago
    LATE = "late"  # dropped: progress of a generation that has ended
    UNCHANGED = "unchanged"  # the generation already had its result
    DUPLICATE = "duplicate"  # the delivery has already been recorded
    UNMATCHED = "unmatched"  # there is no such generation


class Recorded(NamedTuple):
    """The effect of a report on a generation, whose id is None if it is UNMATCHED.

    `event_id` is that of the generation's result, None without one; `event` is None if there is
    nothing left to publish. An event of progress is not in the outbox.
    """

    outcome: Outcome
    generation_id: str | None = None
    event_id: str | None = None
    event: str | None = None


def owner(cursor: Cursor, source: Source) -> tuple[str, str] | None:
    """Return a generation's id and its user, if there is such a generation."""
    cursor.execute_and_commit(
        f"SELECT id::text, user_id FROM {cursor.tables.generations} WHERE {_row(source)}",
        source._asdict(),
    )
    row = cursor.fetchone()
    return (row["id"], row["user_id"]) if row else None


def record(cursor: Cursor, report: Report, source: Source, *, stage: str) -> Recorded:
    """Record a report once, and commit; progress takes one round trip, a result two."""
    if report.state.is_final:
        return record_result(cursor, columns.result(report), source, stage=stage)
    return _record_progress(cursor, report.progress, source, stage)


def record_result(
    cursor: Cursor, result: Result, source: Source, *, stage: str, provisional: bool = False
) -> Recorded:
    """Record a result once, and commit. It is `provisional` if Herald itself ends the generation.

    It updates the generation, takes the stream's next offset and adds the event to the outbox: two
    round trips, with BEGIN and COMMIT.

    A generation that already has its result is not changed. The receipt of a delivery is stored
    only with what it recorded. A known delivery alone does not make a result a duplicate: if it
    names another generation, that generation's result is recorded.
    """
    ended = _end(cursor, result, source, provisional=provisional)
    if ended is None:
        return _repeated(cursor, source)
    row = generation_events.build(
        ended,
        stage=stage,
        epoch=ended["epoch"],
        offset=ended["last_offset"],
        outputs=result.outputs or (),
        unkept=result.unkept,
    )
    outbox.add(cursor, row.id, row.event)
    return Recorded(Outcome.RECORDED, str(ended["id"]), row.id, row.event)


def _row(source: Source) -> str:
    """Return the condition that finds a report's row. Its values are the fields of the source."""
    found = (
        "id = %(generation_id)s"
        if source.generation_id is not None
        else "provider = %(provider)s AND provider_id = %(provider_id)s"
    )
    return f"{found} AND (provider = %(provider)s) IS NOT FALSE"


def _provider(tables: Tables) -> str:
    """Return the assignments that keep the provider and its id.

    An id that another row has is not kept: it must not cost the result.
    """
    return f"""
        provider = coalesce(provider, %(provider)s),
        provider_id = coalesce(provider_id, CASE WHEN NOT EXISTS (
            SELECT FROM {tables.generations}
            WHERE provider = %(provider)s AND provider_id = %(provider_id)s
        ) THEN %(provider_id)s END)
        """


def _end(cursor: Cursor, result: Result, source: Source, *, provisional: bool) -> Ended | None:
    """Lock and update an open generation, and take the next offset; None if it has its result."""
    values = {**result._asdict(), **source._asdict()}
    values["error"] = json.dumps(result.error) if result.error else None
    values["outputs"] = json.dumps(result.outputs) if result.outputs else None
    values["provisional"] = provisional
    row = f"{_row(source)} AND {_SUPERSEDABLE if result.supersedes and not provisional else _OPEN}"
    cursor.execute(_end_statement(cursor.tables, row), values)
    return cast("Ended | None", cursor.fetchone())


@cache
def _end_statement(tables: Tables, row: str) -> str:
    """Return the statement of `_end`.

    The UPDATE waits for other transactions and then checks the status again (READ COMMITTED).
    """
    return f"""
        WITH ended AS (
            UPDATE {tables.generations}
            SET status = %(status)s, image_url = %(image_url)s,
                image_height = coalesce(%(image_height)s, image_height),
                image_width = coalesce(%(image_width)s, image_width),
                core_model = coalesce(%(core_model)s, core_model), error = %(error)s,
                outputs = %(outputs)s, progress = NULL, progress_at = NULL,
                provisional = %(provisional)s,
                version = version + 1, updated_at = clock_timestamp(), {_provider(tables)}
            WHERE {row}
            RETURNING id, user_id, status, prompt, image_url, image_height, image_width, core_model,
                error, version, created_at, updated_at
        ), place AS (
            INSERT INTO {tables.streams} AS stream (user_id, last_offset)
            SELECT user_id, 1 FROM ended
            ON CONFLICT (user_id) DO UPDATE SET last_offset = stream.last_offset + 1
            RETURNING epoch::text, last_offset
        ), receipt AS (
            INSERT INTO {tables.webhook_receipts} (id)
            SELECT %(delivery_id)s FROM ended WHERE %(delivery_id)s IS NOT NULL
            ON CONFLICT DO NOTHING
        )
        SELECT * FROM ended, place
        """


def _record_progress(
    cursor: Cursor, progress: Progress | None, source: Source, stage: str
) -> Recorded:
    cursor.execute_and_commit(
        _progress_statement(cursor.tables, _row(source)),
        {
            **source._asdict(),
            "progress": columns.progress(progress),
            "seconds": PROGRESS_SECONDS,
        },
        durable=False,  # progress may be lost
    )
    row = cursor.fetchone()
    return _of_progress(row, progress, stage) if row else Recorded(Outcome.UNMATCHED)


@cache
def _progress_statement(tables: Tables, row: str) -> str:
    return f"""
        WITH kept AS (
            UPDATE {tables.generations}
            SET progress = %(progress)s, progress_at = clock_timestamp(), {_provider(tables)}
            WHERE {row} AND status = 'PENDING'
              AND (progress_at <= clock_timestamp() - make_interval(secs => %(seconds)s))
                  IS NOT FALSE
              AND NOT EXISTS (SELECT FROM {tables.webhook_receipts} WHERE id = %(delivery_id)s)
            RETURNING progress_at
        ), receipt AS (
            INSERT INTO {tables.webhook_receipts} (id)
            SELECT %(delivery_id)s FROM kept WHERE %(delivery_id)s IS NOT NULL
            ON CONFLICT DO NOTHING
        )
        SELECT id::text, status, user_id, (SELECT progress_at FROM kept) AS kept_at,
            EXISTS (SELECT FROM {tables.webhook_receipts} WHERE id = %(delivery_id)s) AS seen
        FROM {tables.generations} WHERE {row}
        """


def _of_progress(row: Mapping[str, Any], progress: Progress | None, stage: str) -> Recorded:
    if row["kept_at"] is not None:
        fraction, step, preview = progress or (None, None, None)
        event = generation_events.build_progress(
            row["id"],
            row["user_id"],
            stage=stage,
            now=row["kept_at"],
            fraction=fraction,
            step=step,
            preview_url=preview,
        )
        return Recorded(Outcome.PROGRESS, row["id"], event=event)
    if row["seen"]:
        return Recorded(Outcome.DUPLICATE, row["id"])
    dropped = Outcome.LIMITED if row["status"] == "PENDING" else Outcome.LATE
    return Recorded(dropped, row["id"])


def _repeated(cursor: Cursor, source: Source) -> Recorded:
    """Return the event if it is still unpublished: the previous try may have died after its
    COMMIT.
    """
    tables = cursor.tables
    cursor.execute(
        f"""
        SELECT id::text, version,
            EXISTS (SELECT FROM {tables.webhook_receipts} WHERE id = %(delivery_id)s) AS seen
        FROM {tables.generations} WHERE {_row(source)}
        """,
        source._asdict(),
    )
    row = cursor.fetchone()
    if row is None:
        return Recorded(Outcome.UNMATCHED)
    recorded_id = event_id(row["id"], row["version"])
    outcome = Outcome.DUPLICATE if row["seen"] else Outcome.UNCHANGED
    return Recorded(outcome, row["id"], recorded_id, outbox.unpublished(cursor, recorded_id))
