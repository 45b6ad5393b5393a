"""The SQL of `reconcile`: which rows are due for a look-up, past their deadline, or overdue.

A row is watched if it is PENDING and names a provider. Several runs may work at once: each claim
locks its rows, skips locked ones, and moves their next look-up into the future before it commits.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chalicelib.recording.cursor import Cursor, Row
    from chalicelib.recording.tables import Tables

BATCH_SECONDS = 25 * 3600  # deadline of a batch's requests: providers end batches after 24 hours
OVERDUE_SECONDS = 900  # without a deadline
ADOPT_ROWS = 1000  # in one statement
MOST_COUNTED = 10_000  # overdue rows
GROWTH = 1.5  # of the pause after each look-up
_WATCHED = "status = 'PENDING' AND provider IS NOT NULL AND checks IS NOT NULL"


class Pace(NamedTuple):
    """How often a provider's rows are looked up; `permits` are look-ups in a minute."""

    provider: str
    first: int  # seconds from a row's insertion
    longest: int  # seconds between two look-ups
    permits: int


class Due(NamedTuple):
    """A row to look up."""

    id: str
    user_id: str
    provider: str
    provider_id: str
    core_model: str | None


def adopt(cursor: Cursor, paces: Sequence[Pace], *, deadline_seconds: int) -> int:
    """Set the deadline and the first look-up of new rows, and commit; return their number.

    The integrator may set another deadline; 'infinity' means none. With `deadline_seconds` 0,
    Herald sets none. A row becomes part of a batch when its `provider_id` is set, which may be
    after its insertion: Herald's own deadline is then replaced.
    """
    cursor.execute_and_commit(
        _adopt_statement(cursor.tables.generations),
        {
            "seconds": deadline_seconds,
            "batch": BATCH_SECONDS,
            "first": json.dumps({pace.provider: pace.first for pace in paces}),
            "rows": ADOPT_ROWS,
        },
    )
    return cursor.rowcount


def _adopt_statement(table: str) -> str:
    return f"""
    UPDATE {table} AS row
    SET deadline_at = CASE WHEN wanted.seconds > 0 THEN coalesce(
            nullif(row.deadline_at, row.created_at + make_interval(secs => %(seconds)s)),
            row.created_at + make_interval(secs => wanted.seconds)
        ) ELSE row.deadline_at END,
        next_check_at = coalesce(row.next_check_at,
            row.created_at + make_interval(secs => wanted.first))
    FROM (
        SELECT id,
            CASE WHEN is_batch AND %(seconds)s > 0 THEN greatest(%(batch)s, %(seconds)s)
                ELSE %(seconds)s END AS seconds,
            coalesce((%(first)s::json->>provider)::float, 60) AS first
        FROM (
            SELECT *, coalesce(provider_id LIKE 'batch%%', false) AS is_batch FROM {table}
            WHERE {_WATCHED}
        ) AS watched
        WHERE next_check_at IS NULL OR (is_batch
            AND deadline_at = created_at + make_interval(secs => %(seconds)s)
            AND %(batch)s > %(seconds)s)
        LIMIT %(rows)s FOR UPDATE SKIP LOCKED
    ) AS wanted
    WHERE row.id = wanted.id
    """


def claim(cursor: Cursor, paces: Sequence[Pace], *, limit: int) -> list[Due]:
    """Return at most `limit` due rows of each provider, within its permits, and commit.

    The next look-up of each row is set, so that a run that dies loses nothing; it is not later
    than the row's deadline.
    """
    tables = cursor.tables
    values = {"paces": json.dumps([pace._asdict() for pace in paces]), "limit": limit}
    cursor.execute(
        f"""
        INSERT INTO {tables.polling} (provider)
        SELECT provider FROM json_to_recordset(%(paces)s) AS pace(provider text)
        ON CONFLICT DO NOTHING
        """,
        values,
    )
    cursor.execute(_claim_statement(tables), values)
    return [Due(**row) for row in cursor.fetchall()]


def _claim_statement(tables: Tables) -> str:
    return f"""
    WITH pace AS (
        SELECT * FROM json_to_recordset(%(paces)s)
            AS pace(provider text, first int, longest int, permits int)
    ), open AS (
        SELECT provider, first, longest, permits - CASE
            WHEN minute > now() - interval '1 minute' THEN calls ELSE 0 END AS permits
        FROM {tables.polling} JOIN pace USING (provider)
        WHERE paused_until <= now() FOR UPDATE OF polling SKIP LOCKED
    ), due AS (
        SELECT row.id, open.first, open.longest FROM open, LATERAL (
            SELECT id FROM {tables.generations}
            WHERE {_WATCHED} AND provider = open.provider AND provider_id IS NOT NULL
              AND next_check_at <= now()
            ORDER BY next_check_at LIMIT least(%(limit)s, greatest(open.permits, 0))
            FOR UPDATE SKIP LOCKED
        ) AS row
    ), claimed AS (
        UPDATE {tables.generations} AS row
        SET checks = checks + 1, next_check_at = least(
            coalesce(deadline_at, 'infinity'),
            now() + make_interval(secs => least(
                longest, first * power({GROWTH}, least(checks, 30)))))
        FROM due WHERE row.id = due.id
        RETURNING row.id::text, user_id, provider, provider_id, core_model
    ), counted AS (
        UPDATE {tables.polling} AS polling
        SET calls = found.calls
                + CASE WHEN minute > now() - interval '1 minute' THEN polling.calls ELSE 0 END,
            minute = CASE WHEN minute > now() - interval '1 minute' THEN minute ELSE now() END
        FROM (SELECT provider, count(*) AS calls FROM claimed GROUP BY provider) AS found
        WHERE polling.provider = found.provider
    )
    SELECT * FROM claimed
    """


