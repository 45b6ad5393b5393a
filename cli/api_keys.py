"""API keys, for clients that are not browsers. The table stores only their fingerprints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.aws.dynamodb import number_of, text_of, to_item
from chalicelib.protocol.events import MAX_USER_CHARACTERS
from chalicelib.store.api_keys import fingerprint, new_key
from chalicelib.store.connections import NEVER
from cli.console import CommandError

if TYPE_CHECKING:
    from chalicelib.aws.dynamodb import Item


class Key(NamedTuple):
    """A key as it is stored in the table. Times are in epoch seconds; `expires_at` is NEVER for a
    key that does not expire.
    """

    key_id: str
    user_id: str
    label: str
    created_at: int
    expires_at: int


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
    """Return all keys, or the keys of one user, oldest first."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    found = [_key(item) for page in pages for item in page["Items"]]
    wanted = [key for key in found if user_id is None or key.user_id == user_id]
    return sorted(wanted, key=lambda key: (key.created_at, key.key_id))


def revoke(client: Any, table: str, key_id: str) -> bool:
    """Delete a key; return whether it existed."""
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


def revoke_all(client: Any, table: str, user_id: str) -> int:
    """Delete a user's keys; return how many there were."""
    return sum(revoke(client, table, key.key_id) for key in find(client, table, user_id))


def _key(item: Item) -> Key:
    return Key(
        text_of(item, "key_id"),
        text_of(item, "user_id"),
        text_of(item, "label"),
        number_of(item, "created_at"),
        number_of(item, "expires_at", NEVER),
    )
