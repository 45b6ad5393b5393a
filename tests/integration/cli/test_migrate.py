"""`./herald migrate` on a real PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import run
from tests.integration.sql import execute

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


@pytest.fixture
def empty_database(fresh_database: str) -> str:
    """The DSN of a database without any schema."""
    execute(fresh_database, "DROP SCHEMA herald CASCADE")
    return fresh_database


def test_an_empty_database_gets_the_schema_once(empty_database: str) -> None:
    checked = run("migrate", "--check", HERALD_DATABASE_URL=empty_database)
    migrated = run("migrate", HERALD_DATABASE_URL=empty_database)
    again = run("migrate", HERALD_DATABASE_URL=empty_database)

    assert checked[0] == 1
    assert "no schema → 0004, to be done: 0001, 0002, 0003, 0004" in checked[1]
    assert migrated[0] == 0
    assert "no schema → 0004, done: 0001, 0002, 0003, 0004" in migrated[1]
    assert again[0] == 0
    assert "0004 → 0004, nothing to do." in again[1]
    execute(empty_database, "SELECT herald.herald_epoch()", "SELECT * FROM herald.outbox")
    password = empty_database.split(":")[2].split("@", maxsplit=1)[0]
    assert password not in "".join(migrated[1:])


def test_migrations_in_json_have_both_revisions(empty_database: str) -> None:
    checked = run("migrate", "--check", "--json", HERALD_DATABASE_URL=empty_database)
    migrated = run("migrate", "--json", HERALD_DATABASE_URL=empty_database)
    again = run("migrate", "--json", HERALD_DATABASE_URL=empty_database)

    assert (checked[0], migrated[0], again[0]) == (1, 0, 0)
    first, second, third = (json.loads(result[1]) for result in (checked, migrated, again))
    name = empty_database.rpartition("@")[2]
    way = {
        "database": name,
        "schema": "herald",
        "before": None,
        "after": "0004",
        "steps": ["0001", "0002", "0003", "0004"],
    }
    assert first == {**way, "applied": False}
    assert second == {**way, "applied": True}
    assert third == {**way, "before": "0004", "steps": [], "applied": False}


def test_the_schema_can_be_chosen(fresh_database: str) -> None:
    code, said, _ = run(
        "migrate", HERALD_DATABASE_URL=fresh_database, HERALD_DATABASE_SCHEMA="notices"
    )
    assert (code, "schema notices: no schema → 0004, done" in said) == (0, True)
    execute(fresh_database, "SELECT * FROM notices.outbox")


def test_the_stacks_database_is_the_default(empty_database: str, tmp_path: Path) -> None:
    stack = tmp_path / "stack.env"
    stack.write_text(f"HERALD_DATABASE_URL={empty_database}\n")
    code, said, _ = run("migrate", "--stack-env", str(stack))
    assert code == 0
    assert "done" in said


def test_a_schema_of_a_newer_checkout_is_left_alone(fresh_database: str) -> None:
    execute(fresh_database, "UPDATE herald.herald_migrations SET version_num = '9999'")
    code, _, errors = run("migrate", HERALD_DATABASE_URL=fresh_database)
    assert code == 2
    assert "does not belong to this checkout" in errors
    assert "9999" in errors


def test_without_a_database_the_message_says_what_to_set(tmp_path: Path) -> None:
    code, said, errors = run("migrate", "--stack-env", str(tmp_path / "none"))
    assert (code, said) == (2, "")
    assert "HERALD_DATABASE_URL=postgresql://" in errors


def test_a_database_that_refuses_is_reported_without_its_password() -> None:
    dsn = "postgresql://herald:hunter2@127.0.0.1:1/herald"
    code, _, errors = run("migrate", HERALD_DATABASE_URL=dsn)
    assert code == 2
    assert "127.0.0.1:1/herald" in errors
    assert "hunter2" not in errors
