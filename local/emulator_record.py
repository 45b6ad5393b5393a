"""Records all AWS requests, which `tests/wire` compares with AWS's models.

The record has one JSON object per line. It also has the invocations of functions. Values of
secrets, contents of objects, signatures and session tokens are not recorded.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from local.emulator_signatures import Claim
    from local.emulator_websockets import Message, Send

_MAX_FILE = 256 * 1024 * 1024
_MAX_BODY = 2 * 1024 * 1024  # twice the limit of SQS and SNS
_MAX_DOCUMENT = 64 * 1024  # an XML or JSON document for S3
_LEFT_OUT = re.compile(r'("(?:ZipFile|SecretBinary)"\s*:\s*)"[A-Za-z0-9+/=\s\\]*"')
_SECRET = re.compile(r'("SecretString"\s*:\s*)"(?:[^"\\]|\\.)*"')
_HEADERS = ("content-type", "content-encoding", "user-agent", "host")
_UNNEEDED = ("x-amz-security-token", "x-amz-content-sha256")
_QUERY = re.compile(r"(X-Amz-(?:Signature|Security-Token)=)[^&]*")

logger = logging.getLogger("herald.emulator")


class Recorder:
    """Appends records to a file up to a size limit. A failure to record does not affect the
    request.
    """

    def __init__(self, path: str | None) -> None:
        self._left = _MAX_FILE
        self._file: int | None = None
        if path:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            self._file = os.open(path, flags, 0o600)

    def keep(
        self, scope: MutableMapping[str, Any], claim: Claim, body: bytes, status: int | None
    ) -> None:
        """Record a request with the status of its response, or None if there was no response."""
        self._record(lambda: _entry(scope, claim, body) | {"status": status})

    def note(self, entry: dict[str, Any]) -> None:
        """Record something other than a request."""
        self._record(lambda: entry)

    def _record(self, make: Callable[[], dict[str, Any]]) -> None:
        if self._file is None:
            return
        try:
            self._write(self._file, make())
        except (OSError, ValueError):
            logger.exception("recording has ended")
            self._file = None

    def _write(self, file: int, entry: dict[str, Any]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        self._left -= len(line)
        if self._left < 0:
            line = b'{"full": true}\n'
        os.write(file, line)
        if self._left < 0:
            self._file = None


class Recorded:
    """Forwards a response and records the request before the response is complete.

    A client that has read the response therefore finds its request in the file.
    """

    def __init__(self, send: Send, keep: Callable[[int | None], None]) -> None:
        self._send = send
        self._keep = keep
        self._status: int | None = None
        self._kept = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            self.finish()
        await self._send(message)

    def finish(self) -> None:
        """Record the request, unless it is already recorded."""
        if not self._kept:
            self._kept = True
            self._keep(self._status)


def of_environment() -> Recorder:
    """Return a recorder for the file named by HERALD_EMULATOR_RECORD. If the variable is not set,
    nothing is recorded.
    """
    return Recorder(os.environ.get("HERALD_EMULATOR_RECORD"))


def _entry(scope: MutableMapping[str, Any], claim: Claim, body: bytes) -> dict[str, Any]:
    headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
    kept = {
        name: value.decode("latin-1")
        for name, value in headers.items()
        if name in _HEADERS or (name.startswith("x-amz-") and name not in _UNNEEDED)
    }
    return {
        "at": round(time.time(), 3),
        "key": claim.key,
        "service": claim.service,
        "target": kept.get("x-amz-target", ""),
        "method": scope["method"],
        "path": scope["raw_path"].decode("latin-1"),
        "query": _QUERY.sub(r"\1", scope["query_string"].decode("latin-1")),
        "headers": kept,
        **(_content(body) if claim.service == "s3" else _body(body)),
    }


def _content(body: bytes) -> dict[str, Any]:
    """Return the body of a request to S3. The content of an object is not kept, because it has no
    form that AWS's models describe.
    """
    if len(body) > _MAX_DOCUMENT or not body.lstrip().startswith((b"<", b"{")):
        return {"body": "", "size": len(body)}
    return _body(body)


def _body(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        if len(body) > _MAX_BODY:
            return {"body": None, "size": len(body)}
        return {"body64": base64.b64encode(body).decode()}
    text = _SECRET.sub(r'\1"left out"', _LEFT_OUT.sub(r'\1"bGVmdCBvdXQ="', text))
    if len(text) > _MAX_BODY:
        return {"body": None, "size": len(body)}
    return {"body": text}
