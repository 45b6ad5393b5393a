"""API keys, for clients that are not browsers: the table stores their fingerprints only."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.aws.dynamodb import from_item, to_item
from chalicelib.protocol.events import MAX_USER_CHARACTERS
from chalicelib.store.connections import NEVER
from cli.console import CommandError


class Key(NamedTuple):
    """A key as the table stores it; times in epoch seconds, `expires_at` NEVER if it has none."""

    key_id: str
    user_id: str
    label: str
    created_at: int
    expires_at: int


def new_key() -> tuple[str, str]:
    """Return a new key's id and its whole text: 64 and 256 random bits, in hex."""
    key_id = secrets.token_hex(8)
    return key_id, f"hk_{key_id}_{secrets.token_hex(32)}"


def fingerprint(key: str) -> str:
    """Return what the table stores of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def create(
    client: Any, table: str, user_id: str, *, label: str = "", expires_at: int = NEVER
) -> tuple[Key, str]:
    """Store a new key for a user and return it with its text."""
    if not 0 < len(user_id) <= MAX_USER_CHARACTERS:
        raise CommandError(f"A user id has 1 to {MAX_USER_CHARACTERS} characters.")
    key_id, text = new_key()
    key = Key(key_id, user_id, label, int(time.time()), expires_at)
    values = {name: value for name, value in key._asdict().items() if value not in ("", NEVER)}
    values["key_sha256"] = fingerprint(text)
    client.put_item(
        TableName=table, Item=to_item(values), ConditionExpression="attribute_not_exists(key_id)"
    )
    return key, text


def find(client: Any, table: str, user_id: str | None = None) -> list[Key]:
    """Return all keys, or one user's, oldest first."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    found = [_key(from_item(item)) for page in pages for item in page["Items"]]
    wanted = [key for key in found if user_id is None or key.user_id == user_id]
    return sorted(wanted, key=lambda key: (key.created_at, key.key_id))


def revoke(client: Any, table: str, key_id: str) -> bool:
    """Delete a key; return whether there was one."""
    try:
        client.delete_item(
            TableName=table,
            Key=to_item({"key_id": key_id}),
            ConditionExpression="attribute_exists(key_id)",
        )
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _key(values: dict[str, Any]) -> Key:
    return Key(
        values["key_id"],
        values.get("user_id", ""),
        values.get("label", ""),
        values.get("created_at", 0),
        values.get("expires_at", NEVER),
    )
