"""Ending a user's sessions, and erasing a user (on moto and PostgreSQL)."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from chalicelib.aws.dynamodb import to_item
from chalicelib.store.api_keys import ApiKeys
from tests.builders import Context, connected, event, open_connections, sqs, websocket
from tests.command_line import herald

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

    from chalicelib.aws.service import Service
    from chalicelib.runtime import Runtime
    from chalicelib.store.connections import Connections
    from tests.integration.conftest import Gateway

pytestmark = pytest.mark.integration

KEYS = "api-keys"


@pytest.fixture
def stack_env(dynamodb: Any, moto: str, gateway: Gateway, tmp_path: Path) -> str:
    """The stack.env of a stack on moto and the scripted @connections."""
    dynamodb.create_table(
        TableName=KEYS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "key_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "key_id", "KeyType": "HASH"}],
    )
    values = {
        "HERALD_STAGE": "test",
        "HERALD_API_KEYS_TABLE": KEYS,
        "HERALD_CONNECTIONS_TABLE": "connections",
        "HERALD_INBOX_TABLE": "inbox",
        "HERALD_MANAGEMENT_ENDPOINT": gateway.url,
        "AWS_ENDPOINT_URL": moto,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    path = tmp_path / "stack.env"
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return str(path)


@pytest.fixture
def keys(service: Service) -> ApiKeys:
    """The keys as the authorizer reads them."""
    return ApiKeys(service, KEYS)


def revoke(stack_env: str, *words: str) -> Result:
    return herald("sessions", "revoke", "--user", "alice", *words, "--stack-env", stack_env)


def new_key(stack_env: str, user: str) -> str:
    return herald("api-key", "create", "--user", user, "--stack-env", stack_env).stdout.strip()


# --- sessions revoke ---


def test_revoking_closes_the_users_connections_and_says_why(
    stack_env: str, dynamodb: Any, connections: Connections, gateway: Gateway
) -> None:
    for user, connection_id in (("alice", "a1="), ("alice", "a2="), ("bob", "b1=")):
        connections.put(connected(user, connection_id))
    gateway.statuses["a2="] = [410]  # already closed
    result = revoke(stack_env, "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert abs(answer.pop("revokedAt") - time.time()) < 10
    assert answer == {
        "user": "alice",
        "closed": 2,
        "leftOpen": [],
        "keysRevoked": 0,
        "keysLeft": [],
    }
    [close] = [json.loads(text) for text in gateway.posted["a1="]]
    assert (close["type"], close["code"], close["reconnect"]) == ("close", 4011, "never")
    assert sorted(gateway.closed) == ["a1=", "a2="]
    assert open_connections(dynamodb) == {"b1="}


def test_a_revoked_token_is_refused_and_a_later_one_accepted(
    stack_env: str, runtime: Runtime
) -> None:
    now = int(time.time())
    assert revoke(stack_env).exit_code == 0
    assert runtime.connect.handle(websocket(issued_at=now - 1))["statusCode"] == 401
    assert runtime.connect.handle(websocket(issued_at=now + 60))["statusCode"] == 200
    bobs = websocket(user_id="bob", issued_at=now - 1)
    assert runtime.connect.handle(bobs)["statusCode"] == 200


def test_api_keys_stay_valid_and_are_named(stack_env: str, keys: ApiKeys) -> None:
    text = new_key(stack_env, "alice")
    result = revoke(stack_env)
    assert text.split("_")[1] in result.stderr
    assert keys.verify(text).user_id == "alice"


def test_api_keys_are_revoked_on_request(stack_env: str, dynamodb: Any) -> None:
    new_key(stack_env, "alice")
    bobs = new_key(stack_env, "bob")
    answer = json.loads(revoke(stack_env, "--api-keys", "--json").stdout)
    assert (answer["keysRevoked"], answer["keysLeft"]) == (1, [])
    [item] = dynamodb.scan(TableName=KEYS)["Items"]
    assert item["key_id"]["S"] == bobs.split("_")[1]


@pytest.mark.parametrize("user", ["", "u" * 257])
def test_what_cannot_be_a_user_id_is_refused(stack_env: str, user: str) -> None:
    for words in (("sessions", "revoke"), ("forget", "--yes")):
        assert herald(*words, "--user", user, "--stack-env", stack_env).exit_code == 2


# --- forget ---


@pytest.fixture
def database(fresh_database: str) -> Iterator[Any]:
    """A cursor on a database in which alice has two generations and bob one."""
    connection = psycopg2.connect(fresh_database)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for user in ("alice", "alice", "bob"):
            generation_id = str(uuid.uuid4())
            cursor.execute(
                "INSERT INTO herald.generations (id, user_id, prompt) VALUES (%s, %s, 'p')",
                (generation_id, user),
            )
            cursor.execute(
                "INSERT INTO herald.streams (user_id, last_offset) VALUES (%s, 1)"
                " ON CONFLICT (user_id) DO UPDATE SET last_offset = streams.last_offset + 1",
                (user,),
            )
            cursor.execute(
                "INSERT INTO herald.outbox (id, event) VALUES (%s, %s)",
                (generation_id, event(user)),
            )
        yield cursor
    connection.close()


def owners(cursor: Any) -> dict[str, list[str]]:
    """The users who own the rows of each table."""
    found = {}
    for table, column in (
        ("generations", "user_id"),
        ("streams", "user_id"),
        ("outbox", "event->>'userid'"),
    ):
        cursor.execute(f"SELECT {column} FROM herald.{table} ORDER BY 1")
        found[table] = [user for (user,) in cursor.fetchall()]
    return found


def forget(stack_env: str, dsn: str, *words: str, typed: str | None = None) -> Result:
    return herald(
        *("forget", "--user", "alice", *words, "--stack-env", stack_env),
        typed=typed,
        HERALD_DATABASE_URL=dsn,
    )


def test_forgetting_erases_everything_of_the_user_and_nothing_of_others(
    stack_env: str,
    fresh_database: str,
    database: Any,
    dynamodb: Any,
    runtime: Runtime,
    connections: Connections,
    gateway: Gateway,
) -> None:
    offsets = range(1, 31)  # more than one batch of deletions
    for first in (1, 11, 21):
        batch = sqs(*(event("alice", offset) for offset in range(first, first + 10)))
        assert runtime.deliver.handle(batch, Context()) == {"batchItemFailures": []}
    runtime.deliver.handle(sqs(event("bob")), Context())
    connections.put(connected("alice", "a1="))
    connections.put(connected("bob", "b1="))
    new_key(stack_env, "alice")
    new_key(stack_env, "bob")

    result = forget(stack_env, fresh_database, "--yes", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "user": "alice",
        "generations": 2,
        "outbox": 2,
        "streams": 1,
        "outputs": 0,
        "inbox": len(offsets),
        "connections": 1,
        "apiKeys": 1,
    }
    assert owners(database) == {table: ["bob"] for table in ("generations", "streams", "outbox")}
    for table in ("inbox", KEYS):
        users = {item["user_id"]["S"] for item in dynamodb.scan(TableName=table)["Items"]}
        assert users == {"bob"}, table
    assert open_connections(dynamodb) == {"b1="}
    assert gateway.closed == ["a1="]
    [kept] = [
        item
        for item in dynamodb.scan(TableName="connections")["Items"]
        if item["user_id"] == {"S": "alice"}
    ]
    assert set(kept) == {"user_id", "revoked_at", "mark_kept_until", "expires_at"}


def test_forgetting_again_erases_nothing_more(
    stack_env: str, fresh_database: str, database: Any
) -> None:
    forget(stack_env, fresh_database, "--yes")
    again = json.loads(forget(stack_env, fresh_database, "--yes", "--json").stdout)
    assert set(again.values()) == {"alice", 0}


def test_without_consent_nothing_is_erased(
    stack_env: str, fresh_database: str, database: Any, dynamodb: Any
) -> None:
    before = owners(database)
    result = forget(stack_env, fresh_database)
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert owners(database) == before
    assert dynamodb.scan(TableName="connections")["Count"] == 0


def test_nothing_is_erased_if_the_rows_cannot_be_erased(
    stack_env: str, fresh_database: str, database: Any, dynamodb: Any
) -> None:
    """The functions' database role may not delete generations."""
    role = f"herald_{uuid.uuid4().hex[:8]}"
    database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'p'")
    database.execute(f"GRANT USAGE ON SCHEMA herald TO {role}")
    database.execute(f"GRANT SELECT, UPDATE ON herald.generations TO {role}")
    database.execute(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON herald.streams, herald.outbox TO {role}"
    )
    dynamodb.put_item(TableName="inbox", Item=to_item({"user_id": "alice", "position": "p"}))
    limited = psycopg2.extensions.make_dsn(fresh_database, user=role, password="p")
    before = owners(database)
    try:
        result = forget(stack_env, limited, "--yes")
    finally:
        database.execute(f"DROP OWNED BY {role}")
        database.execute(f"DROP ROLE {role}")
    assert result.exit_code == 2
    assert "HERALD_DATABASE_URL" in result.stderr
    assert owners(database) == before
    assert dynamodb.scan(TableName="inbox")["Count"] == 1
    assert dynamodb.scan(TableName="connections")["Count"] == 0
