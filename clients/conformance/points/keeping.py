"""Keepalives and pings, lost and returning networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.conformance import frames
from clients.conformance.points.point import Points

if TYPE_CHECKING:
    from clients.conformance.peer import Peer
    from clients.conformance.world import World

points = Points()
_ALIVE = "Client requirements, 5"
_KEEPALIVE = frames.KEEPALIVE_SECONDS
_PING = frames.PING_SECONDS


@points(49, "With keepalive_ms in the welcome, no silence is longer than that", _ALIVE)
async def keepalives(world: World) -> None:
    peer = await _live_with_keepalive(world)
    for _ in range(4):
        await _frame_within(world, peer, _KEEPALIVE, "keepalive", "ping")


@points(50, "Within twice keepalive_ms, a ping with the cursor asks for the head", _ALIVE)
async def pings(world: World) -> None:
    peer = await _live_with_keepalive(world)
    for _ in range(2):
        await _frame_within(world, peer, 2 * _KEEPALIVE, "ping")
        peer.last("ping", epoch=frames.EPOCH, offset=1)


@points(51, "Notices, progress and replayed events do not postpone the ping", "ping")
async def not_postponed(world: World) -> None:
    peer = await _live_with_keepalive(world)
    for minute in range(2 * _KEEPALIVE // 60):
        replayed = frames.event(1, replayed=True)
        note = frames.notice(f"note {minute}", "generation-8")
        await peer.say(frames.progress("generation-9", minute), note, replayed)
        await world.advance(60)
    world.require(peer.count("ping"), "a ping is sent within twice keepalive_ms")


@points(52, "Without keepalive_ms, a ping is sent at least every ping_ms", "ping")
async def pings_only(world: World) -> None:
    peer = await world.live(head=1)
    peer.always("ping", lambda frame: frames.pong(frame["id"], 1))
    for _ in range(3):
        await _frame_within(world, peer, _PING, "ping")
        peer.last("ping", epoch=frames.EPOCH, offset=1)
    world.require(peer.count("keepalive") == 0, "no keepalive is sent, as there is no route for it")


@points(53, "A ping without an answer is repeated once before the connection is given up", _ALIVE)
async def pinged_again(world: World) -> None:
    peer = await world.live(head=1)
    await _frame_within(world, peer, _PING, "ping")
    await _frame_within(world, peer, 60, "ping")
    await peer.pong(head=1)
    await world.advance(60)
    world.require(peer.open, "the connection stays open, because the second ping was answered")
    world.no_attempt()


@points(54, "A connection on which nothing arrives any more is replaced", _ALIVE)
async def frozen(world: World) -> None:
    peer = await world.live(head=1)
    peer.freeze()
    again = await world.peer(within=_PING + 90)
    again.take("hello", resume={"epoch": frames.EPOCH, "offset": 1})
    world.require(not peer.open, "the frozen connection is closed")


@points(55, "Any message after a ping shows that the connection works; no ping at once", _ALIVE)
async def throttled(world: World) -> None:
    peer = await world.live(head=1)
    await _frame_within(world, peer, _PING, "ping")
    await world.advance(1)
    await peer.say(frames.GATEWAY_MESSAGE)
    before = peer.count("ping")
    await world.advance(_PING - 2)
    world.require(peer.count("ping") == before, "the next ping follows after ping_ms, not earlier")
    world.require(peer.open, "the connection stays open")
    await _frame_within(world, peer, 2, "ping")


@points(56, "When the network is back, a ping is sent at once, even if a frame has just arrived",
        _ALIVE, "online")  # fmt: skip
async def back_online(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.event(2))
    peer.none("ping")
    await world.do("online")
    peer.take("ping", epoch=frames.EPOCH, offset=2)


@points(57, "When the network is back, a waiting client reconnects at once", "ping", "online")
async def online_while_waiting(world: World) -> None:
    world.server.refusals.extend([503] * 6)
    await world.start(random=0.999)
    for _ in range(6):
        await world.attempt(within=21)
    world.no_attempt()
    await world.do("online")
    await world.attempt()


@points(58, "When the tab is shown, a ping is sent, and a waiting client reconnects", "ping",
        "shown")  # fmt: skip
async def shown(world: World) -> None:
    peer = await world.live(head=1)
    await world.advance(60)
    peer.none("ping")
    await world.do("shown")
    peer.take("ping", epoch=frames.EPOCH, offset=1)
    await peer.drop()
    world.no_attempt()
    await world.do("shown")
    await world.attempt()


async def _live_with_keepalive(world: World) -> Peer:
    peer = await world.live(head=1, keepalive_ms=_KEEPALIVE * 1000)
    peer.always("ping", lambda frame: frames.pong(frame["id"], 1))
    return peer


async def _frame_within(world: World, peer: Peer, seconds: float, *actions: str) -> None:
    """Move the clocks until another frame of these actions is sent."""

    def count() -> int:
        return sum(peer.count(action) for action in actions)

    before, end = count(), world.time + seconds
    while count() == before:
        world.require(world.time < end, f"{' or '.join(actions)} is sent within {seconds} s")
        await world.step(end)
