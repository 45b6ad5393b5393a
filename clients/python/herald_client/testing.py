"""A scripted Herald and a manual clock, for your own tests: no sockets and no waiting.

world = World()
async with Herald("wss://herald.test", token=lambda: "token", platform=world.platform) as herald:
    peer = await world.peer()
    await peer.welcome(head=0)
    await peer.say(event(1))
    result = await anext(herald)
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from herald_client.errors import Refused
from herald_client.events import COMPLETE, ERROR, PROGRESS, Frame
from herald_client.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EPOCH = "01960000-0000-7000-8000-000000000001"
LATER_EPOCH = "01970000-0000-7000-8000-000000000002"


async def settle() -> None:
    """Let all tasks run until each waits for something that only the test can cause."""
    for _ in range(50):
        await asyncio.sleep(0)


class ManualTimer:
    """A timer of a manual clock."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualClock:
    """Clocks that only the test moves. `wall` is the wall clock minus the monotonic clock."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.wall = 1_767_225_600.0  # 2026-01-01
        self._timers: list[ManualTimer] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now + self.wall

    def call_later(self, delay: float, callback: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(self.now + delay, callback)
        self._timers.append(timer)
        return timer

    @property
    def pending(self) -> list[ManualTimer]:
        """The timers that are running, the first one first."""
        self._timers = [timer for timer in self._timers if not timer.cancelled]
        return sorted(self._timers, key=lambda timer: timer.at)

    async def advance(self, seconds: float) -> None:
        """Move the clocks and run the timers that are due, in order; tasks run after each."""
        end = self.now + seconds
        await settle()
        while (due := self.pending) and due[0].at <= end:
            self._timers.remove(due[0])
            self.now = max(self.now, due[0].at)
            due[0].callback()
            await settle()
        self.now = end


class Peer:
    """The server's end of one connection: records frames, and sends those of the test."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        self.headers = headers
        self.sent: list[Frame] = []
        self._closed = False
        self._incoming: deque[str | None] = deque()
        self._arrived = asyncio.Event()

    # The client's end: the protocol Socket.

    async def send(self, text: str) -> None:
        if self._closed:
            raise ConnectionError("closed")
        self.sent.append(json.loads(text))

    async def recv(self) -> str:
        while not self._incoming:
            self._arrived.clear()
            await self._arrived.wait()
        text = self._incoming.popleft()
        if text is None:
            raise ConnectionError("lost")
        return text

    async def close(self) -> None:
        self._closed = True

    # The test's end.

    def is_closed(self) -> bool:
        """Whether the client has closed the connection."""
        return self._closed

    def got(self, action: str) -> list[Frame]:
        """Return the frames of one action, in order."""
        return [frame for frame in self.sent if frame["action"] == action]

    def last(self, action: str) -> Frame:
        found = self.got(action)
        assert found, f"no {action} among {self.sent}"  # noqa: S101 - for tests
        return found[-1]

    async def say(self, *frames: Frame) -> None:
        """Send frames."""
        await self.say_text(*(json.dumps(frame) for frame in frames))

    async def say_text(self, *texts: str) -> None:
        self._incoming.extend(texts)
        self._arrived.set()
        await settle()

    async def lose(self) -> None:
        """Lose the connection, without a close frame."""
        self._incoming.append(None)
        self._arrived.set()
        await settle()

    async def welcome(self, head: int = 0, **fields: Any) -> None:
        """Answer hello."""
        hello = self.last("hello")
        frame: Frame = {
            "type": "welcome",
            "re": hello["id"],
            "connection": "c1",
            "time": "2026-01-01T00:00:00.000Z",
            "stream": {"epoch": EPOCH if head else None, "head": head},
            "recovered": "resume" in hello,
            "replaying": 0,
            "ping_ms": 270_000,
            "lifetime_ms": 6_600_000,
            "token_ms": 900_000,
            "max_frame": 32_768,
        }
        await self.say({**frame, **fields})

    async def caught_up(self, offset: int, action: str = "hello") -> None:
        """End a replay."""
        await self.say({"type": "caught_up", "re": self.last(action)["id"], "offset": offset})

    async def gap(self, head: int, reason: str = "expired", epoch: str = EPOCH) -> None:
        """Answer hello with a gap."""
        hello = self.last("hello")
        place = {"requested": hello.get("resume"), "epoch": epoch, "earliest": 1, "head": head}
        await self.say({"type": "gap", "re": hello["id"], **place, "reason": reason})

    async def refuse(self, action: str, code: int, name: str, retry_after_ms: int = 0) -> None:
        """Answer a frame with an error."""
        answer = {"type": "error", "re": self.last(action)["id"], "code": code, "name": name}
        await self.say({**answer, "message": name, "retry_after_ms": retry_after_ms})

    async def end(self, code: int, name: str, reconnect: str, retry_after_ms: int = 0) -> None:
        """Send a close frame."""
        frame = {"type": "close", "code": code, "name": name, "reconnect": reconnect}
        await self.say({**frame, "retry_after_ms": retry_after_ms})


class World:
    """An environment for one client: pass `world.platform` to it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.random = 0.5
        self.peers: list[Peer] = []
        self.statuses: list[int] = []  # HTTP statuses that refuse the next connections
        self.unreachable = False
        self.silent = False  # connections never open
        self.platform = Platform(self.clock, lambda: self.random, self._connect)

    async def _connect(self, url: str, headers: Mapping[str, str], /) -> Peer:
        if self.silent:
            await asyncio.Event().wait()
        if self.unreachable:
            raise ConnectionError("unreachable")
        if self.statuses:
            raise Refused(self.statuses.pop(0))
        self.peers.append(Peer(url, headers))
        return self.peers[-1]

    async def peer(self, within: float = 60.0) -> Peer:
        """Wait until the client has said hello on a new connection, and return it."""
        await settle()
        end = self.clock.now + within
        while not (self.peers and self.peers[-1].got("hello")) or self.peers[-1].is_closed():
            assert self.clock.now < end, "the client did not connect"  # noqa: S101 - for tests
            await self.clock.advance(0.05)
        return self.peers[-1]


def event(offset: int, *, epoch: str = EPOCH, **fields: Any) -> Frame:
    """Return the frame of a result: `event-<offset>`, of the generation `generation-<offset>`."""
    inner = {"id": f"event-{offset}", "type": COMPLETE, "subject": f"generation-{offset}"}
    data = {"status": "COMPLETE", "imageUrl": f"https://images.example.com/{offset}.png"}
    inner |= {"time": "2026-01-01T00:00:00.000Z", "data": data}  # type: ignore[dict-item]
    return {"type": "event", "epoch": epoch, "offset": offset, "event": inner, **fields}


def notice(name: str, generation: str) -> Frame:
    """Return the frame of a notice."""
    inner = {"id": name, "type": ERROR, "subject": generation, "data": {"status": "ERROR"}}
    return {"type": "event", "epoch": None, "offset": None, "event": inner}


def progress(generation: str, second: int) -> Frame:
    """Return the frame of a progress event, `second` (0 to 59) seconds after a fixed time."""
    inner = {"id": f"{generation}/{second}", "type": PROGRESS, "subject": generation}
    data = {"progress": second / 60, "step": None, "previewUrl": None}
    inner |= {"time": f"2026-01-01T00:00:{second:02}.000Z", "data": data}  # type: ignore[dict-item]
    return {"type": "event", "epoch": None, "offset": None, "event": inner}
