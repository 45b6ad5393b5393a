"""The migrations on a real PostgreSQL: new databases, older ones, and tables of other software."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from chalicelib.recording import generations
from chalicelib.recording.database import Database
from chalicelib.recording.generations import Source
from local.ports import free_port
from tests.builders import report_of
from tests.integration.sql import execute
from tooling import ROOT, SetupError, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Postgres

pytestmark = pytest.mark.integration

TABLES = ("generations", "outbox", "streams", "webhook_receipts")  # of the first version
ALL = sorted([*TABLES, "polling", "unmatched_reports", "herald_migrations"])
GENERATION = "00000000-0000-4000-8000-000000000001"


@contextmanager
def database_of(postgres: Postgres, options: str = "") -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    execute(postgres.dsn("postgres"), f"CREATE DATABASE {name} TEMPLATE template0 {options}")
    yield postgres.dsn(name)
    execute(postgres.dsn("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[str]:
    """The DSN of a database without any table."""
    with database_of(postgres) as dsn:
        yield dsn


def make_old(dsn: str, schema: str = "public") -> None:
    """Create the tables of revision 0001 in a shared schema, with one generation."""
    first = (ROOT / "migrations" / "versions" / "0001_first_tables.py").read_text()
    execute(
        dsn,
        f"SET search_path TO {schema}",
        first.split('"""')[3],
        "CREATE TABLE herald_migrations (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO herald_migrations VALUES ('0001')",
        f"INSERT INTO generations (id, user_id, prompt) VALUES ('{GENERATION}', 'alice', 'p')",
    )


@pytest.fixture
def old(empty: str) -> str:
    """The DSN of a database at revision 0001."""
    make_old(empty)
    return empty


@pytest.fixture
def role(postgres: Postgres, old: str) -> Iterator[str]:
    """The DSN of a role with the functions' rights as of revision 0001 (docs/security.md)."""
    execute(
        old,
        "CREATE ROLE functions LOGIN PASSWORD 'functions'",
        "GRANT SELECT, UPDATE ON generations TO functions",
        "GRANT SELECT, INSERT, UPDATE ON streams TO functions",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, webhook_receipts TO functions",
    )
    yield old.replace(f"{postgres.user}:{postgres.password}", "functions:functions")
    execute(old, "DROP OWNED BY functions", "DROP ROLE functions")


def tables(dsn: str, schema: str) -> list[str]:
    found = execute(
        dsn,
        "SELECT relname FROM pg_class WHERE relkind = 'r'"
        f" AND relnamespace = to_regnamespace('{schema}') ORDER BY relname",
    )
    return [name for (name,) in found]


def record(dsn: str, schema: str = "herald") -> str:
    report = {"generationId": GENERATION, "status": "COMPLETE", "imageUrl": "https://x/1.png"}
    with closing(Database(lambda: dsn, schema=schema)) as database:
        return database.run(
            lambda cursor: generations.record(
                cursor,
                report_of(report),
                Source(None, GENERATION, delivery_id="m"),
                stage="test",
            ),
            deadline=time.monotonic() + 30,
        ).outcome


def test_a_new_database_gets_one_schema_and_nothing_else(empty: str) -> None:
    assert migrations.upgrade(empty).steps == ["0001", "0002", "0003", "0004"]
    assert tables(empty, "herald") == ALL
    assert (
        execute(empty, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        == []
    )
    assert migrations.upgrade(empty).steps == []


def test_an_applications_own_tables_of_the_same_names_are_left_alone(empty: str) -> None:
    for name in (*TABLES, "herald_migrations"):
        execute(empty, f"CREATE TABLE {name} (id integer, version_num text)")
    execute(empty, "INSERT INTO generations VALUES (7)")
    migrations.upgrade(empty)
    assert tables(empty, "public") == sorted([*TABLES, "herald_migrations"])
    assert execute(empty, "SELECT id FROM generations") == [(7,)]
    assert execute(empty, "SELECT count(*) FROM herald.generations") == [(0,)]


def test_an_applications_migration_tool_sees_nothing_to_drop(empty: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import MetaData

    make_old(empty)
    migrations.upgrade(empty)
    with migrations.engine(empty).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), MetaData()) == []


