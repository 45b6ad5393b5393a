"""Emulates API Gateway's WebSocket connections: subprotocol, rejections, size and time limits."""

from __future__ import annotations

import asyncio
import os
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
# A single frame is also limited to 32 KB, but this limit cannot be checked here, because ASGI
# passes only whole messages.
MAX_MESSAGE = 128 * 1024
IDLE_SECONDS = float(os.environ.get("HERALD_EMULATOR_IDLE_SECONDS", "600"))
LIFETIME_SECONDS = float(os.environ.get("HERALD_EMULATOR_LIFETIME_SECONDS", "7200"))
_GOING_AWAY, _TOO_BIG = 1001, 1009

# For the handshake in the current asyncio task: the results of the authorizer and of $connect.
handshake: ContextVar[dict[str, Any] | None] = ContextVar("handshake", default=None)


class Connection:
    """One WebSocket connection: its subprotocol, its rejection, and its size and time limits."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self._offered: list[str] = list(scope.get("subprotocols") or [])
        self._receive, self._send = receive, send
        self._answers: dict[str, Any] = {}
        self._opened = time.monotonic()
        self._active = self._opened
        self._closed = False
        handshake.set(self._answers)

    async def receive(self) -> Message:
        if not self._answers.get("accepted"):
            return await self._receive()
        pending = asyncio.ensure_future(self._receive())
        try:
            # Sending also resets the idle time, so the deadline may have moved during the wait. It
            # is computed again before each wait.
            while not pending.done():
                deadline = min(self._active + IDLE_SECONDS, self._opened + LIFETIME_SECONDS)
                left = deadline - time.monotonic()
                if left <= 0:
                    return await self._close(_GOING_AWAY)
                await asyncio.wait({pending}, timeout=left)
        finally:
            if not pending.done():
                pending.cancel()
        message = pending.result()
        self._active = time.monotonic()
        if message["type"] == "websocket.receive" and _size(message) > MAX_MESSAGE:
            return await self._close(_TOO_BIG)
        return message

    async def send(self, message: Message) -> None:
        self._active = time.monotonic()
        kind = message["type"]
        if self._closed:
            return
        if kind == "websocket.accept":
            self._answers["accepted"] = True
            message = {**message, "subprotocol": self._subprotocol()}
        elif kind == "websocket.close":
            self._closed = True
            status = self._answers.get("connect_status")
            if status and not self._answers.get("accepted"):
                # MiniStack always answers 403, whatever status $connect returned
                await self._reject(status)
                return
        await self._send(message)

    def _subprotocol(self) -> str | None:
        """Return the subprotocol that $connect selected.

        MiniStack does not send it, and browsers then close the connection.
        """
        headers: dict[str, str] = self._answers.get("connect_headers") or {}
        for name, value in headers.items():
            if name.lower() == "sec-websocket-protocol" and value in self._offered:
                return value
        return None

    async def _reject(self, status: int) -> None:
        start = {"type": "websocket.http.response.start", "status": status, "headers": []}
        await self._send(start)
        await self._send({"type": "websocket.http.response.body", "body": b""})

    async def _close(self, code: int) -> Message:
        await self.send({"type": "websocket.close", "code": code})
        return {"type": "websocket.disconnect", "code": code}


def _size(message: Message) -> int:
    text = message.get("text")
    return len(text.encode()) if text is not None else len(message.get("bytes") or b"")
