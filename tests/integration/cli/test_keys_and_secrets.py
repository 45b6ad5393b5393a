"""The commands for API keys and secrets on moto, and how the authorizer and the callback read what
they store.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from chalicelib.errors import Unauthorized
from chalicelib.store.api_keys import ApiKeyOwner, ApiKeys
from chalicelib.store.connections import NEVER
from tests.command_line import herald

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

    from chalicelib.aws.service import Service

pytestmark = pytest.mark.integration

TABLE = "api-keys"


@pytest.fixture
def stack_env(dynamodb: Any, moto: str, tmp_path: Path) -> str:
    """A stack on moto with an empty table of keys and empty secrets; returns its stack.env."""
    dynamodb.create_table(
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


@pytest.fixture
def keys(service: Service) -> ApiKeys:
    """The keys as the authorizer reads them."""
    return ApiKeys(service, TABLE)


def key(stack_env: str, *words: str) -> Result:
    return herald("api-key", *words, "--stack-env", stack_env)


def test_a_new_key_is_printed_once_and_lets_its_owner_in(
    stack_env: str, dynamodb: Any, keys: ApiKeys
) -> None:
    created = key(stack_env, "create", "--user", "alice", "--label", "export")
    assert created.exit_code == 0
    text = created.stdout.strip()

    assert keys.verify(text) == ApiKeyOwner("alice", NEVER)
    secret = text.rpartition("_")[2]
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    assert secret not in str(item)
    assert "expires_at" not in item  # TTL would delete it

    listed = key(stack_env, "list")
    assert listed.exit_code == 0
    assert "alice" in listed.stdout
    assert "export" in listed.stdout
    assert "never" in listed.stdout
    assert secret not in listed.output


def test_a_key_expires_when_it_should(stack_env: str, keys: ApiKeys, service: Service) -> None:
    created = key(stack_env, "create", "--user", "alice", "--expires-in", "2h")
    assert created.exit_code == 0
    text = created.stdout.strip()
    expires_at = keys.verify(text).expires_at
    assert 7190 <= expires_at - time.time() <= 7200

    later = ApiKeys(service, TABLE, lambda: expires_at)
    with pytest.raises(Unauthorized, match="expired"):
        later.verify(text)


def test_a_revoked_key_is_refused_at_once(stack_env: str, keys: ApiKeys) -> None:
    text = key(stack_env, "create", "--user", "alice").stdout.strip()
    key_id = text.split("_")[1]

    assert key(stack_env, "revoke", key_id).exit_code == 0
    with pytest.raises(Unauthorized):
        keys.verify(text)
    again = key(stack_env, "revoke", key_id)
    assert again.exit_code == 1
    assert f"There is no key {key_id}" in again.stderr
    in_json = key(stack_env, "revoke", key_id, "--json")
    assert in_json.exit_code == 1
    assert json.loads(in_json.stdout) == {"id": key_id, "revoked": False}


def test_the_list_can_be_one_users(stack_env: str) -> None:
    key(stack_env, "create", "--user", "alice")
    key(stack_env, "create", "--user", "bob")
    listed = key(stack_env, "list", "--user", "bob").stdout
    assert "bob" in listed
    assert "alice" not in listed


def test_keys_in_json_have_times_and_no_secrets(stack_env: str, keys: ApiKeys) -> None:
    options = ("--label", "export", "--expires-in", "1h", "--json")
    created = json.loads(key(stack_env, "create", "--user", "alice", *options).stdout)
    forever = json.loads(key(stack_env, "create", "--user", "alice", "--json").stdout)

    text = created.pop("key")
    assert keys.verify(text).user_id == "alice"
    assert created == {
        "id": text.split("_")[1],
        "user": "alice",
        "label": "export",
        "createdAt": created["createdAt"],
        "expiresAt": created["createdAt"] + 3600,
    }
    assert (forever.pop("key")[:3], forever["expiresAt"]) == ("hk_", None)
    listed = json.loads(key(stack_env, "list", "--json").stdout)["keys"]
    assert sorted(listed, key=lambda found: found["id"]) == sorted(
        [created, forever], key=lambda found: found["id"]
    )


@pytest.mark.parametrize("user", ["", "x" * 2000])
def test_a_user_id_of_the_wrong_length_is_rejected(stack_env: str, user: str) -> None:
    result = key(stack_env, "create", "--user", user)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "A user id has 1 to" in result.stderr


def put(stack_env: str, *words: str, typed: str | None = None) -> Result:
    return herald("secret", *words, "--stack-env", stack_env, typed=typed)


def value_of(manager: Any, kind: str) -> str:
    return str(manager.get_secret_value(SecretId=f"herald-test-{kind}")["SecretString"])


def test_a_value_from_stdin_is_put_and_not_shown(stack_env: str, manager: Any) -> None:
    dsn = "postgresql://herald:hunter2@db.example/herald"

    result = put(stack_env, "set", "database", typed=f"{dsn}\n")

    assert result.exit_code == 0
    assert value_of(manager, "database") == dsn
    assert "hunter2" not in result.output


def test_a_value_of_the_wrong_form_leaves_the_old_one(stack_env: str, manager: Any) -> None:
    put(stack_env, "set", "jwt", "--generate")
    before = value_of(manager, "jwt")
    result = put(stack_env, "set", "jwt", typed="short")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "shorter than" in result.stderr
    assert value_of(manager, "jwt") == before


def test_rotating_the_webhooks_secret_refuses_no_call(stack_env: str, manager: Any) -> None:
    """Given a provider that signs with the old secret until it has the new one."""
    # there is no current value to keep
    first = put(stack_env, "set", "webhook", "--generate", "--add")
    old = value_of(manager, "webhook")
    assert first.stdout == ""

    second = put(stack_env, "set", "webhook", "--add", "--generate", "--print")
    assert second.exit_code == 0
    new = second.stdout.strip()
    assert value_of(manager, "webhook").split() == [new, old]

    assert put(stack_env, "retire", "webhook").exit_code == 0
    assert value_of(manager, "webhook") == new
    again = put(stack_env, "retire", "webhook")
    assert again.exit_code == 2
    assert "nothing to retire" in again.stderr


def test_secrets_in_json_show_a_value_only_when_asked(stack_env: str, manager: Any) -> None:
    hidden = put(stack_env, "set", "webhook", "--generate", "--json")
    assert json.loads(hidden.stdout) == {"secret": "webhook", "valid": 1, "value": None}

    shown = put(stack_env, "set", "webhook", "--generate", "--add", "--print", "--json")
    new = value_of(manager, "webhook").split()[0]
    assert json.loads(shown.stdout) == {"secret": "webhook", "valid": 2, "value": new}

    retired = put(stack_env, "retire", "webhook", "--json")
    assert json.loads(retired.stdout) == {"secret": "webhook", "valid": 1, "value": None}
