"""Who is connected: one item per user, with an attribute for each open connection.

One `BatchGetItem` reads the pages of a hundred users (docs/adr/0013). The item goes when its user
has not connected for as long as a connection can last.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from chalicelib.aws import service
from chalicelib.aws.dynamodb import Item, to_item
from chalicelib.errors import ServiceError

KEEP_SECONDS = 2 * 3600 + 600  # API Gateway ends a connection after two hours
YOUNG_SECONDS = 10  # API Gateway may answer 410 for a connection that is still being made
NEVER = 0  # a token_expires_at for credentials that do not end
NOT_THERE = "ConditionalCheckFailedException"
_PREFIX = "connection "  # an attribute's name is this and the connection's id


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

    @property
    def over(self) -> bool:
        """Whether API Gateway must have ended it, though nobody said so."""
        return self.connected_at + KEEP_SECONDS <= time.time()


def put(table: str, connection: Connection) -> None:
    """Write a connection as it is now; raises ServiceError."""
    _write(table, connection, ":page")


def refresh(table: str, connection: Connection) -> None:
    """Write a connection if it is not there: what a later `auth` frame wrote stays.

    Raises ServiceError.
    """
    _write(table, connection, "if_not_exists(#page, :page)")


def get(table: str, user_id: str, connection_id: str) -> Connection | None:
    """Read one connection, as last written; raises ServiceError."""
    payload = {
        **_named(table, user_id, connection_id),
        "ProjectionExpression": "#page",
        "ConsistentRead": True,
    }
    found = service.call(service.DYNAMODB, "GetItem", payload).get("Item", {})
    return next(iter(_connections(user_id, found)), None)


def forget_payload(table: str, user_id: str, connection_id: str) -> dict[str, Any]:
    """Return the payload of the UpdateItem that forgets a connection.

    DynamoDB answers NOT_THERE when it is forgotten already: without the condition the update would
    make an item of nothing.
    """
    return {
        **_named(table, user_id, connection_id),
        "UpdateExpression": "REMOVE #page",
        "ConditionExpression": "attribute_exists(#page)",
    }


def forget(table: str, user_id: str, connection_id: str) -> None:
    """Forget a connection; raises ServiceError."""
    try:
        service.call(service.DYNAMODB, "UpdateItem", forget_payload(table, user_id, connection_id))
    except ServiceError as exc:
        if exc.code != NOT_THERE:
            raise


def read_payload(table: str, user_ids: Iterable[str]) -> dict[str, Any]:
    """Return the payload of the BatchGetItem for the connections of up to BATCH_GET_ITEMS users."""
    keys = [{"user_id": {"S": user_id}} for user_id in user_ids]
    return {"RequestItems": {table: {"Keys": keys, "ConsistentRead": True}}}


def from_read(table: str, found: Mapping[str, Any]) -> tuple[dict[str, list[Connection]], set[str]]:
    """Return the connections by user, and the users that DynamoDB had no room for."""
    left = found.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
    items = {item["user_id"]["S"]: item for item in found["Responses"].get(table, [])}
    pages = {user_id: _connections(user_id, item) for user_id, item in items.items()}
    return pages, {key["user_id"]["S"] for key in left}


def _named(table: str, user_id: str, connection_id: str) -> dict[str, Any]:
    return {
        "TableName": table,
        "Key": to_item({"user_id": user_id}),
        "ExpressionAttributeNames": {"#page": _PREFIX + connection_id},
    }


def _write(table: str, connection: Connection, value: str) -> None:
    page = to_item(
        {
            "connected_at": connection.connected_at,
            "token_expires_at": connection.token_expires_at,
        }
    )
    payload = {
        **_named(table, connection.user_id, connection.connection_id),
        "UpdateExpression": f"SET #page = {value}, expires_at = :ends",
        "ExpressionAttributeValues": {
            ":page": {"M": page},
            ":ends": {"N": str(int(time.time()) + KEEP_SECONDS)},
        },
    }
    service.call(service.DYNAMODB, "UpdateItem", payload)


def _connections(user_id: str, item: Item) -> list[Connection]:
    found = []
    for name, value in item.items():
        if name.startswith(_PREFIX):
            times = value["M"]
            connected, ends = times["connected_at"]["N"], times["token_expires_at"]["N"]
            connection_id = name.removeprefix(_PREFIX)
            found.append(Connection(user_id, connection_id, int(connected), int(ends)))
    return found
