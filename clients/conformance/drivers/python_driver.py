"""The driver of the Python client: docs/conformance.md describes its lines.

python python_driver.py <folder that contains herald_client>
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

sys.path.insert(0, sys.argv[1])

from herald_client import Closed, Event, Gap, Herald, Progress
from herald_client.platform import Platform, Socket
from herald_client.testing import ManualClock, settle
from herald_client.transport import connect

if TYPE_CHECKING:
    from collections.abc import Mapping

ABILITIES = ["api key", "http status", "jump", "online", "random", "store"]


def say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


class Store:
    """Keeps the position in memory; the suite passes it on to the next client."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def read(self) -> str | None:
        return self.text

    def write(self, text: str) -> None:
        self.text = text


class ReportedSocket:
    """A WebSocket whose end is reported."""

    def __init__(self, number: int, socket: Socket) -> None:
        self._number = number
        self._socket = socket
        self._closed = False

    async def send(self, text: str) -> None:
        await self._socket.send(text)

    async def recv(self) -> str | bytes:
        try:
            return await self._socket.recv()
        except ConnectionError:
            self._report()
            raise

    async def close(self) -> None:
        try:
            await self._socket.close()
        finally:
            self._report()

    def _report(self) -> None:
        if not self._closed:
            self._closed = True
            say(report="socket", socket=self._number, state="closed")


class NotHandled(Exception):
    """The application was told to fail."""


class Application:
    """The program that uses the client: it handles each event, unless it was told to fail."""

    _sockets = 0  # of all applications

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.clock = ManualClock()
        self.store = Store(options.get("stored"))
        self._fail = options.get("fail", [])
        self._tokens = iter(options.get("tokens", []))
        self._loaded = asyncio.Event()
        if not options.get("hold_loads"):
            self._loaded.set()
        self.herald = Herald(
            options["url"],
            token=None if "api_key" in options else self._token,
            api_key=options.get("api_key"),
            load=self._load,
            on_progress=self._progress,
            on_gap=self._gap,
            store=self.store,
            platform=Platform(self.clock, lambda: float(options["random"]), self._connect),
        )
        self.herald.connect()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async for event in self.herald:
                self._handle(event)
        except Closed as exc:
            say(report="closed", code=exc.code)
        except NotHandled:  # this program has failed
            await self.herald.close()

    def _handle(self, event: Event) -> None:
        say(report="event", id=event.id, offset=event.offset)
        if event.id in self._fail:
            raise NotHandled

    def _token(self) -> str:
        return str(next(self._tokens))

    async def _load(self, reason: str) -> None:
        say(report="load", reason=reason)
        await self._loaded.wait()
        say(report="loaded", reason=reason)

    def _progress(self, progress: Progress) -> None:
        say(report="progress", id=progress.raw["id"])

    def _gap(self, gap: Gap) -> None:
        say(report="gap", reason=gap.reason, head=gap.head)

    async def _connect(self, url: str, headers: Mapping[str, str], /) -> ReportedSocket:
        Application._sockets += 1
        number = Application._sockets
        say(report="socket", socket=number, state="opening")
        try:
            socket = await connect(url, headers)
        except BaseException:
            say(report="socket", socket=number, state="closed")
            raise
        say(report="socket", socket=number, state="open")
        return ReportedSocket(number, socket)

    def loaded(self) -> None:
        self._loaded.set()

    async def advance(self, seconds: float) -> float:
        """Move the clock, at most to the next timer; return how far."""
        pending = self.clock.pending
        step = min(seconds, max(0.0, pending[0].at - self.clock.now)) if pending else seconds
        await self.clock.advance(step)
        return step

    async def stop(self) -> str | None:
        await self.herald.close()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        return self.store.text


async def obey(application: Application | None, command: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a command for a client says; return the fields of the answer."""
    if application is None:
        return {}
    match command["do"]:
        case "advance":
            return {"moved": await application.advance(command["seconds"])}
        case "jump":
            application.clock.wall += command["seconds"]
        case "online":
            application.herald.check()
        case "loaded":
            application.loaded()
        case "stop":
            return {"stored": await application.stop()}
    return {}


async def main() -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    application = None
    logging.getLogger("herald_client").addHandler(logging.NullHandler())
    say(report="ready", can=ABILITIES)
    while line := await lines.readline():
        command = json.loads(line)
        if command["do"] == "start":
            application = Application(command)
        answer = await obey(application, command)
        if command["do"] == "stop":
            application = None
        await settle()
        say(done=command["do"], **answer)


if __name__ == "__main__":
    asyncio.run(main())