def test_the_tables_of_an_older_version_move_with_their_rows(old: str) -> None:
    assert migrations.pending(old) == migrations.Migrations(
        "0001", "0004", ["0002", "0003", "0004"]
    )
    assert migrations.upgrade(old).steps == ["0002", "0003", "0004"]
    assert migrations.pending(old).steps == []
    assert tables(old, "herald") == ALL
    assert tables(old, "public") == []
    assert record(old) == "recorded"
    assert execute(old, "SELECT status FROM generations") == [("COMPLETE",)], "through the view"


# The application's INSERT, then the statements of the previous version, in the order it sends them.
OLD_STATEMENTS = (
    "INSERT INTO generations (id, user_id, prompt) VALUES (gen_random_uuid(), 'alice', 'p')",
    "SELECT user_id FROM generations",
    "SELECT status FROM generations FOR UPDATE",
    "INSERT INTO webhook_receipts (id) VALUES ('m') ON CONFLICT DO NOTHING",
    "UPDATE generations SET status = 'COMPLETE', version = version + 1 RETURNING *",
    (
        "INSERT INTO streams (user_id, last_offset) VALUES ('alice', 1)"
        " ON CONFLICT (user_id) DO UPDATE SET last_offset = streams.last_offset + 1"
        " RETURNING epoch::text, last_offset"
    ),
    "INSERT INTO outbox (id, event) VALUES (gen_random_uuid(), '{}')",
    (
        "SELECT id::text, event::text FROM outbox WHERE published_at IS NULL"
        " ORDER BY created_at LIMIT 8 FOR UPDATE SKIP LOCKED"
    ),
    "UPDATE outbox SET published_at = now()",
    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox LIMIT 1 FOR UPDATE SKIP LOCKED)",
    (
        "DELETE FROM webhook_receipts WHERE id IN"
        " (SELECT id FROM webhook_receipts LIMIT 1 FOR UPDATE SKIP LOCKED)"
    ),
)


def test_the_previous_version_keeps_working_until_it_is_replaced(old: str, role: str) -> None:
    migrations.upgrade(old)
    execute(old, OLD_STATEMENTS[0])
    for statement in OLD_STATEMENTS[1:]:
        execute(role, statement)
    again = "INSERT INTO webhook_receipts (id) VALUES ('m') ON CONFLICT DO NOTHING"
    execute(role, again, again, OLD_STATEMENTS[5])
    assert execute(old, "SELECT last_offset FROM herald.streams") == [(2,)]


def test_the_version_before_needs_no_new_column(empty: str) -> None:
    """It has used Herald's own schema since revision 0002."""
    migrations.upgrade(empty)
    execute(empty, "SET search_path TO herald", *OLD_STATEMENTS)
    assert execute(empty, "SELECT last_offset FROM herald.streams") == [(1,)]


def test_the_provider_and_its_id_name_one_generation(empty: str) -> None:
    migrations.upgrade(empty)
    insert = (
        "INSERT INTO herald.generations (id, user_id, prompt, provider, provider_id)"
        " VALUES (gen_random_uuid(), 'alice', 'p', {}, {})"
    )
    for pair in (("'fal'", "NULL"), ("NULL", "NULL"), ("'fal'", "'1'"), ("'luma'", "'1'")):
        execute(empty, insert.format(*pair))
    for pair in (("'fal'", "NULL"), ("NULL", "NULL")):
        execute(empty, insert.format(*pair))
    with pytest.raises(psycopg2.errors.UniqueViolation):
        execute(empty, insert.format("'fal'", "'1'"))


