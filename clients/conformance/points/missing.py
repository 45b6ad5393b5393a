"""Missing events: history, gaps, and giving up."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from clients.conformance import frames
from clients.conformance.exchanges import BEHIND, HISTORY, RESTORED
from clients.conformance.points.point import Points

if TYPE_CHECKING:
    from clients.conformance.peer import Peer
    from clients.conformance.world import World

points = Points()
_MISSING = "Client requirements, 3"
_GAP = "Client requirements, 4"
_TEN_MINUTES = 600.0
_PART = 25  # events that fit into one frame


@points(37, "An offset that is missing for two seconds is requested, and only it", _MISSING)
async def requested(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.event(4))
    await world.advance(1.9)
    peer.none("history")
    await world.advance(0.2)
    await peer.exchange(HISTORY)
    world.received("event-4", "event-2", "event-3")
    await world.advance(60)
    peer.none("history")


@points(38, "An empty response is no error: history is repeated, with increasing delays", _MISSING)
async def repeated(world: World) -> None:
    peer = await world.live(head=1)
    _nothing_to_replay(peer)
    await peer.say(frames.event(3))
    times: list[float] = []
    while len(times) < 4:
        before = world.time
        while not peer.count("history") > len(times):
            world.require(world.time < before + 61, "history is repeated within a minute")
            await world.advance(0.5)
        times.append(world.time)
    delays = [b - a for a, b in pairwise(times)]
    world.require(delays[0] < delays[1] < delays[2], f"the delays increase: {delays}")
    world.require(peer.open, "the connection stays open")
    world.unreported("gap")


@points(39, "After ten minutes, a gap is reported, and the cursor moves past the missing offset",
        _MISSING)  # fmt: skip
async def given_up(world: World) -> None:
    peer = await _skipped(world)
    world.reported("load", reason="gap")
    await peer.drop()
    again = await world.reconnected()
    again.take("hello", resume={"epoch": frames.EPOCH, "offset": 3})


@points(40, "An event that was given up, and arrives later, is passed on", _MISSING)
async def late(world: World) -> None:
    peer = await _skipped(world)
    await peer.say(frames.event(2), frames.event(2))
    world.received("event-3", "event-2")


@points(41, "After an error, history waits for retry_after_ms", _GAP)
async def history_refused(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.event(3))
    await world.advance(2)
    peer.take("history")
    await peer.refuse("history", 4102, "rate_limited", retry_after=100)
    await world.advance(99.9)
    peer.none("history")
    await world.advance(61)
    peer.take("history", since=1, limit=1)


@points(42, "A history that is not answered is sent again", "the wire protocol")
async def history_unanswered(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.event(3))
    await world.advance(2)
    peer.take("history")
    await peer.say(frames.GATEWAY_MESSAGE)
    await world.advance(75)
    peer.take("history", since=1, limit=1)
    world.require(peer.open, "the connection stays open")


@points(43, "When missing events have arrived, a ping asks for later ones", "ping")
async def asked_for_more(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.event(3))
    await world.advance(2)
    peer.none("ping")
    await peer.say(frames.replay(2, 2))
    await peer.caught_up(2, "history")
    peer.take("ping", epoch=frames.EPOCH, offset=3)
    await peer.pong(head=4)
    await world.advance(0.1)
    peer.take("history", since=3, limit=1)


@points(44, "A pong with a higher head: the missing events are requested", "pong and auth_ok")
async def pong_ahead(world: World) -> None:
    peer = await world.live(head=1)
    await world.advance(frames.PING_SECONDS)
    await peer.exchange(BEHIND)
    await world.advance(2)
    await peer.exchange(HISTORY)
    world.received("event-2", "event-3")


@points(45, "A pong with another epoch: the state is reloaded; the new epoch counts", "history")
async def another_epoch(world: World) -> None:
    peer = await world.live(head=3)
    world.reported("load", reason="start")
    await world.advance(frames.PING_SECONDS)
    await peer.pong(head=1, epoch=frames.LATER_EPOCH)
    if peer.count("hello") > 1:  # as docs/protocol.md says; a gap is the server's answer
        stream = {"epoch": frames.LATER_EPOCH, "head": 1}
        peer.take("hello", resume={"epoch": frames.EPOCH, "offset": 3})
        await peer.welcome(1, stream=stream)
        place = {"epoch": frames.LATER_EPOCH, "reason": "epoch_changed"}
        await peer.gap(head=1, **place)
    world.reported("load")
    await peer.say(frames.event(2, epoch=frames.LATER_EPOCH, name="of the new epoch"))
    world.received("of the new epoch")
    await peer.drop()
    again = await world.reconnected()
    again.take("hello", resume={"epoch": frames.LATER_EPOCH, "offset": 2})


@points(46, "After a gap, the state is reloaded", _GAP)
async def gap_reloads(world: World) -> None:
    await _gap(world)
    world.reported("gap", reason="epoch_changed")
    world.reported("load", reason="gap")


@points(47, "After a gap, the client continues from the gap's head", "gap")
async def gap_continues(world: World) -> None:
    peer = await _gap(world)
    await peer.say(frames.event(4, epoch=frames.LATER_EPOCH))
    world.received("event-4")
    await world.advance(60)
    peer.none("history")
    await peer.drop()
    again = await world.reconnected()
    again.take("hello", resume={"epoch": frames.LATER_EPOCH, "offset": 4})


@points(48, "An error 4100 that is no response: the state is reloaded", _GAP)
async def not_stored(world: World) -> None:
    peer = await world.live(head=1)
    world.reported("load", reason="start")
    await peer.say(frames.error(None, 4100, "overloaded"))
    world.reported("load")
    world.require(peer.open, "the connection stays open")


@points(69, "More missing events than one history may ask for are requested one part at a time",
        "history")  # fmt: skip
async def many(world: World) -> None:
    last = 700
    peer = await world.live(head=1)
    peer.always("ping", lambda frame: frames.pong(frame["id"], last))
    await peer.say(frames.event(last))
    since = 1
    while since < last - 1:
        peer.none("history")
        await world.advance(2 if since == 1 else 60)
        history = peer.take("history", since=since)
        reached = since + history["limit"]
        world.require(reached < last, f"no event beyond {last - 1} is requested")
        for first in range(since + 1, reached + 1, _PART):
            await peer.say(frames.replay(first, min(first + _PART - 1, reached)))
        await peer.caught_up(reached, "history")
        since = reached
    expected = [f"event-{last}", *(f"event-{offset}" for offset in range(2, last))]
    world.received(*expected)


async def _skipped(world: World) -> Peer:
    """The client has waited ten minutes for event 2."""
    peer = await world.live(head=1)
    world.reported("load", reason="start")
    _nothing_to_replay(peer)
    await peer.say(frames.event(3))
    await world.advance(_TEN_MINUTES - 5)
    world.unreported("gap", "load")
    await world.advance(75)
    world.reported("gap")
    return peer


async def _gap(world: World) -> Peer:
    """The client has resumed, and the database has been restored meanwhile."""
    peer = await world.live(head=1)
    world.reported("load", reason="start")
    await peer.drop()
    again = await world.reconnected()
    await again.exchange(RESTORED)
    return again


def _nothing_to_replay(peer: Peer) -> None:
    """The server has not stored the missing event yet; it answers pings."""
    peer.always("history", lambda frame: frames.caught_up(frame["id"], frame["since"]))
    peer.always("ping", lambda frame: frames.pong(frame["id"], 3))
