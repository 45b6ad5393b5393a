"""`make migrate` on a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest

from tests.integration.cli.conftest import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def execute(dsn: str, *statements: str) -> None:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


@pytest.fixture
def empty_database(fresh_database: str) -> str:
    """The DSN of a database without any schema."""
    execute(fresh_database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return fresh_database


def test_an_empty_database_gets_the_schema_once(empty_database: str) -> None:
    checked = run("cli.migrate", "--check", HERALD_DATABASE_URL=empty_database)
    migrated = run("cli.migrate", HERALD_DATABASE_URL=empty_database)
    again = run("cli.migrate", HERALD_DATABASE_URL=empty_database)

    assert checked[0] == 1
    assert "no schema → 0001, to be done: 0001" in checked[1]
    assert migrated[0] == 0
    assert "no schema → 0001, done: 0001" in migrated[1]
    assert again[0] == 0
    assert "0001 → 0001, nothing to do." in again[1]
    execute(empty_database, "SELECT herald_epoch()", "SELECT * FROM outbox")
    password = empty_database.split(":")[2].split("@", maxsplit=1)[0]
    assert password not in "".join(migrated[1:])


def test_the_stacks_own_database_is_the_default(empty_database: str, tmp_path: Path) -> None:
    stack = tmp_path / "stack.env"
    stack.write_text(f"HERALD_DATABASE_URL={empty_database}\n")
    code, said, _ = run("cli.migrate", "--stack-env", str(stack))
    assert code == 0
    assert "done" in said


def test_a_schema_of_a_newer_checkout_is_left_alone(fresh_database: str) -> None:
    execute(fresh_database, "UPDATE herald_migrations SET version_num = '9999'")
    code, _, errors = run("cli.migrate", HERALD_DATABASE_URL=fresh_database)
    assert code == 2
    assert "not one of this checkout's" in errors
    assert "9999" in errors


def test_without_a_database_the_message_says_what_to_set(tmp_path: Path) -> None:
    code, said, errors = run("cli.migrate", "--stack-env", str(tmp_path / "none"))
    assert (code, said) == (2, "")
    assert "HERALD_DATABASE_URL=postgresql://" in errors


def test_a_database_that_refuses_is_told_without_its_password() -> None:
    dsn = "postgresql://herald:hunter2@127.0.0.1:1/herald"
    code, _, errors = run("cli.migrate", HERALD_DATABASE_URL=dsn)
    assert code == 2
    assert "127.0.0.1:1/herald" in errors
    assert "hunter2" not in errors
