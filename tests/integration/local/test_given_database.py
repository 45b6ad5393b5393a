"""`make up DATABASE=…`: what is wrong with a database is said before anything starts."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from local import given_database
from local.ports import free_port
from tests import pgbouncer
from tooling import SetupError, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Postgres

pytestmark = pytest.mark.integration


@pytest.fixture
def name(postgres: Postgres) -> Iterator[str]:
    """The name of an application's database without Herald's schema, and of a role."""
    name = f"app_{uuid.uuid4().hex}"
    with administrator(postgres) as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
    yield name
    with administrator(postgres) as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        cursor.execute(f"DROP ROLE {name}")


class administrator:  # noqa: N801 - a context manager
    """A cursor in autocommit mode."""

    def __init__(self, postgres: Postgres, database: str = "postgres") -> None:
        self._connection = psycopg2.connect(postgres.dsn(database))
        self._connection.autocommit = True

    def __enter__(self) -> Any:
        return self._connection.cursor()

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def refusal(dsn: str) -> str:
    with pytest.raises(SetupError) as failed:
        given_database.read(dsn).check()
    return str(failed.value)


def test_an_empty_database_of_its_owner_is_accepted_and_migrated(
    postgres: Postgres, name: str
) -> None:
    found = given_database.read(postgres.dsn(name))
    found.check()
    migrations.upgrade(found.dsn())
    found.check()
    assert found.running()


def test_an_unreachable_server_is_named_without_the_password() -> None:
    said = refusal(f"postgresql://me:secret@127.0.0.1:{free_port()}/app")
    assert "accepts no connection" in said
    assert "Is PostgreSQL running there" in said
    assert "secret" not in said


def test_a_wrong_password_is_named(postgres: Postgres, name: str) -> None:
    said = refusal(f"postgresql://{name}:wrong@127.0.0.1:{postgres.port}/{name}")
    assert "password authentication failed" in said


def test_a_role_without_the_right_gets_the_grant_to_run(postgres: Postgres, name: str) -> None:
    dsn = f"postgresql://{name}:pw@127.0.0.1:{postgres.port}/{name}"
    said = refusal(dsn)
    grant = f'GRANT CREATE ON DATABASE "{name}" TO "{name}";'
    assert grant in said
    with administrator(postgres, name) as cursor:
        cursor.execute(grant)
    given_database.read(dsn).check()


def test_a_role_that_may_not_use_the_existing_schema_is_told(postgres: Postgres, name: str) -> None:
    migrations.upgrade(postgres.dsn(name))
    dsn = f"postgresql://{name}:pw@127.0.0.1:{postgres.port}/{name}"
    grant = f'GRANT USAGE, CREATE ON SCHEMA herald TO "{name}";'
    assert grant in refusal(dsn)


def test_a_pooler_is_refused(postgres: Postgres) -> None:
    with pgbouncer.in_front_of(postgres) as pooled:
        said = refusal(pooled.dsn())
    assert "PgBouncer" in said
    assert "give its own host and port" in said
