"""A separate database for each test, reached directly and through PgBouncer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import pgbouncer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Postgres


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
