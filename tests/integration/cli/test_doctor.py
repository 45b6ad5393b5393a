"""`./herald doctor --database`: what is wrong with a database is said in a sentence."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from cli.doctor import databases
from cli.target import DatabaseTarget
from local.ports import free_port
from tests.databases import empty_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.doctor.findings import Finding
    from local.postgres import Postgres

pytestmark = pytest.mark.integration


class Application:
    """An application's role in a migrated database."""

    def __init__(self, cursor: Any, dsn: str, name: str) -> None:
        self.run, self.herald, self.name = cursor.execute, dsn, name
        place = dsn.rpartition("@")[2]
        self.dsn = f"postgresql://{name}:pw@{place}"

    def finding(self, dsn: str | None = None) -> Finding:
        """Check the application's DSN; Herald's own database must be fine."""
        own, found = databases.check(DatabaseTarget(self.herald, "herald"), dsn or self.dsn)
        assert own.healthy
        return found


@pytest.fixture
def application(postgres: Postgres) -> Iterator[Application]:
    name = f"app_{uuid.uuid4().hex}"
    with empty_database(postgres) as dsn:
        connection = psycopg2.connect(dsn)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
            yield Application(cursor, dsn, name)
            cursor.execute(f"DROP OWNED BY {name}")
            cursor.execute(f"DROP ROLE {name}")
        connection.close()


def test_a_missing_right_is_named_with_the_grant_that_gives_it(application: Application) -> None:
    found = application.finding()
    assert "may not use the schema herald" in found.what
    for grants in ("USAGE ON SCHEMA", "INSERT, SELECT ON"):
        assert f"GRANT {grants}" in found.fix
        application.run(found.fix.partition(": ")[2])
        found = application.finding()
    assert found.healthy
    assert "may insert and read" in found.what


def test_another_database_than_heralds_is_noticed(
    application: Application, postgres: Postgres
) -> None:
    found = application.finding(postgres.dsn("postgres"))
    assert "another database than Herald" in found.what
    assert "make up DATABASE=" in found.fix


def test_a_wrong_password_is_named(application: Application) -> None:
    found = application.finding(application.dsn.replace(":pw@", ":wrong@"))
    assert "password authentication failed" in found.what
    assert "the user and the password" in found.fix


def test_a_database_that_does_not_exist_is_named(application: Application) -> None:
    found = application.finding(application.dsn.rpartition("/")[0] + "/nowhere")
    assert 'database "nowhere" does not exist' in found.what
    assert "create the database" in found.fix


def test_a_malformed_dsn_is_named(application: Application) -> None:
    assert "cannot be parsed" in application.finding("nonsense").what


def test_a_database_that_does_not_answer_is_named() -> None:
    nowhere = DatabaseTarget(f"postgresql://me:pw@127.0.0.1:{free_port()}/app", "herald")
    (found,) = databases.check(nowhere, None)
    assert "accepts no connection" in found.what
    assert "Is PostgreSQL running there" in found.fix


def test_a_database_without_migrations_is_named(postgres: Postgres) -> None:
    (found,) = databases.check(DatabaseTarget(postgres.dsn("postgres"), "herald"), None)
    assert "no tables of Herald in the schema herald" in found.what
    assert "./herald migrate" in found.fix


def test_missing_migrations_are_named(application: Application) -> None:
    application.run("UPDATE herald.herald_migrations SET version_num = '0002'")
    (found,) = databases.check(DatabaseTarget(application.herald, "herald"), None)
    assert "lacks the migrations 0003" in found.what
    assert found.fix == "Run `./herald migrate`."
