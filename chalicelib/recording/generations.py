"""The transaction that records a report, and with it a generation's states: PENDING, progress any
number of times, and one end.

Only an end by Herald itself, a timeout or a cancellation, is provisional: the first result that
arrives afterwards supersedes it, as a new version with an event of its own.

PostgreSQL assigns the offsets and writes the events. The statement that records a result also takes
the next offset of the owner's stream and adds the event to the outbox. Offsets are therefore
contiguous and in commit order, and recording a result takes one round trip.
"""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.protocol import events
from chalicelib.recording import columns, generation_events

if TYPE_CHECKING:
    from chalicelib.providers.report import Progress, Report
    from chalicelib.recording.columns import Result
    from chalicelib.recording.cursor import Cursor, Row
    from chalicelib.recording.tables import Tables

PROGRESS_SECONDS = 1.0  # between two reports of progress that are kept
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
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
    row = cursor.last_row(
        f"SELECT id::text, user_id FROM {cursor.tables.generations} WHERE {_row(source)}",
        source._asdict(),
    )
    return (row["id"], row["user_id"]) if row else None


def record(cursor: Cursor, report: Report, source: Source, *, stage: str) -> Recorded:
    """Record a report once, and commit, in one round trip."""
    if report.state.is_final:
        return record_result(cursor, columns.result(report), source, stage=stage)
    return _record_progress(cursor, report.progress, source, stage)


def record_result(
    cursor: Cursor, result: Result, source: Source, *, stage: str, provisional: bool = False
) -> Recorded:
    """Record a result once, and commit. It is `provisional` if Herald itself ends the generation.

    One statement locks and updates the generation, takes the stream's next offset, and adds the
    event to the outbox.

    A generation that already has its result is not changed. The receipt of a delivery is stored
    only with what it recorded. A known delivery alone does not make a result a duplicate: if it
    names another generation, that generation's result is recorded.
    """
    supersedes = result.supersedes and not provisional
    row = f"{_row(source)} AND {_SUPERSEDABLE if supersedes else _OPEN}"
    values = {
        **source._asdict(),
        **result._asdict(),
        "error": _json(result.error),
        "outputs": _json(result.outputs),
        "provisional": provisional,
        "source": events.source(stage),
        "type": events.TYPES[result.status],
    }
    details = tuple(name for name in generation_events.DETAILS if values[name])
    statement = _result_statement(cursor.tables, row, details, named=source.provider is not None)
    recorded = cursor.last_row(statement, values)
    if recorded is None:
        return _repeated(cursor, source)
    return Recorded(Outcome.RECORDED, **recorded)


def _row(source: Source) -> str:
    """Return the condition that finds a report's row. Its values are the fields of the source."""
    if source.provider is None:  # Herald's own payload
        return "id = %(generation_id)s"
    if source.generation_id is None:
        return "provider = %(provider)s AND provider_id = %(provider_id)s"
    return "id = %(generation_id)s AND (provider = %(provider)s) IS NOT FALSE"


def _provider(tables: Tables) -> str:
    """Return the assignments that keep the provider and its id.

    An id that another row has is not kept: it must not cost the result.
    """
    return f""",
        provider = coalesce(provider, %(provider)s),
        provider_id = coalesce(provider_id, CASE WHEN NOT EXISTS (
            SELECT FROM {tables.generations}
            WHERE provider = %(provider)s AND provider_id = %(provider_id)s
        ) THEN %(provider_id)s END)
        """


@cache
def _result_statement(tables: Tables, row: str, details: tuple[str, ...], *, named: bool) -> str:
    """Return the statement of `record_result`. Its row has the names of `Recorded`.

    `named` says whether the report names its provider.

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
                version = version + 1, updated_at = clock_timestamp()
                {_provider(tables) if named else ""}
            WHERE {row}
            RETURNING {generation_events.COLUMNS}
        ), place AS (
            INSERT INTO {tables.streams} AS stream (user_id, last_offset)
            SELECT user_id, 1 FROM ended
            ON CONFLICT (user_id) DO UPDATE SET last_offset = stream.last_offset + 1
            RETURNING epoch, last_offset
        ), receipt AS (
            INSERT INTO {tables.webhook_receipts} (id)
            SELECT %(delivery_id)s FROM ended WHERE %(delivery_id)s IS NOT NULL
            ON CONFLICT DO NOTHING
        )
        INSERT INTO {tables.outbox} (id, event)
        SELECT id, row_to_json(event) FROM ({generation_events.select(details)}) AS event
        RETURNING event->>'subject' AS generation_id, id::text AS event_id, event::text
        """


def _json(value: object) -> str | None:
    return _encode(value) if value else None


def _record_progress(
    cursor: Cursor, progress: Progress | None, source: Source, stage: str
) -> Recorded:
    row = cursor.last_row(
        _progress_statement(cursor.tables, _row(source), named=source.provider is not None),
        {
            **source._asdict(),
            "progress": columns.progress(progress),
            "seconds": PROGRESS_SECONDS,
        },
        durable=False,  # progress may be lost
    )
    return _of_progress(row, progress, stage) if row else Recorded(Outcome.UNMATCHED)


@cache
def _progress_statement(tables: Tables, row: str, *, named: bool) -> str:
    return f"""
        WITH kept AS (
            UPDATE {tables.generations}
            SET progress = %(progress)s, progress_at = clock_timestamp()
                {_provider(tables) if named else ""}
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


def _of_progress(row: Row, progress: Progress | None, stage: str) -> Recorded:
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
    row = cursor.last_row(
        f"""
        SELECT generation_id, event_id::text, seen,
            (SELECT event::text FROM {tables.outbox}
             WHERE id = event_id AND published_at IS NULL) AS event
        FROM (
            SELECT id::text AS generation_id, {generation_events.ID} AS event_id,
                EXISTS (SELECT FROM {tables.webhook_receipts} WHERE id = %(delivery_id)s) AS seen
            FROM {tables.generations} WHERE {_row(source)}
        ) AS repeated
        """,
        source._asdict(),
    )
    if row is None:
        return Recorded(Outcome.UNMATCHED)
    seen = row.pop("seen")
    return Recorded(Outcome.DUPLICATE if seen else Outcome.UNCHANGED, **row)
