"""Who may speak to the emulator: holders of a key, and the public to what is public on AWS.

Everything but the data plane of the APIs needs a valid signature, and is refused to web pages:
ports can be scanned, and the emulator runs code as whoever started it.
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
# MiniStack's own: reset, configuration, messages and code of whoever asks.
_ADMINISTRATION = ("/_ministack", "/_localstack", "/health")
_DATA_PLANE = re.compile(r"/_aws/execute-api/[0-9a-z]+/", re.ASCII)
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.ASCII | re.IGNORECASE)
_MAX_BODY = 100 * 1024 * 1024  # a Lambda package is 50 MB before base64

logger = logging.getLogger("herald.emulator")


class Gone(Exception):
    """The client has gone before its request was complete; there is nobody to answer."""


def is_public(scope: MutableMapping[str, Any]) -> bool:
    """Whether this is an API's data plane, which decides by itself whom it serves.

    Posting to connections is not: it is signed on AWS too.
    """
    path = scope["path"]
    return bool(_DATA_PLANE.match(path)) and "/@connections/" not in path


def by_address(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The data plane's request under our address: MiniStack would route others by their Host."""
    if _is_local(_header(scope, b"host")):
        return scope
    kept = [(name, value) for name, value in scope["headers"] if name.lower() != b"host"]
    host, port = scope["server"]
    return {**scope, "headers": [*kept, (b"host", f"{host}:{port}".encode())]}


async def admit(scope: MutableMapping[str, Any], receive: Receive) -> tuple[Claim, bytes]:
    """Verify a request for the control plane; return who signed it, and its body.

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
    """Raise Refused when a web page asks whether we are ready."""
    _check_origin(scope)


async def refuse(scope: MutableMapping[str, Any], send: Send, refusal: Refused) -> None:
    """Answer as the service does that was asked."""
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
    """One response, after which the connection is closed: its body may not have been read."""
    named = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    closing = [*named, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": closing})
    await send({"type": "http.response.body", "body": body})


def without_cors(send: Send) -> Send:
    """AWS's APIs let no web page read them; MiniStack lets all of them."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", [])
            kept = [each for each in headers if not each[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return sent


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that begins with the body that was read."""
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
    """No SDK sends an Origin; a foreign Host is a name that was rebound to this machine."""
    if _header(scope, b"origin") is not None or not _is_local(_header(scope, b"host")):
        raise Refused("AccessDenied", "Not for web pages, and not under this host name.")


def _is_local(host: str | None) -> bool:
    return host is not None and _LOOPBACK.fullmatch(host) is not None


def _header(scope: MutableMapping[str, Any], name: bytes) -> str | None:
    """The one value of a header; several are joined, so that they match nothing."""
    values = [value for each, value in scope["headers"] if each.lower() == name]
    return b", ".join(values).decode("latin-1") if values else None
