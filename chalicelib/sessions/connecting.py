"""$connect and $disconnect: a connection is kept, then forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import telemetry
from chalicelib.aws.invocation import lower_headers
from chalicelib.errors import Unauthorized
from chalicelib.protocol.server_frames import SUBPROTOCOL
from chalicelib.sessions import credentials
from chalicelib.store.connections import Connection

if TYPE_CHECKING:
    from chalicelib.aws.lambda_events import HttpResponse, WebSocketEvent
    from chalicelib.store.connections import Connections


def connection_of(event: WebSocketEvent) -> Connection:
    """Return the connection of a WebSocket event, as the authorizer described it at $connect;
    raises Unauthorized without the authorizer's context.
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
    )


class Connect:
    """The `connect` function."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def handle(self, event: WebSocketEvent) -> HttpResponse:
        """Keep a new connection; choose herald.v1 among the subprotocols offered and never echo a
        credential.
        """
        offered = credentials.subprotocols(lower_headers(event))
        if offered and SUBPROTOCOL not in offered:
            telemetry.warning("connection refused", what="subprotocol")
            return {"statusCode": 400, "body": f"this server speaks {SUBPROTOCOL}"}
        try:
            connection = connection_of(event)
        except Unauthorized:
            return {"statusCode": 401}
        self._connections.put(connection)
        _log("connected", connection)
        headers = {"Sec-WebSocket-Protocol": SUBPROTOCOL} if offered else {}
        return {"statusCode": 200, "headers": headers}


class Disconnect:
    """The `disconnect` function."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def handle(self, event: WebSocketEvent) -> HttpResponse:
        """Forget a closed connection; one that was never authorized is not kept anywhere."""
        try:
            connection = connection_of(event)
        except Unauthorized:
            return {"statusCode": 200}
        self._connections.forget(connection.user_id, connection.connection_id)
        _log("disconnected", connection)
        return {"statusCode": 200}


def _log(message: str, connection: Connection) -> None:
    user_id, connection_id = connection.user_id, connection.connection_id
    telemetry.info(message, user_id=user_id, connection_id=connection_id)
