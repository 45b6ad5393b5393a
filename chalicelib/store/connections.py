"""The table of open connections: one item per user, with one attribute per connection.

One `BatchGetItem` reads the connections of a hundred users (docs/adr/0013). The item expires when
API Gateway must have closed every connection in it. An item with a revocation mark expires with the
mark.
"""

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chalicelib.aws.dynamodb import Item, number_of, text_of, to_item
from chalicelib.aws.service import Call, JsonObject, Service
from chalicelib.engine.engine import Request
from chalicelib.errors import Revoked, ServiceError
from chalicelib.store import user_item
from chalicelib.store.replay_budget import Budget, budget_in
from chalicelib.store.revocation import KEPT_UNTIL, NOT_REVOKED
from chalicelib.store.user_item import PREFIX

KEEP_SECONDS = 2 * 3600 + 600  # API Gateway closes a connection after two hours
YOUNG_SECONDS = 10  # API Gateway may answer 410 for a connection that is still being made
NEVER = 0  # a token_expires_at for credentials that do not expire
FORGOTTEN = user_item.CONDITION_FAILED  # DynamoDB's error if it was already forgotten


class Connection(NamedTuple):
    """One open WebSocket, times in epoch seconds.

    `issued_at` is when the newest credential was issued. It is not stored, so it is 0 for a
    connection that was read from the table.
    """

    user_id: str
    connection_id: str
    connected_at: int
    token_expires_at: int
    issued_at: int = 0

    @property
    def token_expired(self) -> bool:
        """Whether the client's latest credential has expired."""
        return self.token_expires_at != NEVER and self.token_expires_at <= time.time()

    @property
    def young(self) -> bool:
        """Whether the connection is so new that API Gateway may still answer 410 for it."""
        return time.time() - self.connected_at < YOUNG_SECONDS

    @property
    def over(self) -> bool:
        """Whether the connection is so old that API Gateway must have closed it."""
        return self.connected_at + KEEP_SECONDS <= time.time()


class Found(NamedTuple):
    """The connections of some users, and the users that are missing in DynamoDB's response."""

    by_user: Mapping[str, list[Connection]]
    unread: set[str]


class Connections:
    """The connections in one table. Every method that calls DynamoDB may raise ServiceError."""

    def __init__(self, dynamodb: Service, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def put(self, connection: Connection) -> list[Connection]:
        """Write a connection; return all connections of its user, including this one.

        Raises
        ------
        Revoked
            The credential was issued before the user's sessions were revoked.
        """
        return connections_in(self._write(connection, ":connection", NOT_REVOKED))

    def lookup(self, connection: Connection) -> Call:
        """Return the call that reads a connection, consistently; `budget` reads its response."""
        ids = connection.user_id, connection.connection_id
        return self._reading(*ids, "#connection, replay_full_at")

    def budget(self, connection: Connection, answer: JsonObject) -> Budget | None:
        """Return the budget for a connection's replays; None if the connection is not stored."""
        item: Item = answer.get("Item", {})
        connection_id = connection.connection_id
        if user_item.attribute(connection_id) not in item:
            return None
        return budget_in(item, connection_id)

    def restore(self, connection: Connection) -> Budget:
        """Store a connection that is missing; return the budget for its replays.

        `connect` has stored it. It is missing if API Gateway wrongly answered a post with 410, or
        if the user's sessions were revoked; the latter raises Revoked as `put` does.
        """
        # Another frame of the connection may have stored it meanwhile, with a newer token.
        value = "if_not_exists(#connection, :connection)"
        condition = f"attribute_exists(#connection) OR {NOT_REVOKED}"
        return budget_in(self._write(connection, value, condition), connection.connection_id)

    def ensure(self, connection: Connection) -> Budget:
        """Return the budget for a connection's replays; restore the connection if it is missing."""
        answer = self._dynamodb.call(*self.lookup(connection))
        return self.budget(connection, answer) or self.restore(connection)

    def get(self, user_id: str, connection_id: str) -> Connection | None:
        """Read one connection with a strongly consistent read."""
        answer = self._dynamodb.call(*self._reading(user_id, connection_id, "#connection"))
        return next(iter(_connections(user_id, answer.get("Item", {}))), None)

    def _reading(self, user_id: str, connection_id: str, projection: str) -> Call:
        payload = {
            **self._attribute(user_id, connection_id),
            "ProjectionExpression": projection,
            "ConsistentRead": True,
        }
        return "GetItem", payload

    def of_users(self, user_ids: Iterable[str], deadline: float) -> Found:
        """Read the connections of up to BATCH_GET_ITEMS users; `deadline` is a value of
        time.monotonic().
        """
        keys = [{"user_id": {"S": user_id}} for user_id in user_ids]
        payload = {"RequestItems": {self._table: {"Keys": keys, "ConsistentRead": True}}}
        answer = self._dynamodb.call("BatchGetItem", payload, deadline)
        left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
        items = {
            text_of(item, "user_id"): item for item in answer["Responses"].get(self._table, [])
        }
        by_user = {user_id: _connections(user_id, item) for user_id, item in items.items()}
        return Found(by_user, {text_of(key, "user_id") for key in left})

    def forget(self, user_id: str, connection_id: str) -> None:
        """Delete a connection, if it exists."""
        payload = self._forget_payload(user_id, connection_id)
        try:
            self._dynamodb.call("UpdateItem", payload)
        except ServiceError as exc:
            if exc.code != FORGOTTEN:
                raise

    def forget_request(self, connection: Connection) -> Request:
        """Return the request that deletes a connection. The error FORGOTTEN also means success."""
        payload = self._forget_payload(connection.user_id, connection.connection_id)
        return self._dynamodb.request("UpdateItem", payload)

    def _forget_payload(self, user_id: str, connection_id: str) -> JsonObject:
        return {
            **self._attribute(user_id, connection_id),
            "UpdateExpression": "REMOVE #connection",
            # Without this condition, the update would create an empty item.
            "ConditionExpression": "attribute_exists(#connection)",
        }

    def _attribute(self, user_id: str, connection_id: str) -> JsonObject:
        return user_item.key(self._table, user_id, connection_id)

    def _write(self, connection: Connection, value: str, condition: str) -> Item:
        times = {
            "connected_at": connection.connected_at,
            "token_expires_at": connection.token_expires_at,
        }
        payload = {
            **self._attribute(connection.user_id, connection.connection_id),
            "UpdateExpression": (
                f"SET #connection = {value}, expires_at = if_not_exists({KEPT_UNTIL}, :expires_at)"
            ),
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {
                ":connection": {"M": to_item(times)},
                ":expires_at": {"N": str(int(time.time()) + KEEP_SECONDS)},
                ":issued_at": {"N": str(connection.issued_at)},
            },
            "ReturnValues": "ALL_NEW",
        }
        try:
            written: Item = self._dynamodb.call("UpdateItem", payload)["Attributes"]
        except ServiceError as exc:
            if exc.code != user_item.CONDITION_FAILED:
                raise
            raise Revoked("the credential was revoked") from exc
        return written


def connections_in(item: Item) -> list[Connection]:
    """Return the connections in a user's item."""
    return _connections(text_of(item, "user_id"), item)


def _connections(user_id: str, item: Item) -> list[Connection]:
    found = []
    for name, value in item.items():
        if name.startswith(PREFIX):
            times = value["M"]
            connected_at = number_of(times, "connected_at")
            token_expires_at = number_of(times, "token_expires_at")
            connection_id = name.removeprefix(PREFIX)
            found.append(Connection(user_id, connection_id, connected_at, token_expires_at))
    return found
