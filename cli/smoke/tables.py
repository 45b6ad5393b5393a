"""The smoke test's items in DynamoDB: an API key, and traces of connections and events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chalicelib.aws.dynamodb import to_item
from cli import api_keys

if TYPE_CHECKING:
    from cli.target import Target

KEY_SECONDS = 600  # limits the use of a key that could not be deleted


def issue_key(target: Target, user: str) -> tuple[str, str]:
    """Store a short-lived API key for a user; return its id and its text."""
    table = target.output("api_keys_table")
    expires_at = int(time.time()) + KEY_SECONDS
    client = target.client("dynamodb")
    key, text = api_keys.create(client, table, user, label="smoke test", expires_at=expires_at)
    return key.key_id, text


def revoke_key(target: Target, key_id: str) -> None:
    """Delete an API key."""
    api_keys.revoke(target.client("dynamodb"), target.output("api_keys_table"), key_id)


def forget_user(target: Target, user: str) -> None:
    """Delete a user's connections and the few events in the user's inbox."""
    client = target.client("dynamodb")
    key = to_item({"user_id": user})
    client.delete_item(TableName=target.output("connections_table"), Key=key)
    inbox = target.output("inbox_table")
    found = client.query(
        TableName=inbox,
        KeyConditionExpression="user_id = :user",
        ExpressionAttributeValues=to_item({":user": user}),
        ProjectionExpression="user_id, #position",
        ExpressionAttributeNames={"#position": "position"},
        ConsistentRead=True,
    )
    for item in found["Items"]:
        client.delete_item(TableName=inbox, Key=item)
