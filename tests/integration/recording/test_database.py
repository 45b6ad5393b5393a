"""The database: its connection, the limits of transactions, and the text of errors."""

from __future__ import annotations

import json
import socket
import threading
import time
import traceback
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from chalicelib.aws.secrets import KEEP_SECONDS, Secrets
from chalicelib.errors import DatabaseError, DatabaseRejected, DatabaseUnavailable, ServiceError
from chalicelib.recording.database import Database
from local.ports import free_port
from tests.integration.sql import execute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.recording.cursor import Cursor
    from local.postgres import Postgres

pytestmark = pytest.mark.integration

PROMPT = "a secret lighthouse"


@pytest.fixture
def database(reached: str) -> Iterator[Database]:
    found = Database(lambda: reached, sleep=lambda seconds: None)
    yield found
    found.close()


def value_of(database: Database, expression: str, **limits: float) -> Any:
    def transaction(cursor: Cursor) -> Any:
        cursor.execute(f"SELECT {expression} AS value")
        row = cursor.fetchone()
        return row["value"] if row else None

    return database.run(transaction, deadline=time.monotonic() + 30, **limits)


def setting(database: Database, name: str) -> Any:
    return value_of(database, f"current_setting('{name}')")


def test_every_transaction_has_its_limits_and_the_session_none(
    database: Database, reached: str
) -> None:
    for _ in range(2):
        assert setting(database, "statement_timeout") == "3s"
        assert setting(database, "idle_in_transaction_session_timeout") == "20s"
    [(timeout,)] = execute(reached, "SELECT current_setting('statement_timeout')")
    assert timeout == "0"  # behind PgBouncer, this is the server connection that Herald just used


def test_only_a_change_that_may_be_lost_does_not_wait_for_the_disk(
    database: Database, fresh_database: str
) -> None:
    name = fresh_database.rpartition("/")[2]
    execute(fresh_database, f'ALTER DATABASE "{name}" SET synchronous_commit = on')

    def committed(durable: bool) -> Any:
        def transaction(cursor: Cursor) -> Any:
            cursor.execute_and_commit(
                "SELECT current_setting('synchronous_commit') AS value", durable=durable
            )
            row = cursor.fetchone()
            return row["value"] if row else None

        return database.run(transaction, deadline=time.monotonic() + 30)

    assert [committed(durable) for durable in (True, False, True)] == ["on", "off", "on"]


def test_a_statement_over_the_limit_is_cancelled_by_the_server(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"57014.*statement timeout"):
        value_of(database, "pg_sleep(30)", seconds=10)


def test_a_timeout_is_reported_as_the_cause(reached: str) -> None:
    errors: list[str] = []
    database = Database(
        lambda: reached, lambda tries, exc: errors.append(str(exc)), lambda seconds: None
    )
    with pytest.raises(DatabaseUnavailable, match="did not answer in time"):
        value_of(database, "pg_sleep(30)", seconds=0.3)
    assert errors == ["OperationalError: PostgreSQL did not answer in time"] * 3
    assert value_of(database, "1") == 1
    database.close()


def send(database: Database, statement: str) -> None:
    """Execute a statement without waiting for its answer."""
    assert value_of(database, "1") == 1  # opens the connection
    database.send(lambda cursor: cursor.execute_and_commit(statement, wait=False))


def test_a_statement_that_is_not_awaited_comes_before_the_next_transaction(
    database: Database, fresh_database: str
) -> None:
    database.run(insert, deadline=time.monotonic() + 30)
    with closing(psycopg2.connect(fresh_database)) as other:
        other.cursor().execute("LOCK TABLE herald.generations")
        send(database, "DELETE FROM herald.generations")
    assert value_of(database, "(SELECT count(*) FROM herald.generations)") == 0


UNAWAITED = {
    "SELECT 1 / 0": "DivisionByZero 22012: division by zero",
    "SELECT pg_sleep(30)": "OperationalError: PostgreSQL did not answer in time",
}


