"""A WebSocket server whose answers and faults a point scripts."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.asyncio.server import serve

from clients.conformance.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from websockets.asyncio.server import Server as WebSocketServer
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

_quiet = logging.getLogger("herald.conformance.websockets")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


class Attempt:
    """One request to open a WebSocket.

    `status` is the HTTP status that refuses it, None if it was accepted. `at` is the time of the
    client's clock in seconds, once a point has taken the attempt.
    """

    def __init__(self, request: Request, status: int | None) -> None:
        self.at = 0.0
        self.status = status
        self.peer: Peer | None = None
        self.query = urlsplit(request.path).query
        self.headers = request.headers

    @property
    def credentials(self) -> list[str]:
        """All credentials of the request, without the name of their kind."""
        offered = self.headers.get("Sec-WebSocket-Protocol", "").split(",")
        found = [name.strip() for name in offered]
        bearers = [name.removeprefix("bearer.") for name in found if name.startswith("bearer.")]
        header = self.headers.get("Authorization", "")
        tokens = [header.removeprefix("Bearer ")] if header.startswith("Bearer ") else []
        return [*bearers, *tokens, *self.headers.get_all("x-api-key")]


class Server:
    """Accepts connections, or refuses or freezes them. `tell` records what happens."""

    def __init__(self, tell: Callable[[str, object], None]) -> None:
        self.attempts: list[Attempt] = []
        self.peers: list[Peer] = []
        self.violations: list[str] = []
        self.refusals: deque[int] = deque()  # HTTP statuses of the next attempts
        self.frozen = False  # whether attempts get no answer
        self.pending = 0
        self.failure: Exception | None = None  # of the suite itself
        self.url = ""
        self.tell = tell
        self.rest: Callable[[], Awaitable[None]]
        self._by_connection: dict[ServerConnection, Attempt] = {}
        self._released = asyncio.Event()
        self._server: WebSocketServer | None = None

    async def start(self) -> None:
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            0,
            process_request=self._answer,
            select_subprotocol=_select,
            compression=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=1,
            logger=_quiet,
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}/conformance"

    async def stop(self) -> None:
        if self._server is None:
            return
        self._released.set()
        for peer in self.peers:
            if peer.open:
                peer.abort()
        self._server.close()
        await self._server.wait_closed()

    @property
    def open(self) -> list[Peer]:
        """The connections that are open, the newest one last."""
        return [peer for peer in self.peers if peer.open]

    def violated(self, rule: str) -> None:
        """Record that the client broke a rule that holds in every point."""
        self.violations.append(rule)

    async def settle(self) -> None:
        """Wait until both sides have nothing left to do."""
        await self.rest()

    async def _answer(self, socket: ServerConnection, request: Request) -> Response | None:
        status = self.refusals.popleft() if self.refusals else None
        attempt = Attempt(request, status)
        self._by_connection[socket] = attempt
        self.attempts.append(attempt)
        outcome = "no answer" if self.frozen else f"HTTP {status}" if status else "accepted"
        self.tell("server", f"a request to open a WebSocket: {outcome}")
        if self.frozen:
            await self._ignore(socket)
            return socket.respond(503, "")
        return socket.respond(status, "") if status else None

    async def _ignore(self, socket: ServerConnection) -> None:
        """Wait until the client gives up."""
        self.pending += 1
        released = asyncio.create_task(self._released.wait())
        lost: asyncio.Future[Any] = socket.connection_lost_waiter
        both: list[asyncio.Future[Any]] = [released, lost]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        released.cancel()
        self.pending -= 1

    async def _handle(self, socket: ServerConnection) -> None:
        peer = Peer(self, socket)
        self._by_connection.pop(socket).peer = peer
        self.peers.append(peer)
        try:
            await peer.receive()
        except Exception as exc:
            self.failure = exc


def _select(socket: ServerConnection, offered: Sequence[Any]) -> Any:
    return "herald.v1" if "herald.v1" in offered else None
