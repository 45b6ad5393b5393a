"""A TCP proxy that inspects the bytes that pass through it. On a match, it resets the connection,
holds the bytes or kills the client.

microburst understands the protocols. This proxy injects the faults that microburst cannot inject:
it can drop the response after the server has processed a request, freeze one of many connections,
and kill the client at a specific point of the protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Side = Literal["request", "answer"]
Action = Literal["cut", "hold", "kill", "pass"]
Address = tuple[str, int]

_CHUNK = 65_536
_UPGRADE = re.compile(rb"^upgrade:\s*websocket\r?$", re.IGNORECASE | re.MULTILINE)


class Trigger:
    """What the proxy does when bytes match a pattern: reset the connection, hold the bytes, kill
    the client, or only count the match.
    """

    def __init__(self, side: Side, pattern: bytes, action: Action, times: int | None) -> None:
        self.side = side
        self.action = action
        self.left = times
        self._pattern = re.compile(pattern, re.DOTALL)
        self._fired = threading.Semaphore(0)
        self._released = asyncio.Event()
        self.count = 0

    def takes(self, side: Side, chunk: bytes) -> bool:
        """Return whether the trigger acts on this chunk. If it does, count the match."""
        if side != self.side or self.left == 0 or not self._pattern.search(chunk):
            return False
        if self.left is not None:
            self.left -= 1
        self.count += 1
        self._fired.release()
        return True

    def wait(self, seconds: float = 20.0) -> None:
        """Wait for the next time that the trigger acts."""
        if not self._fired.acquire(timeout=seconds):
            raise AssertionError(
                f"the proxy did not see {self._pattern.pattern!r} within {seconds:g} s"
            )

    def release(self) -> None:
        """Release held bytes and stop acting. Must be called on the loop's thread."""
        self.left = 0
        self._released.set()

    async def held(self) -> None:
        await self._released.wait()


class Link(NamedTuple):
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    @property
    def client_port(self) -> int:
        port: int = self.client.get_extra_info("peername")[1]
        return port

    def abort(self) -> None:
        """Reset both sides."""
        for writer in self:
            _reset(writer)


class Tap:
    """A proxy on a free port. Without triggers, it forwards everything.

    Connections that request a WebSocket go to `websockets`, if given; `kill` is called with the
    port of a client whose process is to be killed.
    """

    def __init__(
        self,
        upstream: Address,
        *,
        websockets: Address | None = None,
        kill: Callable[[int], None] = lambda port: None,
    ) -> None:
        self._upstream = upstream
        self._websockets = websockets or upstream
        self._kill = kill
        self._triggers: list[Trigger] = []
        self._links: set[Link] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def on(self, side: Side, pattern: bytes, action: Action, *, times: int | None = 1) -> Trigger:
        """Act on the next `times` matching chunks; None means all until `clear`."""
        trigger = Trigger(side, pattern, action, times)
        self._triggers.append(trigger)
        return trigger

    def clear(self) -> None:
        """Remove all triggers and release what they hold; on the loop's thread."""
        for trigger in self._triggers:
            trigger.release()
        self._triggers = []

    def cut(self) -> None:
        """Reset every open connection; on the loop's thread."""
        for link in list(self._links):
            link.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):  # cancelled: the loop is stopping
            _reset(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(_CHUNK)  # HTTP and PostgreSQL: the client speaks first
        if not first:
            writer.close()
            return
        target = self._websockets if _UPGRADE.search(first) else self._upstream
        server_reader, server_writer = await asyncio.open_connection(*target)
        link = Link(writer, server_writer)
        self._links.add(link)
        requests = asyncio.create_task(self._pump(link, "request", reader, server_writer, first))
        answers = asyncio.create_task(self._pump(link, "answer", server_reader, writer, b""))
        try:
            await asyncio.wait({requests, answers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            for task in (requests, answers):
                task.cancel()
            await asyncio.gather(requests, answers, return_exceptions=True)
            for end in link:
                end.close()

    async def _pump(
        self,
        link: Link,
        side: Side,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        chunk: bytes,
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := chunk or await reader.read(_CHUNK):
                if not await self._passes(link, side, chunk):
                    return
                writer.write(chunk)
                await writer.drain()
                chunk = b""

    async def _passes(self, link: Link, side: Side, chunk: bytes) -> bool:
        for trigger in self._triggers:
            if not trigger.takes(side, chunk):
                continue
            if trigger.action == "hold":
                await trigger.held()
                continue
            if trigger.action == "pass":
                continue
            if trigger.action == "kill":
                await asyncio.to_thread(self._kill, link.client_port)
            link.abort()
            return False
        return True


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, because a normal close could be interpreted as the end of a response."""
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
