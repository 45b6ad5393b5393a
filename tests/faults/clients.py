"""A client of herald.v1 that records all events, gaps and reconnects.

It is written from the protocol alone, so that it is independent of Herald's client library.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests import contracts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.history import History

Frame = dict[str, Any]

PROGRESS = "herald.generation.progress"
HOLE_SECONDS = 0.5  # 2 s in protocol.md; shorter here, to save time
LONGEST_PAUSE = 4.0
ANSWER_SECONDS = 10.0
MOST_ASKED = 100  # events in one history frame


class Cursor:
    """The offsets received so far: all offsets up to `offset`, and those in `above`. At least one
    offset between the two is missing.
    """

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.offset = 0
        self.head = 0  # the highest offset known to exist
        self.above: set[int] = set()

    @property
    def complete(self) -> bool:
        return self.offset >= self.head

    @property
    def first_hole(self) -> int:
        """The number of missing offsets between `offset` and the next received offset."""
        return min(self.above, default=self.head + 1) - 1 - self.offset

    def resume(self) -> Frame:
        """The cursor for `hello`. While no epoch is known, it requests the stream from the
        start.
        """
        if self.epoch is None:
            return {"offset": 0}
        return {"epoch": self.epoch, "offset": self.offset}

    def learn(self, epoch: str | None, head: int) -> None:
        """Record that the stream reaches `head`. If no epoch is known, adopt `epoch`."""
        if self.epoch is None:
            self.epoch = epoch
        if epoch == self.epoch:
            self.head = max(self.head, head)

    def receive(self, epoch: str, offset: int) -> None:
        """Record an event, in any order."""
        self.learn(epoch, offset)
        if epoch != self.epoch or offset <= self.offset:
            return
        self.above.add(offset)
        while self.offset + 1 in self.above:
            self.offset += 1
            self.above.discard(self.offset)

    def jump(self, epoch: str | None, head: int) -> None:
        """Continue from `head`: the application reloads its own state."""
        if epoch != self.epoch:
            self.above = set()
        self.epoch, self.offset, self.head = epoch, head, max(head, *self.above, 0)
        self.above = {offset for offset in self.above if offset > head}
        while self.offset + 1 in self.above:
            self.offset += 1
            self.above.discard(self.offset)


class Client:
    """One tab: stays connected until it is stopped, and handles each event once.

    `token` is called for every connection.
    """

    def __init__(
        self,
        name: str,
        user: str,
        url: str,
        token: Callable[[], str],
        history: History,
        *,
        ping_seconds: float = 3.0,
        source: random.Random | None = None,
    ) -> None:
        self.name = name
        self.user = user
        self.cursor = Cursor()
        self.handled: list[Frame] = []  # event frames as the application saw them
        self.frames: list[Frame] = []  # every frame received, replays unpacked
        self.violations: list[str] = []  # of the contract, in frames of both sides
        self.connections = 0
        self.welcomed = False
        self.keepalives = False  # whether the server accepts them
        self.offline = asyncio.Event()
        self.offline.set()  # set: may connect
        self._url = url
        self._token = token
        self._history = history
        self._ping_seconds = ping_seconds
        self._random = source or random.Random(name)
        self._seen: set[str] = set()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self._hello = 0
        self._answered = asyncio.Event()

    # --- the controls for tests; all on the loop's thread ---

    def start(self) -> None:
        self._history.add("campaign", "client", client=self.name, user=self.user)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        # Until Python 3.12, wait_for swallows a cancellation that coincides with its result.
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1)
        if self._task is not None and not self._task.cancelled():
            self._task.exception()  # seen here, or asyncio would warn of it

    def cut(self) -> None:
        """Lose the network, without a close frame."""
        if self._socket is not None:
            self._socket.transport.abort()

    def go_offline(self) -> None:
        """Lose the network and stay offline until `come_back`."""
        self.offline.clear()
        self.cut()

    def come_back(self) -> None:
        self.offline.set()

    def stop_reading(self) -> None:
        """Behave like a client that is too slow: the socket stays open, but nothing is read."""
        if self._socket is not None:
            self._socket.transport.pause_reading()

    async def send(self, action: str, **fields: Any) -> None:
        """Send a frame."""
        self._number += 1
        if self._socket is not None:
            frame = {"action": action, "id": self._number, **fields}
            self._compare("client", frame)
            await self._socket.send(json.dumps(frame))

    def results(self) -> list[str]:
        """The generations whose results the application has seen, in order."""
        return [frame["event"]["subject"] for frame in self.handled if frame["offset"] is not None]

    def of(self, kind: str) -> list[Frame]:
        return [frame for frame in self.frames if frame["type"] == kind]

    # --- the connection ---

    async def _run(self) -> None:
        failures = 0
        while True:
            await self.offline.wait()
            try:
                protocols: list[Any] = ["herald.v1", f"bearer.{self._token()}"]
                async with connect(
                    self._url, subprotocols=protocols, proxy=None, ping_interval=None,
                    open_timeout=ANSWER_SECONDS, close_timeout=0.5, compression=None,
                ) as self._socket:  # fmt: skip
                    self.connections += 1
                    await self._talk(self._socket)
                failures = 0 if self.welcomed else failures + 1
            except (WebSocketException, InvalidHandshake, OSError, TimeoutError):
                failures = 0 if self.welcomed else failures + 1
            finally:
                self._socket, self.welcomed = None, False
            most = min(LONGEST_PAUSE, 0.2 * 2**failures)
            await asyncio.sleep(self._random.uniform(0, most))  # full jitter

    async def _talk(self, socket: ClientConnection) -> None:
        await self.send("hello", resume=self.cursor.resume())
        self._hello = self._number
        works = (self._read(socket), self._greet(), self._ping(), self._fill())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            frame = json.loads(await socket.recv())
            self._compare("server", frame)
            self._take(frame)
            if frame["type"] == "error" and frame["re"] == self._hello:
                raise TimeoutError("hello was refused; the next connection retries it")

    async def _greet(self) -> None:
        """Close a connection whose hello gets no response."""
        await asyncio.sleep(ANSWER_SECONDS)
        if not self.welcomed:
            raise TimeoutError("no response to hello")
        await asyncio.Future()

    async def _ping(self) -> None:
        """Send a keepalive between two pings, as clients do, but more often."""
        while True:
            await asyncio.sleep(self._ping_seconds / 2)
            if self.keepalives and self._socket is not None:
                await self._socket.send('{"action":"keepalive"}')
            await asyncio.sleep(self._ping_seconds / 2)
            place = {} if self.cursor.epoch is None else self.cursor.resume()
            await self.send("ping", **place)

    async def _fill(self) -> None:
        """Request events that have been missing for a while, with backoff until they arrive."""
        while True:
            await asyncio.sleep(HOLE_SECONDS)
            pause, asked_from = 0.0, -1
            while self.welcomed and not self.cursor.complete:
                if (
                    self.cursor.offset != asked_from
                ):  # an event arrived: request the next hole at once
                    pause, asked_from = HOLE_SECONDS, self.cursor.offset
                missing = min(self.cursor.first_hole, MOST_ASKED)
                self._answered.clear()
                await self.send("history", since=self.cursor.offset, limit=missing)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._answered.wait(), ANSWER_SECONDS)
                if self.cursor.offset == asked_from:
                    await asyncio.sleep(pause)
                    pause = min(LONGEST_PAUSE, pause * 2)

    # --- frames ---

    def _compare(self, sender: contracts.Sender, frame: Frame) -> None:
        """Record a frame that violates the contract."""
        if error := contracts.frame_error(sender, frame):
            self.violations.append(error)
            self._history.add(self.name, "violation", sender=sender, error=error)

    def _take(self, frame: Frame) -> None:
        match frame["type"]:
            case "events":
                for item in frame["items"]:
                    self._take(item)
                return
            case "event":
                self._deliver(frame)
            case "welcome":
                self.welcomed = True
                self.keepalives = "keepalive_ms" in frame
                self._learn(frame["stream"]["epoch"], frame["stream"]["head"])
            case "caught_up":
                self.cursor.learn(self.cursor.epoch, frame["offset"])
            case "pong":
                self._learn(frame["epoch"], frame["head"])
            case "gap":
                self._gap(frame["epoch"], frame["head"], frame["reason"])
        self.frames.append(frame)
        if frame["type"] in ("caught_up", "gap", "error"):
            self._answered.set()

    def _learn(self, epoch: str | None, head: int) -> None:
        known = self.cursor.epoch
        if known and epoch and epoch > known:  # UUIDv7 sorts by age
            self._gap(epoch, head, "epoch_changed")
        else:
            self.cursor.learn(epoch, head)

    def _gap(self, epoch: str | None, head: int, reason: str) -> None:
        after = self.cursor.offset if epoch == self.cursor.epoch else 0
        self._history.add(self.name, "gap", epoch=epoch, after=after, head=head, reason=reason)
        self.cursor.jump(epoch, head)

    def _deliver(self, frame: Frame) -> None:
        event, offset = frame["event"], frame["offset"]
        if event.get("type") == PROGRESS:
            self._report_progress(event, offset)
            return
        facts = {
            "event": event["id"],
            "generation": event["subject"],
            "owner": event.get("userid"),
            "epoch": frame["epoch"],
            "offset": offset,
            "status": event["data"]["status"],
            "links": _links(event["data"]),
        }
        self._history.add(self.name, "received", **facts)
        if event["id"] not in self._seen:
            self._seen.add(event["id"])
            self._history.add(self.name, "handled", **facts)
            self.handled.append(frame)
        if offset is not None:
            self.cursor.receive(frame["epoch"], offset)

    def _report_progress(self, event: Frame, offset: int | None) -> None:
        """Progress has no place in the stream; after the result it is dropped."""
        facts = {"generation": event["subject"], "owner": event.get("userid"), "offset": offset}
        late = event["subject"] in self.results()
        self._history.add(self.name, "dropped" if late else "progress", **facts)


def _links(data: Frame) -> list[str]:
    """The addresses of the outputs. `imageUrl` must be one of them; otherwise, it comes last."""
    links = [output["url"] for output in data.get("outputs") or []]
    image = data.get("imageUrl")
    return links if image is None or image in links else [*links, image]


@contextlib.asynccontextmanager
async def running(*clients: Client) -> Any:
    """Run the clients for the duration of the block."""
    for client in clients:
        client.start()
    try:
        yield
    finally:
        await asyncio.gather(*(client.stop() for client in clients))
