"""Who is connected: one item per connection, under its user."""

import time
from typing import Any, NamedTuple

from chalicelib import aws
from chalicelib.dynamodb import from_item, to_item

KEEP_SECONDS = 2 * 3600 + 600  # API Gateway ends a connection after two hours
YOUNG_SECONDS = 10  # API Gateway may answer 410 for a connection that is still being made
NEVER = 0  # a token_expires_at for credentials that do not end


class Connection(NamedTuple):
    """One open WebSocket, times in epoch seconds."""

    user_id: str
    connection_id: str
    connected_at: int
    token_expires_at: int

    @property
    def token_expired(self) -> bool:
        """Whether the credential that the client showed last has ended."""
        return self.token_expires_at != NEVER and self.token_expires_at <= time.time()

    @property
    def young(self) -> bool:
        """Whether a 410 may come from the connection's being so new."""
        return time.time() - self.connected_at < YOUNG_SECONDS


def key(user_id: str, connection_id: str) -> dict[str, Any]:
    """Return a connection's key in DynamoDB's format."""
    return to_item({"user_id": user_id, "connection_id": connection_id})


def put(table: str, connection: Connection) -> None:
    """Write a connection's item as it is now; raises ServiceError."""
    item = {**connection._asdict(), "expires_at": int(time.time()) + KEEP_SECONDS}
    aws.call(aws.DYNAMODB, "PutItem", {"TableName": table, "Item": to_item(item)})


def refresh(table: str, connection: Connection) -> None:
    """Write a connection's item if it is not there, and keep it for its time; raises ServiceError.

    What a later `auth` frame wrote stays.
    """
    values = {**connection._asdict(), "expires_at": int(time.time()) + KEEP_SECONDS}
    payload = {
        "TableName": table,
        "Key": key(connection.user_id, connection.connection_id),
        "UpdateExpression": (
            "SET connected_at = if_not_exists(connected_at, :connected_at),"
            " token_expires_at = if_not_exists(token_expires_at, :token_expires_at),"
            " expires_at = :expires_at"
        ),
        "ExpressionAttributeValues": to_item(
            {
                f":{name}": values[name]
                for name in ("connected_at", "token_expires_at", "expires_at")
            }
        ),
    }
    aws.call(aws.DYNAMODB, "UpdateItem", payload)


def get(table: str, user_id: str, connection_id: str) -> Connection | None:
    """Read one connection's item, as last written; raises ServiceError."""
    payload = {"TableName": table, "Key": key(user_id, connection_id), "ConsistentRead": True}
    item = aws.call(aws.DYNAMODB, "GetItem", payload).get("Item")
    return _connection(item) if item else None


def delete_payload(table: str, user_id: str, connection_id: str) -> dict[str, Any]:
    """Return the payload of the DeleteItem that forgets a connection."""
    return {"TableName": table, "Key": key(user_id, connection_id)}


def delete(table: str, user_id: str, connection_id: str) -> None:
    """Forget a connection; raises ServiceError."""
    aws.call(aws.DYNAMODB, "DeleteItem", delete_payload(table, user_id, connection_id))


def query_payload(table: str, user_id: str, start: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the payload of the Query for a user's connections, as last written."""
    payload = {
        "TableName": table,
        "KeyConditionExpression": "user_id = :user",
        # Expired items stay readable until DynamoDB deletes them.
        "FilterExpression": "expires_at > :now",
        "ExpressionAttributeValues": to_item({":user": user_id, ":now": int(time.time())}),
        "ConsistentRead": True,
    }
    if start:
        payload["ExclusiveStartKey"] = start
    return payload


def from_query(found: dict[str, Any]) -> list[Connection]:
    """Return the connections that a Query found."""
    return [_connection(item) for item in found["Items"]]


def _connection(item: dict[str, Any]) -> Connection:
    values = from_item(item)
    return Connection(*(values[name] for name in Connection._fields))
