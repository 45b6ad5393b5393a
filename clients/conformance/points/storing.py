"""The stored cursor, clocks, and a stream under many faults."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from clients.conformance import frames
from clients.conformance.faults import Storm
from clients.conformance.points.point import Points

if TYPE_CHECKING:
    from clients.conformance.world import World

points = Points()
_STORED = "Client requirements, 8"
_CLOCKS = "Client requirements, 9"
_HOUR = 3_600.0


@points(64, "A restarted client resumes from its stored cursor", _STORED, "store")
async def resumed(world: World) -> None:
    stored = await _stored(world)
    await world.start(stored=stored)
    peer = await world.peer()
    peer.take("hello", resume={"epoch": frames.EPOCH, "offset": 2})


@points(65, "The cursor of another user is not used", _STORED, "store")
async def another_user(world: World) -> None:
    stored = await _stored(world)
    await world.start(stored=stored, user="bob")
    peer = await world.peer()
    peer.take("hello", resume=None)


@points(66, "A stored cursor that is malformed is not used", _STORED, "store")
async def malformed(world: World) -> None:
    stored = await _stored(world) or ""
    negative = re.sub(r":( ?\d)", r":-\1", stored)
    for text in (stored.replace(frames.EPOCH, "of another kind"), negative):
        world.require(text != stored, "the stored text contains the epoch and the offset")
        await world.start(stored=text)
        peer = await world.peer()
        peer.take("hello", resume=None)
        await world.stop()


@points(67, "A jump of the wall clock changes no delay", _CLOCKS, "jump")
async def jumps(world: World) -> None:
    peer = await world.live(head=1)
    peer.always("ping", lambda frame: frames.pong(frame["id"], 3))
    peer.always("history", lambda frame: frames.caught_up(frame["id"], frame["since"]))
    await peer.say(frames.event(3))
    await world.do("jump", seconds=_HOUR)
    await world.advance(1.9)
    peer.none("history")
    await world.do("jump", seconds=-2 * _HOUR)
    await world.advance(0.2)
    peer.take("history", since=1, limit=1)
    await world.do("jump", seconds=3 * _HOUR)
    await world.advance(120)
    world.unreported("gap")
    await world.advance(600)
    world.reported("gap")


@points(68, "Under lost, delayed, repeated and reordered frames, every event arrives exactly once",
        "Guarantees")  # fmt: skip
async def storm(world: World) -> None:
    await world.start()
    last = await Storm(world, random.Random(68)).rage()
    found = sorted(world.names("event"), key=lambda name: int(name.removeprefix("event-")))
    expected = [f"event-{offset}" for offset in range(1, last + 1)]
    world.require(found == expected, f"events 1 to {last} arrive, each once: {found}")
    world.unreported("gap")


async def _stored(world: World) -> str | None:
    """What a client stores that has handled event 2."""
    peer = await world.live(head=1)
    await peer.say(frames.event(2))
    return await world.stop()
