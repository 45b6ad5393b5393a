"""A well-behaved Herald on a network that loses, delays, repeats and reorders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clients.conformance import frames

if TYPE_CHECKING:
    from random import Random

    from clients.conformance.frames import Frame
    from clients.conformance.peer import Peer
    from clients.conformance.world import World

_EVENTS = 40
_CALM_SECONDS = 900.0  # within which a client has recovered everything


class Storm:
    """Publishes events, and plays one fault with each of them."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._head = 0
        self._delayed: list[Frame] = []
        self._peer: Peer | None = None

    async def rage(self) -> int:
        """Publish all events, let the network recover, and return the last offset."""
        await self._connected()
        for _ in range(_EVENTS):
            self._head += 1
            await self._fault(frames.event(self._head))
            await self._world.advance(self._random.choice((0.1, 0.5, 3.0)))
            await self._connected()
        end = self._world.time + _CALM_SECONDS
        while self._world.time < end:
            await self._world.advance(10)
            await self._connected()
        return self._head

    async def _fault(self, frame: Frame) -> None:
        faults = ("none", "none", "lose", "delay", "repeat", "reorder", "drop", "close", "freeze")
        fault = self._random.choice(faults)
        peer = self._peer
        if peer is None or not peer.open or fault == "lose":
            return
        if fault in ("delay", "reorder"):
            self._delayed.append(frame)
            if fault == "delay":
                return
        sent = [] if fault == "reorder" else [frame] * (2 if fault == "repeat" else 1)
        if fault != "none":
            self._random.shuffle(self._delayed)
            sent += self._delayed
            self._delayed = []
        await peer.say(*sent)
        if fault == "drop":
            await peer.drop()
        elif fault == "close":
            await peer.say(frames.close(4202, "token_expired", "now"))
            await peer.close()
        elif fault == "freeze":
            peer.freeze()

    async def _connected(self) -> None:
        """Answer a new connection, if there is one."""
        if (attempt := self._world.pending()) is None or attempt.peer is None:
            return
        self._peer = peer = attempt.peer
        for action in ("history", "ping"):
            peer.always(action, self._answer)
        hello = peer.take("hello")
        resume = hello.get("resume")
        if resume is None:
            await peer.welcome(self._head)
            return
        replaying = self._head - resume["offset"]
        await peer.resumed(self._head, replaying)
        if replaying:
            await peer.say(*self._replay(resume["offset"], self._head))
            await peer.caught_up(self._head)

    def _answer(self, frame: Frame) -> list[Frame]:
        number: Any = frame["id"]
        if frame["action"] == "ping":
            return [frames.pong(number, self._head, frames.EPOCH if self._head else None)]
        last = min(frame["since"] + frame["limit"], self._head)
        return [*self._replay(frame["since"], last), frames.caught_up(number, last)]

    def _replay(self, since: int, last: int) -> list[Frame]:
        return [frames.replay(since + 1, last)] if last > since else []
