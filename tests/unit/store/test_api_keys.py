"""A valid API key identifies its owner, and any other text is invalid."""

import time
from typing import Any, cast

import pytest

from chalicelib.aws.service import JsonObject, Service
from chalicelib.errors import Unauthorized
from chalicelib.store.api_keys import ApiKeyOwner, ApiKeys, fingerprint, id_of, new_key

KEY_ID = "0123456789abcdef"
KEY = f"hk_{KEY_ID}_{'5ec2e7' * 10}abcd"


class Table:
    """DynamoDB with one key."""

    def __init__(self) -> None:
        self.reads = 0
        self.item: dict[str, Any] = {
            "key_id": {"S": KEY_ID},
            "user_id": {"S": "bob"},
            "key_sha256": {"S": fingerprint(KEY)},
        }

    def call(self, operation: str, payload: JsonObject) -> JsonObject:
        assert (operation, payload["TableName"]) == ("GetItem", "keys")
        assert payload["ConsistentRead"]
        self.reads += 1
        return {"Item": self.item} if payload["Key"] == {"key_id": {"S": KEY_ID}} else {}

    @property
    def keys(self) -> ApiKeys:
        return ApiKeys(cast(Service, self), "keys")


@pytest.fixture
def table() -> Table:
    return Table()


def test_an_api_key_is_valid_for_its_owner(table: Table) -> None:
    assert table.keys.verify(KEY) == ApiKeyOwner("bob", 0)
    table.item["expires_at"] = {"N": str(int(time.time()) + 60)}
    assert table.keys.verify(KEY).expires_at > time.time()


@pytest.mark.parametrize("key", [KEY[:-1] + "e", KEY.replace(KEY_ID, "f" * 16)])
def test_any_other_api_key_is_invalid(table: Table, key: str) -> None:
    with pytest.raises(Unauthorized, match="unknown or wrong"):
        table.keys.verify(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "hk",
        f"hk_{KEY_ID}",
        f"hk_{KEY_ID}_",
        f"hk_{KEY_ID}_secret",
        KEY.replace("hk", "xx"),
        KEY.upper(),
        KEY + "\n",
        KEY + "0",
        f" {KEY}",
        f"hk_{'a' * 3000}_b",
        f"hk__{'0' * 64}",
        f"hk_{'٣' * 16}_{'0' * 64}",
        f"hk_{KEY_ID}_{chr(0xD800) * 64}",
    ],
)
def test_a_malformed_api_key_is_invalid_and_the_table_is_not_read(table: Table, key: str) -> None:
    with pytest.raises(Unauthorized, match="malformed"):
        table.keys.verify(key)
    assert table.reads == 0


def test_an_expired_api_key_is_invalid(table: Table) -> None:
    table.item["expires_at"] = {"N": str(int(time.time()) - 1)}
    with pytest.raises(Unauthorized, match="expired"):
        table.keys.verify(KEY)


def test_a_new_key_contains_its_id_and_differs_from_the_last() -> None:
    key_id, key = new_key()
    assert id_of(key) == key_id
    assert new_key() != (key_id, key)


def test_the_fingerprint_is_the_keys_sha256() -> None:
    assert fingerprint("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
