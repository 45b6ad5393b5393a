"""API keys and secrets' values, as the authorizer and the callback then read them (moto)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from chalicelib.errors import Unauthorized
from chalicelib.sessions import credentials
from cli import api_keys, secret_values
from cli.commands import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

TABLE = "api-keys"


@pytest.fixture
def stack_env(environment: Any, moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A stack on moto with an empty table of keys and empty secrets; returns its stack.env."""
    for name, value in {
        "HERALD_API_KEYS_TABLE": TABLE,
        "HERALD_ALLOWED_ORIGINS": "https://app.example",
    }.items():
        monkeypatch.setenv(name, value)
    environment.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "key_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "key_id", "KeyType": "HASH"}],
    )
    path = tmp_path / "stack.env"
    path.write_text(
        f"HERALD_STAGE=test\nHERALD_API_KEYS_TABLE={TABLE}\nAWS_ENDPOINT_URL={moto}\n"
        "AWS_REGION=eu-central-1\nAWS_ACCESS_KEY_ID=test\nAWS_SECRET_ACCESS_KEY=test\n"
    )
    return str(path)


@pytest.fixture
def manager(stack_env: str) -> Iterator[Any]:
    client = boto3.client("secretsmanager")
    for kind in ("database", "webhook", "jwt"):
        client.create_secret(Name=f"herald-test-{kind}")
    yield client
    client.close()


def key(stack_env: str, *words: str) -> int:
    return api_keys.main([*words, "--stack-env", stack_env])


def test_a_new_key_is_printed_once_and_lets_its_owner_in(
    stack_env: str, environment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert key(stack_env, "create", "--user", "alice", "--label", "export") == 0
    text = capsys.readouterr().out.strip()

    assert credentials.verify_api_key(text) == credentials.Identity("alice", 0, "api_key")
    secret = text.rpartition("_")[2]
    (item,) = environment.scan(TableName=TABLE)["Items"]
    assert secret not in str(item)
    assert "expires_at" not in item  # TTL would delete it

    assert key(stack_env, "list") == 0
    listed = capsys.readouterr().out
    assert "alice" in listed
    assert "export" in listed
    assert "never" in listed
    assert secret not in listed


def test_a_key_ends_when_it_was_told_to(
    stack_env: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key(stack_env, "create", "--user", "alice", "--expires-in", "2h") == 0
    text = capsys.readouterr().out.strip()
    ends = credentials.verify_api_key(text).token_expires_at
    assert 7190 <= ends - time.time() <= 7200

    monkeypatch.setattr("chalicelib.sessions.credentials.time.time", lambda: ends)
    with pytest.raises(Unauthorized, match="expired"):
        credentials.verify_api_key(text)


def test_a_revoked_key_is_refused_at_once(
    stack_env: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key(stack_env, "create", "--user", "alice")
    text = capsys.readouterr().out.strip()
    key_id = text.split("_")[1]

    assert key(stack_env, "revoke", key_id) == 0
    with pytest.raises(Unauthorized):
        credentials.verify_api_key(text)
    assert key(stack_env, "revoke", key_id) == 1
    assert f"There is no key {key_id}" in capsys.readouterr().err


def test_the_list_is_one_users_when_asked(
    stack_env: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key(stack_env, "create", "--user", "alice")
    key(stack_env, "create", "--user", "bob")
    capsys.readouterr()
    key(stack_env, "list", "--user", "bob")
    listed = capsys.readouterr().out
    assert "bob" in listed
    assert "alice" not in listed


def put(stack_env: str, *words: str) -> int:
    return secret_values.main([*words, "--stack-env", stack_env])


def value_of(manager: Any, kind: str) -> str:
    return str(manager.get_secret_value(SecretId=f"herald-test-{kind}")["SecretString"])


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Any:
    import io

    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_value_from_stdin_is_put_and_not_shown(
    stack_env: str, manager: Any, stdin: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    dsn = "postgresql://herald:hunter2@db.example/herald"
    stdin(f"{dsn}\n")

    assert put(stack_env, "database") == 0

    assert value_of(manager, "database") == dsn
    shown = capsys.readouterr()
    assert "hunter2" not in shown.out + shown.err


def test_a_value_of_the_wrong_form_leaves_the_old_one(
    stack_env: str, manager: Any, stdin: Any
) -> None:
    put(stack_env, "jwt", "--generate")
    before = value_of(manager, "jwt")
    stdin("short")
    with pytest.raises(CommandError):
        put(stack_env, "jwt")
    assert value_of(manager, "jwt") == before


def test_rotating_the_webhooks_secret_refuses_no_call(
    stack_env: str, manager: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given the provider signing with the old secret until it has the new one."""
    put(stack_env, "webhook", "--generate", "--add")  # the first one; nothing to keep
    old = value_of(manager, "webhook")
    assert capsys.readouterr().out == ""

    assert put(stack_env, "webhook", "--add", "--generate", "--print") == 0
    new = capsys.readouterr().out.strip()
    assert value_of(manager, "webhook").split() == [new, old]

    assert put(stack_env, "webhook", "--retire") == 0
    assert value_of(manager, "webhook") == new
    with pytest.raises(CommandError, match="nothing to retire"):
        put(stack_env, "webhook", "--retire")
