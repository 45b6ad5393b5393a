"""contracts/asyncapi.yaml: the WebSocket protocol herald.v1, seen from Herald.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.protocol import server_frames
from chalicelib.protocol.events import MAX_FRAME_BYTES
from tooling.contracts import protocol_page, schemas
from tooling.contracts.frames import frames

if TYPE_CHECKING:
    from tooling.contracts import Schema
    from tooling.contracts.frames import Frame

_CHANNEL = "#/channels/connection"
_ABOUT = """\
The WebSocket protocol between Herald and its clients. Every frame is one JSON object in a text \
message: client frames have an `action`, server frames have a `type`.

Within v1, Herald adds frames, event types and fields, and values where `x-extensible` is true. It \
removes nothing. Ignore what you do not know. API Gateway itself sends a message without a `type` \
when a function fails; ignore it, too.

docs/protocol.md explains what a client must do."""

# API Gateway refuses the upgrade with an HTTP status, which AsyncAPI cannot express.
_REFUSALS = {
    "400": "The client offered subprotocols, but not herald.v1.",
    "401": "The credential is missing, invalid or revoked.",
    "403": "The Origin of the page is not on the allow-list.",
    "429": "Too many requests: retry with backoff.",
    "5XX": "A server error: retry with backoff.",
}


def document(version: str) -> Schema:
    """Return the contract."""
    found, components = frames()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"Herald: {server_frames.SUBPROTOCOL}",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"stage": _server()},
        "channels": {"connection": _channel(found)},
        "operations": {name: value for frame in found for name, value in _operation(frame, found)},
        "components": {
            "messages": {frame.name: _message(frame) for frame in found},
            "schemas": dict(sorted(components.items())),
            "securitySchemes": _security_schemes(),
        },
    }


def _server() -> Schema:
    schemes = [{"$ref": f"#/components/securitySchemes/{name}"} for name in _security_schemes()]
    return {
        "host": "{api}.execute-api.{region}.amazonaws.com",
        "pathname": "/{stage}",
        "protocol": "wss",
        "description": "The Terraform output `websocket_url` is the whole address.",
        "variables": {
            "api": {"description": "The id of the WebSocket API.", "default": "api"},
            "region": {"description": "The AWS region.", "default": "eu-central-1"},
            "stage": {"description": "The stage of the deployment.", "default": "prod"},
        },
        "security": schemes,
    }


def _channel(found: list[Frame]) -> Schema:
    protocols = "The client offers herald.v1; the server selects it."
    return {
        "address": None,
        "title": "A connection",
        "description": "A client connects to the address of the server itself. It sends `hello`"
        " as soon as the connection is open.",
        "messages": {
            frame.name: {"$ref": f"#/components/messages/{frame.name}"} for frame in found
        },
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "properties": {
                        "Sec-WebSocket-Protocol": {"type": "string", "description": protocols},
                        "Origin": {"type": "string", "description": "Sent by browsers."},
                    },
                },
                "bindingVersion": "0.1.0",
            }
        },
        "x-refusals": _REFUSALS,
        "x-max-frame-bytes": MAX_FRAME_BYTES,
    }


def _operation(frame: Frame, found: list[Frame]) -> list[tuple[str, Schema]]:
    """Return the operations of one frame: an answer belongs to the frame that it answers."""
    message = [{"$ref": f"{_CHANNEL}/messages/{frame.name}"}]
    operation = {"channel": {"$ref": _CHANNEL}, "messages": message}
    if frame.sender == "server":
        return [(f"send_{frame.name}", {"action": "send", **operation})]
    answers = [
        {"$ref": f"{_CHANNEL}/messages/{other.name}"}
        for other in found
        if frame.name in other.answers
    ]
    if answers:
        answers.append({"$ref": f"{_CHANNEL}/messages/error"})
        operation["reply"] = {"channel": {"$ref": _CHANNEL}, "messages": answers}
    return [(f"receive_{frame.name}", {"action": "receive", **operation})]


def _message(frame: Frame) -> Schema:
    message = {
        "name": frame.name,
        "title": frame.name,
        "summary": f"Sent by the {frame.sender}.",
        "payload": {"$ref": schemas.REFERENCE.format(model=frame.schema)},
        "examples": [{"payload": example} for example in frame.examples],
    }
    meanings = [meaning for meaning in protocol_page.codes() if frame.name in meaning.sent_as]
    if meanings:
        message["x-codes"] = [
            {
                "code": meaning.code,
                "name": meaning.name,
                "reconnect": meaning.reconnect,
                "cause": meaning.text,
            }
            for meaning in meanings
        ]
    if frame.name == "gap":
        message["x-reasons"] = protocol_page.reasons()
    return message


def _security_schemes() -> Schema:
    return {
        "subprotocol": {
            "type": "httpApiKey",
            "name": "Sec-WebSocket-Protocol",
            "in": "header",
            "description": "For browsers: the subprotocols `herald.v1` and `bearer.<jwt>`.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "For other clients with a token.",
        },
        "apiKey": {
            "type": "httpApiKey",
            "name": "x-api-key",
            "in": "header",
            "description": "For other clients with a key: `hk_<id>_<secret>`.",
        },
    }