def test_roles_keep_their_rights_and_get_no_more(old: str, role: str) -> None:
    migrations.upgrade(old)
    assert record(role) == "recorded"
    for name in ("generations", "herald.generations"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(role, f"DELETE FROM {name}")


def test_a_role_has_the_same_rights_to_unmatched_reports_as_to_the_outbox(
    old: str, role: str
) -> None:
    migrations.upgrade(old)
    rights = (
        "SELECT privilege_type FROM information_schema.table_privileges"
        " WHERE table_name = '{}' AND table_schema = 'herald' AND grantee = 'functions'"
    )
    found = sorted(execute(old, rights.format("unmatched_reports")))
    assert found == sorted(execute(old, rights.format("outbox")))
    assert ("INSERT",) in found


def test_a_role_with_rights_to_columns_keeps_them(old: str, role: str) -> None:
    """Given an application that may only insert the columns that it needs."""
    execute(
        old,
        "DROP OWNED BY functions",
        "GRANT INSERT (id, user_id, prompt), SELECT (id) ON generations TO functions",
    )
    migrations.upgrade(old)
    for name in ("generations", "herald.generations"):
        execute(
            role, f"INSERT INTO {name} (id, user_id, prompt) VALUES (gen_random_uuid(), 'a', 'p')"
        )
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(role, f"SELECT prompt FROM {name}")


def test_row_level_security_also_applies_to_the_view(old: str, role: str) -> None:
    execute(
        old,
        "ALTER TABLE generations ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON generations USING (user_id = 'bob')",
    )
    migrations.upgrade(old)
    assert execute(role, "SELECT * FROM generations") == []
    assert execute(role, "SELECT * FROM herald.generations") == []


def test_a_table_that_herald_did_not_create_stops_the_migration(old: str) -> None:
    execute(old, "DROP TABLE outbox", "CREATE TABLE outbox (id bigint PRIMARY KEY, topic text)")
    with pytest.raises(SetupError, match=r"Table public\.outbox is not the one") as caught:
        migrations.upgrade(old)
    assert "hunter2" not in str(caught.value)
    assert tables(old, "public") == sorted([*TABLES, "herald_migrations"])
    assert tables(old, "herald") == []


def test_tables_that_the_dsns_options_put_elsewhere_move_too(empty: str) -> None:
    execute(empty, "CREATE SCHEMA notify")
    make_old(empty, "notify")
    dsn = f"{empty}?options=-c%20search_path%3Dnotify"
    assert migrations.upgrade(dsn).steps == ["0002", "0003", "0004"]
    assert tables(empty, "notify") == []
    assert record(dsn) == "recorded"


def test_two_stages_share_a_database(empty: str) -> None:
    migrations.upgrade(empty)
    execute(
        empty, f"INSERT INTO herald.generations VALUES ('{GENERATION}', 'alice', 'PENDING', 'p')"
    )
    dsn = f"{empty}?options=-c%20search_path%3Dherald"
    assert migrations.upgrade(dsn, "herald_dev").steps == ["0001", "0002", "0003", "0004"]
    assert tables(empty, "herald") == tables(empty, "herald_dev")
    assert record(empty) == "recorded"
    assert execute(empty, "SELECT count(*) FROM herald_dev.generations") == [(0,)]


def test_a_schema_that_exists_needs_no_right_to_create_one(empty: str, postgres: Postgres) -> None:
    execute(
        empty,
        "CREATE ROLE keeper LOGIN PASSWORD 'keeper'",
        "CREATE SCHEMA herald AUTHORIZATION keeper",
    )
    dsn = empty.replace(f"{postgres.user}:{postgres.password}", "keeper:keeper")
    assert migrations.upgrade(dsn).steps == ["0001", "0002", "0003", "0004"]
    execute(empty, "DROP OWNED BY keeper", "DROP ROLE keeper")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_store_every_text_is_refused(
    postgres: Postgres, encoding: str
) -> None:
    options = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    with database_of(postgres, options) as dsn:
        for call in (migrations.pending, migrations.upgrade):
            with pytest.raises(SetupError, match=f"encoding {encoding}, .*ENCODING 'UTF8'"):
                call(dsn)
        assert execute(dsn, "SELECT 1 FROM pg_namespace WHERE nspname = 'herald'") == []


def test_every_form_of_the_dsn_is_accepted(empty: str) -> None:
    parts = parse_dsn(empty)
    rds = {
        "username": parts["user"],
        **{name: parts[name] for name in ("password", "host", "port", "dbname")},
    }
    assert migrations.upgrade(empty.replace("postgresql://", "postgres://")).steps
    two_hosts = empty.replace("@127.0.0.1:", f"@127.0.0.1:{free_port()},127.0.0.1:")
    keywords = " ".join(f"{name}={value}" for name, value in parts.items())
    for form in (json.dumps(rds), two_hosts, keywords):
        assert migrations.upgrade(form).before == "0004"


@pytest.mark.parametrize("dsn", ["postgresql://u:hunter2%@h/d", '{"password": "hunter2"}'])
def test_a_malformed_dsn_is_refused_without_its_password(dsn: str) -> None:
    with pytest.raises(SetupError) as caught:
        migrations.upgrade(dsn)
    assert "hunter2" not in str(caught.value)
