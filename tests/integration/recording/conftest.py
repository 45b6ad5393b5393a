"""A separate database for each test, reached directly and through PgBouncer."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor

from chalicelib.recording.database import Database
from tests import pgbouncer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Postgres

Pending = Callable[..., str]


@pytest.fixture(scope="session")
def pooled(postgres: Postgres) -> Iterator[Postgres]:
    """The run's PostgreSQL server behind a PgBouncer."""
    with pgbouncer.in_front_of(postgres) as server:
        yield server


@pytest.fixture(params=["direct", "pgbouncer"])
def reached(request: pytest.FixtureRequest, postgres: Postgres, fresh_database: str) -> str:
    """The DSN of an empty database with the current schema, direct or through PgBouncer."""
    if request.param == "direct":
        return fresh_database
    server: Postgres = request.getfixturevalue("pooled")
    return server.dsn(fresh_database.rpartition("/")[2])


@pytest.fixture
def database(reached: str) -> Iterator[Database]:
    found = Database(lambda: reached)
    yield found
    found.close()


@pytest.fixture
def admin(fresh_database: str) -> Iterator[Any]:
    """A second connection, to inspect and modify rows."""
    connection = psycopg2.connect(fresh_database, cursor_factory=RealDictCursor)
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@pytest.fixture
def pending(admin: Any) -> Pending:
    def insert(user_id: str = "alice", prompt: str = "a lighthouse") -> str:
        generation_id = str(uuid.uuid4())
        admin.execute(
            "INSERT INTO herald.generations (id, user_id, prompt) VALUES (%s, %s, %s)",
            (generation_id, user_id, prompt),
        )
        return generation_id

    return insert
