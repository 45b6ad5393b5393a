"""Access control for the emulator: signed requests are allowed, and unsigned ones only where AWS
allows them.

Only the data plane of the deployed APIs is public. All other requests need a valid signature, and
requests from web pages are refused. This protection is needed because other users and web pages can
find the port, and the emulator runs code with the rights of the user who started it.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ministack.core import iam_actions, responses, router

from local import emulator_signatures
from local.emulator_signatures import Claim, Refused, Request

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from local.emulator_websockets import Message, Receive, Send

READY = "/_ministack/ready"
# MiniStack's own interface. It can reset the emulator, change its configuration, read messages and
# run code.
_ADMINISTRATION = ("/_ministack", "/_localstack", "/health")
_DATA_PLANE = re.compile(r"/_aws/execute-api/[0-9a-z]+/", re.ASCII)
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.ASCII | re.IGNORECASE)
_MAX_BODY = 100 * 1024 * 1024  # a Lambda package has up to 50 MB, before base64 encoding

logger = logging.getLogger("herald.emulator")


class Gone(Exception):
    """The client disconnected before its request was complete, so no answer is possible."""


def is_public(scope: MutableMapping[str, Any]) -> bool:
    """Whether the request is for the data plane of a deployed API, which has its own authorization.

    Posting to connections is not public, because AWS requires a signature for it too.
    """
    path = scope["path"]
    return bool(_DATA_PLANE.match(path)) and "/@connections/" not in path


def by_address(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return a data plane request with the emulator's address as its Host header.

    MiniStack would route other Host headers to other services.
    """
    if _is_local(header(scope, b"host")):
        return scope
    kept = [(name, value) for name, value in scope["headers"] if name.lower() != b"host"]
    host, port = scope["server"]
    return {**scope, "headers": [*kept, (b"host", f"{host}:{port}".encode())]}


async def admit(scope: MutableMapping[str, Any], receive: Receive) -> tuple[Claim, bytes]:
    """Verify a signed request; return its claim and its body.

    Raises Refused and Gone.
    """
    _check_origin(scope)
    if scope["path"].startswith(_ADMINISTRATION):
        raise Refused("AccessDenied", "The emulator's own interface is closed.")
    request = Request.of(scope)
    claim = emulator_signatures.read(request)
    secret = emulator_signatures.secret_of(claim)
    body = await _body(receive)
    emulator_signatures.verify(claim, secret, request, body)
    return claim, body


def check_ready(scope: MutableMapping[str, Any]) -> None:
    """Raise Refused if a readiness check comes from a web page."""
    _check_origin(scope)


async def refuse(scope: MutableMapping[str, Any], send: Send, refusal: Refused) -> None:
    """Send a refusal in the error format of the requested service."""
    logger.warning("refused %s %s: %s", scope["method"], scope["path"], refusal.code)
    request = Request.of(scope)
    service = router.detect_service(request.method, scope["path"], request.headers, request.query)
    status, headers, body = iam_actions.access_denied_response(
        service, "", "", str(uuid4()), error_code=refusal.code, message=refusal.message,
        headers=request.headers,
    )  # fmt: skip
    responses.fix_error_content_type(service, status, headers)
    await answer(send, status, {**headers, "x-amzn-errortype": refusal.code}, body)


async def refuse_socket(send: Send) -> None:
    await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b""})


async def answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    """Send a response and close the connection, because the body of the request may be unread."""
    named = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    closing = [*named, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": closing})
    await send({"type": "http.response.body", "body": body})


def without_cors(send: Send) -> Send:
    """Return a `send` without CORS headers.

    MiniStack allows every web page to read its responses. AWS's APIs do not.
    """

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", [])
            kept = [each for each in headers if not each[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return sent


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that first returns the body that was already read."""
    first = True

    async def received() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return received


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _MAX_BODY:
            raise Refused("RequestEntityTooLargeException", "The request is too large.")
        if not message.get("more_body", False):
            return b"".join(parts)


def _check_origin(scope: MutableMapping[str, Any]) -> None:
    """Refuse requests with an Origin header, which SDKs do not send, and requests with a foreign
    host name.

    A foreign host name in a request to this machine indicates DNS rebinding.
    """
    if header(scope, b"origin") is not None or not _is_local(header(scope, b"host")):
        raise Refused("AccessDenied", "Requests from web pages or with this host name are refused.")


def _is_local(host: str | None) -> bool:
    return host is not None and _LOOPBACK.fullmatch(host) is not None


def header(scope: MutableMapping[str, Any], name: bytes) -> str | None:
    """Return the value of a header. Several values are joined, so that they do not match any valid
    value.
    """
    values = [value for each, value in scope["headers"] if each.lower() == name]
    return b", ".join(values).decode("latin-1") if values else None
