"""Results of generations that are not in the database yet.

A provider that calls one URL for the whole account may report before the integrator has stored the
provider's id, and it also reports generations that are not Herald's. Such results are kept for a
day. The relay records them when their rows appear.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from chalicelib.recording import generations
from chalicelib.recording.columns import Result
from chalicelib.recording.generations import Recorded, Source

if TYPE_CHECKING:
    from chalicelib.recording.cursor import Cursor
    from chalicelib.recording.linking import Linking

KEEP_HOURS = 24


def keep(cursor: Cursor, result: Result, source: Source) -> None:
    """Keep a result until its generation appears, and commit; the first result of a generation
    counts.
    """
    cursor.execute_and_commit(
        f"""
        INSERT INTO {cursor.tables.unmatched_reports} (key, provider, generation_id, provider_id,
            result)
        VALUES (%(key)s, %(provider)s, %(generation_id)s, %(provider_id)s, %(result)s)
        ON CONFLICT DO NOTHING
        """,
        {
            **source._asdict(),
            "key": f"{source.provider}/{source.generation_id or source.provider_id}",
            "result": json.dumps(result._asdict()),
        },
    )


def match_one(cursor: Cursor, *, stage: str, linking: Linking | None = None) -> Recorded | None:
    """Record one result whose generation has appeared, and commit; None if there is none.

    With `linking`, its outputs get stable links. Its event is then in the outbox. Several relays
    may run at once, because each locks its result.
    """
    tables = cursor.tables
    cursor.execute(
        f"""
        DELETE FROM {tables.unmatched_reports} AS report WHERE key = (
            SELECT key FROM {tables.unmatched_reports} AS waiting
            WHERE EXISTS (SELECT FROM {tables.generations} WHERE id = waiting.generation_id)
               OR EXISTS (SELECT FROM {tables.generations} AS generation
                    WHERE generation.provider = waiting.provider
                      AND generation.provider_id = waiting.provider_id)
            LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING provider, provider_id, result,
            (SELECT id::text FROM {tables.generations} WHERE id = report.generation_id) AS own_id,
            (SELECT id::text FROM {tables.generations} AS generation
             WHERE id = report.generation_id OR (generation.provider = report.provider
                 AND generation.provider_id = report.provider_id) LIMIT 1) AS matched_id
        """
    )
    found = cursor.fetchone()
    if found is None:
        return None
    source = Source(found["provider"], found["own_id"], found["provider_id"])
    result = Result(**found["result"])
    if linking is not None and found["matched_id"] is not None:
        result = linking.result(result, source.provider, found["matched_id"])
    return generations.record_result(cursor, result, source, stage=stage)


def purge(cursor: Cursor, *, limit: int) -> int:
    """Delete some results that no generation has matched in KEEP_HOURS, and commit; return their
    number. If it is `limit`, more may be left.
    """
    table = cursor.tables.unmatched_reports
    cursor.execute_and_commit(
        f"""
        DELETE FROM {table} WHERE key IN (
            SELECT key FROM {table} WHERE received_at < now() - make_interval(hours => %s)
            LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (KEEP_HOURS, limit),
    )
    return cursor.rowcount