def find(cursor: Cursor, provider: str, provider_id: str) -> list[Due]:
    """Return the watched rows that a provider's id names, and commit.

    The requests of a batch have ids that begin with the batch's. An operation may be stored with
    its whole name or only with the last part of it.
    """
    cursor.execute_and_commit(
        f"""
        SELECT id::text, user_id, provider, provider_id, core_model
        FROM {cursor.tables.generations}
        WHERE (status = 'PENDING' OR provisional) AND provider = %(provider)s AND (
            provider_id IN (%(id)s, %(last)s)
            OR starts_with(provider_id, %(id)s || '/')
            OR right(provider_id, length(%(last)s) + 12) = '/operations/' || %(last)s)
        """,
        {"provider": provider, "id": provider_id, "last": provider_id.rpartition("/")[2]},
    )
    return [Due(**row) for row in cursor.fetchall()]


def check_now(cursor: Cursor, provider: str, provider_id: str) -> None:
    """Make the rows that a provider's id names due, and commit."""
    cursor.execute_and_commit(
        f"""
        UPDATE {cursor.tables.generations} SET next_check_at = now()
        WHERE {_WATCHED} AND provider = %(provider)s AND (provider_id = %(id)s
            OR starts_with(provider_id, %(id)s || '/'))
        """,
        {"provider": provider, "id": provider_id},
    )


def postpone(cursor: Cursor, ids: Iterable[str], seconds: float) -> None:
    """Look some rows up again after some seconds, and commit."""
    cursor.execute_and_commit(
        f"""
        UPDATE {cursor.tables.generations}
        SET next_check_at = now() + make_interval(secs => %s) WHERE id = ANY(%s::uuid[])
        """,
        (seconds, list(ids)),
    )


def pause(cursor: Cursor, provider: str, seconds: float) -> None:
    """Ask a provider nothing for some seconds, because it said so, and commit."""
    cursor.execute_and_commit(
        f"""
        UPDATE {cursor.tables.polling}
        SET paused_until = greatest(paused_until, now() + make_interval(secs => %s))
        WHERE provider = %s
        """,
        (seconds, provider),
    )


def seconds_until_due(cursor: Cursor, providers: Sequence[str]) -> float | None:
    """Return the seconds until the next look-up of these providers, if any, and commit."""
    cursor.execute_and_commit(
        f"""
        SELECT extract(epoch FROM min(next_check_at) - now())::float AS seconds
        FROM {cursor.tables.generations}
        WHERE {_WATCHED} AND provider = ANY(%s) AND provider_id IS NOT NULL
          AND next_check_at < now() + interval '1 day'
        """,
        (list(providers),),
    )
    row = cursor.fetchone()
    return row["seconds"] if row else None


def expired(cursor: Cursor) -> str | None:
    """Lock and return a row that is past its deadline; the caller ends it and commits."""
    cursor.execute(
        f"""
        SELECT id::text FROM {cursor.tables.generations}
        WHERE status = 'PENDING' AND deadline_at IS NOT NULL AND deadline_at <= now()
        LIMIT 1 FOR UPDATE SKIP LOCKED
        """
    )
    row = cursor.fetchone()
    return row["id"] if row else None


def overdue(cursor: Cursor) -> Mapping[str, int]:
    """Return the number of overdue rows of each provider that has watched rows, and commit.

    A row is overdue after a quarter of the time until its deadline.
    """
    cursor.execute_and_commit(
        f"""
        SELECT provider, count(*) FILTER (WHERE late) AS rows FROM (
            SELECT provider, created_at < now() - CASE
                WHEN deadline_at IS NULL OR deadline_at = 'infinity'
                    THEN make_interval(secs => {OVERDUE_SECONDS})
                ELSE (deadline_at - created_at) / 4 END AS late
            FROM {cursor.tables.generations} WHERE {_WATCHED}
            ORDER BY provider, next_check_at LIMIT {MOST_COUNTED}
        ) AS watched GROUP BY provider
        """
    )
    return {row["provider"]: row["rows"] for row in cursor.fetchall()}


def by_id(cursor: Cursor, provider: str, generation_id: str) -> Due | None:
    """Return a provider's row by Herald's id, if it is open, and commit."""
    cursor.execute_and_commit(
        f"""
        SELECT id::text, user_id, provider, coalesce(provider_id, '') AS provider_id, core_model
        FROM {cursor.tables.generations}
        WHERE (status = 'PENDING' OR provisional) AND provider = %s AND id = %s
        """,
        (provider, generation_id),
    )
    row = cursor.fetchone()
    return Due(**row) if row else None


def to_cancel(cursor: Cursor, generation_id: str, user_id: str | None) -> Row | None:
    """Lock and return a generation that can be canceled; the caller ends it and commits.

    A generation that Herald has already canceled can be canceled again: the answer to the first
    request may be lost. Without a user, the generation may be anybody's.
    """
    cursor.execute(
        f"""
        SELECT provider, provider_id, core_model, status <> 'PENDING' AS again
        FROM {cursor.tables.generations}
        WHERE id = %s AND coalesce(user_id = %s, true)
          AND (status = 'PENDING' OR (provisional AND error->>'code' = 'canceled'))
        FOR UPDATE
        """,
        (generation_id, user_id),
    )
    return cursor.fetchone()
