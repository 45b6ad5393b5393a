"""Fixtures of the tests of `reconcile`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor

from tests.databases import empty_database
from tests.fakes import provider_apis
from tests.integration.recording.reconcile.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Postgres
    from tests.fakes.provider_apis import ProviderApis as StandIns


@pytest.fixture(scope="package")
def stand_ins() -> Iterator[StandIns]:
    yield from provider_apis.serving()


@pytest.fixture(scope="package")
def own_database(postgres: Postgres) -> Iterator[str]:
    """A database for these tests; each of them empties it."""
    with empty_database(postgres) as dsn:
        yield dsn


@pytest.fixture
def world(
    own_database: str, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):  # the engine reads them
        monkeypatch.setenv(name, "test")
    stand_ins.jobs.clear()
    stand_ins.refusals.clear()
    stand_ins.fixed.clear()
    stand_ins.asked.clear()
    stand_ins.canceled.clear()
    connection = psycopg2.connect(own_database, cursor_factory=RealDictCursor)
    connection.autocommit = True
    with connection.cursor() as admin:
        admin.execute(
            "TRUNCATE herald.generations, herald.streams, herald.outbox, herald.polling,"
            " herald.webhook_receipts, herald.unmatched_reports"
        )
        found = World(own_database, admin, stand_ins)
        yield found
        for database in found.databases:
            database.close()
        found.engine.close()
    connection.close()
