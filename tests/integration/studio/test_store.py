"""The studio's rows in a real PostgreSQL."""

from __future__ import annotations

from uuid import uuid4

import psycopg2
import pytest

from local.studio.store import Job, PostgresStore

pytestmark = pytest.mark.integration

JOB = Job("replicate", "r1")


def test_a_generation_is_stored_and_read_back(fresh_database: str) -> None:
    store = PostgresStore(fresh_database)
    generation_id = uuid4()
    inserted = store.insert(generation_id, "alice", "a fox; DROP TABLE generations", JOB)
    assert inserted["id"] == str(generation_id)
    assert inserted["status"] == "PENDING"
    assert inserted["createdAt"].endswith("Z")
    assert store.latest("alice") == [inserted]
    assert store.latest("bob") == []


def test_results_are_read_newest_first(fresh_database: str) -> None:
    store = PostgresStore(fresh_database)
    older, newer = uuid4(), uuid4()
    store.insert(older, "alice", "one", JOB)
    store.insert(newer, "alice", "two", Job("replicate", "r2"))
    database = psycopg2.connect(fresh_database)
    with database, database.cursor() as cursor:
        cursor.execute(
            "UPDATE herald.generations SET status = 'ERROR', error = %s WHERE id = %s",
            ('{"code": "c", "message": "m"}', str(older)),
        )
    database.close()
    found = store.latest("alice")
    assert [each["id"] for each in found] == [str(newer), str(older)]
    assert found[1]["error"] == {"code": "c", "message": "m"}
