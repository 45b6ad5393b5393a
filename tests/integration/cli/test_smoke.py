"""`./herald smoke` with services that fail or do not answer. tests/rehearsal tests other cases."""

from __future__ import annotations

import json
import signal
import socket
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from tests.integration.cli.conftest import run, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.emulator import Emulator

pytestmark = pytest.mark.integration

TABLES = {
    "api_keys": ["key_id"],
    "connections": ["user_id"],
    "inbox": ["user_id", "position"],
}


@pytest.fixture
def tables(aws: Emulator) -> Iterator[Any]:
    """A DynamoDB client with an empty table for each name in TABLES."""
    client = aws.client("dynamodb")
    for name, keys in TABLES.items():
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        )
    yield client
    for name in TABLES:
        client.delete_table(TableName=name)
    client.close()


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


@pytest.fixture
def stage(
    aws: Emulator, tables: Any, silent: socket.socket, fresh_database: str, tmp_path: Path
) -> Path:
    """The stack.env of a stage whose WebSocket API does not answer."""
    values = {
        **aws.aws_environment(),
        "HERALD_STAGE": "smoke",
        "HERALD_DATABASE_URL": fresh_database,
        "HERALD_WEBSOCKET_URL": f"ws://127.0.0.1:{silent.getsockname()[1]}",
        "HERALD_CALLBACK_URL": "http://127.0.0.1:9",
        **{f"HERALD_{name.upper()}_TABLE": name for name in TABLES},
    }
    path = tmp_path / "stack.env"
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return path


def left(tables: Any, dsn: str) -> list[Any]:
    """The items and rows in the tables of DynamoDB and PostgreSQL."""
    items = [item for name in TABLES for item in tables.scan(TableName=name)["Items"]]
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM herald.generations")
        items += cursor.fetchall()
    connection.close()
    return items


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_test_leaves_nothing_behind(
    stage: Path, tables: Any, silent: socket.socket, fresh_database: str, number: signal.Signals
) -> None:
    process = start("smoke", "--stack-env", str(stage))
    connection, _ = silent.accept()
    with connection:
        assert len(left(tables, fresh_database)) == 2  # the row and the key
        process.send_signal(number)
        process.communicate(timeout=60)

    assert process.returncode == 130
    assert left(tables, fresh_database) == []


def test_a_step_that_takes_too_long_is_named_and_leaves_nothing_behind(
    stage: Path, tables: Any, fresh_database: str
) -> None:
    code, output, errors = run("smoke", "--stack-env", str(stage), "--timeout", "1s", "--json")

    result = json.loads(output)
    assert (code, result["failed"], result["left"]) == (1, "connect", [])
    assert set(result["steps"]) == {"row", "key"}
    assert "Look at the logs of authorize" in errors
    assert left(tables, fresh_database) == []


def test_what_cannot_be_removed_is_named(stage: Path, tables: Any, fresh_database: str) -> None:
    words = ["--set", "inbox_table=missing", "--timeout", "1s", "--json"]
    code, output, _ = run("smoke", "--stack-env", str(stage), *words)

    result = json.loads(output)
    assert code == 1
    (sentence,) = result["left"]
    assert sentence.startswith("the items in DynamoDB of user herald-smoke-")
    assert left(tables, fresh_database) == []


def test_a_database_that_refuses_is_the_first_step(stage: Path, tables: Any) -> None:
    environment = {"HERALD_DATABASE_URL": "postgresql://u:p@127.0.0.1:9/d"}
    code, output, errors = run("smoke", "--stack-env", str(stage), "--json", **environment)

    result = json.loads(output)
    assert (code, result["failed"], result["steps"]) == (1, "row", {})
    assert "Check HERALD_DATABASE_URL" in errors
    assert ":p@" not in errors
