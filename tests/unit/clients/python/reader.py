"""An application that records everything that its client hands to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from functools import wraps
from typing import TYPE_CHECKING, Any, Self

from chalicelib.protocol import client_frames
from herald_client import Closed, Event, Gap, Herald, Problem, Progress
from herald_client.testing import EPOCH, Peer, World, event, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from herald_client.events import Frame

URL = "wss://herald.example/test"


def asynchronous(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on an event loop of its own."""

    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


class Reader:
    """Iterates over a client in a task, for the duration of a block."""

    def __init__(self, world: World | None = None, **options: Any) -> None:
        self.world = world or World()
        self.tokens = 0
        self.log: list[str] = []  # events, progress, gaps and loads, in order
        self.events: list[Event] = []
        self.states: list[str] = []
        self.gaps: list[Gap] = []
        self.problems: list[Problem] = []
        self.ending: BaseException | None = None
        handlers = {
            "token": self._token,
            "load": lambda reason: self.log.append(f"load {reason}"),
            "on_progress": self._progressed,
            "on_gap": self._missed,
            "on_state": self.states.append,
            "on_problem": self.problems.append,
        }
        self.herald = Herald(URL, platform=self.world.platform, **{**handlers, **options})

    async def __aenter__(self) -> Self:
        self.herald.connect()
        self._task = asyncio.create_task(self._iterate())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.herald.close()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        for frame in (frame for peer in self.world.peers for frame in peer.sent):
            if frame["action"] != "keepalive":  # API Gateway accepts it
                client_frames.parse(json.dumps(frame))

    async def live(self, head: int = 0, **welcome: Any) -> Peer:
        """Wait for the client's connection, and answer its hello."""
        peer = await self.world.peer()
        await peer.welcome(head, **welcome)
        return peer

    def state(self) -> str:
        return self.herald.state

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.events]

    async def _iterate(self) -> None:
        try:
            async for each in self.herald:
                self.events.append(each)
                self.log.append(each.id)
        except Closed as exc:
            self.ending = exc

    def _token(self) -> str:
        self.tokens += 1
        return f"token-{self.tokens}"

    def _progressed(self, progress: Progress) -> None:
        self.log.append(progress.raw["id"])

    def _missed(self, gap: Gap) -> None:
        self.gaps.append(gap)
        self.log.append("gap")


async def answering(
    reader: Reader, peer: Peer, seconds: float, head: int | None = None
) -> list[tuple[str, float]]:
    """Let time pass while the server answers pings and history requests, without any event.

    `head` is the stream's head; by default, nothing is missing. Returns what the client sent, and
    when.
    """
    before = len(peer.sent)
    answered: set[int] = set()
    sent: list[tuple[str, float]] = []
    clock = reader.world.clock
    end = clock.now + seconds
    while (rest := end - clock.now) > 0:
        await clock.advance(min(rest, *(max(0.0, each.at - clock.now) for each in clock.pending)))
        new = peer.sent[before + len(sent) :]
        sent += [(frame["action"], clock.now) for frame in new]
        for frame in [each for each in peer.sent if each.get("id", 0) not in {0, *answered}]:
            answered.add(frame["id"])
            if frame["action"] == "ping":
                place = {"epoch": frame.get("epoch"), "head": head or frame["offset"]}
                await peer.say({"type": "pong", "re": frame["id"], **place})
            if frame["action"] == "history":
                await peer.say({"type": "caught_up", "re": frame["id"], "offset": frame["since"]})
    return sent


def replay(*offsets: int) -> Frame:
    """Return the frame of a replay."""
    return {"type": "events", "items": [event(offset, replayed=True) for offset in offsets]}


def asked(peer: Peer) -> tuple[int, int]:
    """Return `since` and `limit` of the client's last history request."""
    frame = peer.last("history")
    return frame["since"], frame["limit"]


async def ponged(reader: Reader, peer: Peer, head: int, epoch: str | None = EPOCH) -> None:
    """Wait for a ping and answer it."""
    await reader.world.clock.advance(270)
    await peer.say({"type": "pong", "re": peer.last("ping")["id"], "epoch": epoch, "head": head})
    await reader.world.clock.advance(0)