@pytest.mark.parametrize("statement", UNAWAITED)
def test_a_failure_of_a_statement_that_is_not_awaited_is_reported(
    reached: str, statement: str
) -> None:
    errors: list[tuple[int, str]] = []
    database = Database(
        lambda: reached, lambda tries, exc: errors.append((tries, str(exc))), lambda seconds: None
    )
    with closing(database):
        send(database, statement)
        assert value_of(database, "1", seconds=1.0) == 1
    assert errors[0] == (0, UNAWAITED[statement])


def test_the_operators_own_options_apply(fresh_database: str) -> None:
    dsn = f"{fresh_database}?options=-c%20search_path%3Dnotify&application_name=notices"
    with closing(Database(lambda: dsn)) as database:
        assert setting(database, "search_path") == "notify"
        assert setting(database, "application_name") == "notices"
        assert setting(database, "statement_timeout") == "3s"


def test_text_is_utf_8_whatever_the_database_prefers(database: Database, reached: str) -> None:
    name = reached.rpartition("/")[2]
    execute(reached, f"ALTER DATABASE {name} SET client_encoding TO 'LATIN1'")
    assert value_of(database, "'Zoë 😀'") == "Zoë 😀"


def forms(dsn: str) -> Iterator[str]:
    parts = parse_dsn(dsn)
    server = f"{parts['user']}:{parts['password']}@127.0.0.1"
    yield f"postgres://{server}:{parts['port']}/{parts['dbname']}"
    yield dsn.replace("@127.0.0.1:", f"@127.0.0.1:{free_port()},127.0.0.1:")
    yield " ".join(f"{name}='{value}'" for name, value in parts.items())
    yield json.dumps(
        {
            "username": parts["user"],
            **{name: parts[name] for name in ("password", "host", "dbname")},
            "port": int(parts["port"]),
            "engine": "postgres",
        }
    )


def test_every_form_of_the_dsn_reaches_the_database(reached: str) -> None:
    wanted = reached.rpartition("/")[2]
    for form in forms(reached):
        with closing(Database(lambda: form)) as database:  # noqa: B023 - used at once
            assert value_of(database, "current_database()") == wanted


