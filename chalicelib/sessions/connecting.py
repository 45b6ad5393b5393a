"""Handles $connect, which stores a connection, and $disconnect, which deletes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import telemetry
from chalicelib.aws.lambda_events import HttpResponse, WebSocketEvent, lower_headers
from chalicelib.protocol.server_frames import SUBPROTOCOL
from chalicelib.sessions import credentials
from chalicelib.store.connections import Connection

if TYPE_CHECKING:
    from chalicelib.store.connections import Connections


def connection_of(event: WebSocketEvent) -> Connection:
    """Return the connection of a WebSocket event.

    The user and the expiry come from the context that the authorizer set at $connect.
    """
    context = event["requestContext"]
    known = context["authorizer"]
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
        """Store a new connection and select herald.v1 from the offered subprotocols.

        The response never contains the credential.
        """
        offered = credentials.subprotocols(lower_headers(event))
        if offered and SUBPROTOCOL not in offered:
            telemetry.warning("connection refused", what="subprotocol")
            return {"statusCode": 400, "body": f"this server speaks {SUBPROTOCOL}"}
        connection = connection_of(event)
        self._connections.put(connection)
        _log("connected", connection)
        headers = {"Sec-WebSocket-Protocol": SUBPROTOCOL} if offered else {}
        return {"statusCode": 200, "headers": headers}


class Disconnect:
    """The `disconnect` function."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def handle(self, event: WebSocketEvent) -> HttpResponse:
        """Delete a closed connection."""
        connection = connection_of(event)
        self._connections.forget(connection.user_id, connection.connection_id)
        _log("disconnected", connection)
        return {"statusCode": 200}


def _log(message: str, connection: Connection) -> None:
    user_id, connection_id = connection.user_id, connection.connection_id
    telemetry.info(message, user_id=user_id, connection_id=connection_id)
