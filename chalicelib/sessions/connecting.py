"""Handles $connect, which stores a connection, and $disconnect, which deletes it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chalicelib import metrics, telemetry
from chalicelib.aws.invocation import lower_headers
from chalicelib.aws.service import CALL_SECONDS
from chalicelib.engine.flow import run_flows
from chalicelib.errors import Revoked, Unauthorized
from chalicelib.protocol import server_frames
from chalicelib.protocol.server_frames import SUBPROTOCOL
from chalicelib.sessions import credentials
from chalicelib.store.connections import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.aws.gateway import Gateway
    from chalicelib.aws.lambda_events import HttpResponse, WebSocketEvent
    from chalicelib.engine.engine import Engine
    from chalicelib.engine.flow import Flow
    from chalicelib.store.connections import Connections


def connection_of(event: WebSocketEvent) -> Connection:
    """Return the connection of a WebSocket event, with the authorizer's context from $connect.

    Raises Unauthorized if there is no such context.
    """
    context = event["requestContext"]
    known = context.get("authorizer")
    if not known:
        raise Unauthorized("the event has no authorizer context")
    return Connection(
        known["user_id"],
        context["connectionId"],
        int(context["connectedAt"]) // 1000,
        int(known["token_expires_at"]),
        int(known.get("issued_at", 0)),
    )


class Connect:
    """The `connect` function; a user has at most `most` connections."""

    def __init__(
        self, engine: Engine, gateway: Gateway, connections: Connections, most: int
    ) -> None:
        self._engine = engine
        self._gateway = gateway
        self._connections = connections
        self._most = most

    def handle(self, event: WebSocketEvent) -> HttpResponse:
        """Store a new connection and select herald.v1 from the offered subprotocols.

        The response never contains the credential.
        """
        offered = credentials.subprotocols(lower_headers(event))
        if offered and SUBPROTOCOL not in offered:
            telemetry.warning("connection refused", what="subprotocol")
            return {"statusCode": 400, "body": f"this server speaks {SUBPROTOCOL}"}
        try:
            connection = connection_of(event)
        except Unauthorized:
            return {"statusCode": 401}
        try:
            known = self._connections.put(connection)
        except Revoked:
            telemetry.emit({metrics.CONNECTIONS_REFUSED: 1})
            telemetry.warning("connection refused", what="revoked", user_id=connection.user_id)
            return {"statusCode": 401}
        self._evict(excess(connection, known, self._most))
        _log("connected", connection)
        headers = {"Sec-WebSocket-Protocol": SUBPROTOCOL} if offered else {}
        return {"statusCode": 200, "headers": headers}

    def _evict(self, evicted: Sequence[Connection]) -> None:
        """Close connections and forget them; the next $connect repeats what failed."""
        if not evicted:
            return
        telemetry.emit({metrics.CONNECTIONS_EVICTED: len(evicted)})
        flows = [self._eviction(connection) for connection in evicted]
        run_flows(self._engine, flows, time.monotonic() + CALL_SECONDS)
        for connection in evicted:
            _log("evicted", connection)

    def _eviction(self, connection: Connection) -> Flow:
        frame = server_frames.close(server_frames.TOO_MANY_CONNECTIONS).encode()
        yield self._gateway.post(connection.connection_id, frame)
        yield self._gateway.close(connection.connection_id)
        yield self._connections.forget_request(connection)


def excess(new: Connection, known: Sequence[Connection], most: int) -> list[Connection]:
    """Return the connections to close, the oldest first. `most` remain, including the new one."""
    older = [each for each in known if each.connection_id != new.connection_id]
    older.sort(key=lambda each: each.connected_at)
    return older[: max(0, len(older) + 1 - most)]


class Disconnect:
    """The `disconnect` function."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def handle(self, event: WebSocketEvent) -> HttpResponse:
        """Delete a closed connection; one that was never authorized is not in the table."""
        try:
            connection = connection_of(event)
        except Unauthorized:
            return {"statusCode": 200}
        # The API's access log has the time; "connected" has the user of the connection.
        self._connections.forget(connection.user_id, connection.connection_id)
        return {"statusCode": 200}


def _log(message: str, connection: Connection) -> None:
    user_id, connection_id = connection.user_id, connection.connection_id
    telemetry.info(message, user_id=user_id, connection_id=connection_id)