def test_after_an_unresponsive_host_the_next_host_is_tried(reached: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        several = reached.replace("@", f"@127.0.0.1:{silent.getsockname()[1]},")
        with closing(Database(lambda: several)) as database:
            assert value_of(database, "1", seconds=1.0) == 1
            database.close()
            assert value_of(database, "2", seconds=1.0) == 2


class SlowSecretsManager:
    """Takes longer than one attempt of a transaction, then fails."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls > 1:
            threading.Event().wait(1.2)
            raise ServiceError("secretsmanager", 0, "timed out")
        return self.value


def test_waiting_for_secrets_manager_does_not_use_up_the_databases_time(reached: str) -> None:
    with closing(Database(SlowSecretsManager(reached))) as database:
        for _ in range(2):
            assert value_of(database, "1", seconds=1.0) == 1


def test_a_malformed_dsn_is_reported_without_its_password() -> None:
    database = Database(lambda: "postgresql://u:hunter2%@h/d", sleep=lambda seconds: None)
    with pytest.raises(DatabaseUnavailable, match="cannot be parsed") as caught:
        value_of(database, "1")
    assert "hunter2" not in everything_told(caught.value)


class FakeSecretsManager:
    """Returns `value`; does not answer while `down` is true."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.down = False

    def call(self, operation: str, request: dict[str, str]) -> dict[str, str]:
        if self.down:
            raise ServiceError("secretsmanager", 0, "timed out")
        return {"SecretString": self.value}


def test_a_changed_dsn_takes_effect_although_the_old_database_answers(
    postgres: Postgres, fresh_database: str
) -> None:
    now = 0.0
    manager = FakeSecretsManager(postgres.dsn())
    secrets = Secrets(cast(Any, manager), lambda: now)
    with closing(Database(lambda: secrets.get("arn"))) as database:
        assert value_of(database, "current_database()") == "herald"
        manager.value = fresh_database
        assert value_of(database, "current_database()") == "herald"
        now = KEEP_SECONDS + 1
        assert KEEP_SECONDS <= 300
        assert value_of(database, "current_database()") == fresh_database.rpartition("/")[2]


def test_an_open_connection_does_not_depend_on_secrets_manager(reached: str) -> None:
    manager = FakeSecretsManager(reached)
    with closing(Database(lambda: manager.call("", {})["SecretString"])) as database:
        backend = value_of(database, "1")
        manager.down = True
        assert value_of(database, "1") == backend
        database.close()
        with pytest.raises(DatabaseUnavailable, match="secretsmanager"):
            value_of(database, "1")


def everything_told(exc: Exception) -> str:
    """The error's text, and the traceback that Lambda may print."""
    return str(exc) + "".join(traceback.format_exception(exc))


def insert(cursor: Cursor) -> None:
    cursor.execute(
        f"INSERT INTO {cursor.tables.generations} (id, user_id, prompt) VALUES (%s, 'alice', %s)",
        (str(uuid.uuid4()), PROMPT),
    )


REJECTIONS = {
    "CheckViolation 23514 short": "ALTER TABLE herald.generations"
    " ADD CONSTRAINT short CHECK (length(prompt) < 3)",
    "NotNullViolation 23502": "ALTER TABLE herald.generations ADD COLUMN tenant text NOT NULL",
    "StringDataRightTruncation 22001": "ALTER TABLE herald.generations"
    " ALTER COLUMN prompt TYPE varchar(3)",
    "RaiseException P0001: not today": "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
    " AS $$ BEGIN RAISE EXCEPTION 'not today' USING DETAIL = NEW.prompt; END $$;"
    "CREATE TRIGGER refuse BEFORE INSERT ON herald.generations"
    " FOR EACH ROW EXECUTE FUNCTION refuse()",
}


@pytest.mark.parametrize("says", REJECTIONS)
def test_a_row_that_the_database_rejects_is_not_retried_and_not_quoted(
    database: Database, fresh_database: str, says: str
) -> None:
    execute(fresh_database, REJECTIONS[says])
    tries = 0

    def transaction(cursor: Cursor) -> None:
        nonlocal tries
        tries += 1
        insert(cursor)

    with pytest.raises(DatabaseRejected, match=says) as caught:
        database.run(transaction, deadline=time.monotonic() + 30)
    assert tries == 1
    assert PROMPT not in everything_told(caught.value)
    assert value_of(database, "1") == 1


def test_a_lone_surrogate_is_rejected(database: Database) -> None:
    with pytest.raises(DatabaseRejected, match="UnicodeEncodeError"):
        value_of(database, "'\ud800'")


def test_bytes_that_are_not_utf_8_are_rejected(postgres: Postgres) -> None:
    """Given a database without an encoding, which `make migrate` refuses."""
    name = f"ascii_{uuid.uuid4().hex}"
    execute(postgres.dsn(), f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0")
    with (
        closing(Database(lambda: postgres.dsn(name))) as database,
        pytest.raises(DatabaseRejected, match="22021"),
    ):
        value_of(database, "E'\\xff'")
    execute(postgres.dsn(), f"DROP DATABASE {name}")


def test_a_schema_that_the_operator_can_fix_is_retried(
    database: Database, fresh_database: str
) -> None:
    execute(fresh_database, "ALTER TABLE herald.generations RENAME TO elsewhere")
    with pytest.raises(DatabaseError, match="UndefinedTable 42P01") as caught:
        database.run(insert, deadline=time.monotonic() + 30)
    assert isinstance(caught.value, DatabaseUnavailable)


def test_the_tables_can_live_in_another_schema(fresh_database: str, reached: str) -> None:
    execute(fresh_database, "ALTER SCHEMA herald RENAME TO notices")
    with closing(Database(lambda: reached, schema="notices")) as database:
        database.run(insert, deadline=time.monotonic() + 30)
    assert execute(fresh_database, "SELECT prompt FROM notices.generations") == [(PROMPT,)]
