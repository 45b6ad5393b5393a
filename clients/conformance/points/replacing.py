"""Replacing a connection before it expires, and renewing its token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.conformance import frames
from clients.conformance.exchanges import NOT_RENEWED, RENEWED
from clients.conformance.points.point import Points
from clients.conformance.world import token

if TYPE_CHECKING:
    from clients.conformance.peer import Peer
    from clients.conformance.world import World

points = Points()
_REPLACE = "Client requirements, 6"
_RENEW = "Client requirements, 7"
_QUARTER = 900  # seconds


@points(59, "Before lifetime_ms has passed, the next connection is opened", _REPLACE)
async def next_connection(world: World) -> None:
    peer = await _answering(world)
    again = await world.attempt(within=frames.LIFETIME_SECONDS)
    world.require(again.credentials == [token("alice", 1)], "its token is fresh")
    world.require(peer.open, "the old connection is still open")


@points(60, "The old connection is closed only once the next one is ready", _REPLACE)
async def handover(world: World) -> None:
    peer = await _answering(world)
    again = await world.peer(within=frames.LIFETIME_SECONDS)
    again.take("hello", resume={"epoch": frames.EPOCH, "offset": 1})
    await peer.say(frames.event(2))
    world.received("event-2")
    await again.say(frames.event(2))
    await again.resumed(head=2, replaying=1)
    world.require(peer.open, "the old connection is open until the replay is complete")
    await again.say(frames.replay(2, 2))
    await again.caught_up(2)
    world.require(not peer.open, "the old connection is closed")
    world.received("event-2")
    world.require(world.server.open == [again], "one connection is left")


@points(61, "A token of 15 minutes is renewed after 80% of its lifetime", _RENEW)
async def renewed(world: World) -> None:
    peer = await _answering(world, token_ms=_QUARTER * 1000)
    await world.advance(0.8 * _QUARTER - 1)
    peer.none("auth")
    await world.advance(2)
    peer.last("auth", token=token("alice", 1))
    await peer.exchange(RENEWED)
    await world.advance(0.8 * _QUARTER + 1)
    peer.take("auth", token=token("alice", 2))
    world.no_attempt()


@points(62, "A longer token is renewed three minutes before it expires", _RENEW)
async def renewed_later(world: World) -> None:
    peer = await _answering(world, token_ms=2 * _QUARTER * 1000)
    await world.advance(2 * _QUARTER - 181)
    peer.none("auth")
    await world.advance(2)
    peer.take("auth", token=token("alice", 1))


@points(63, "A refused token: auth is repeated with another, on this connection", "Codes")
async def renewal_refused(world: World) -> None:
    peer = await _answering(world, token_ms=_QUARTER * 1000)
    await world.advance(0.8 * _QUARTER + 1)
    peer.last("auth", token=token("alice", 1))
    await peer.exchange(NOT_RENEWED)
    await world.advance(0.2 * _QUARTER - 2)
    peer.take("auth", token=token("alice", 2))
    world.require(peer.open, "the connection stays open")


async def _answering(world: World, **welcome: object) -> Peer:
    """A live connection whose pings are answered."""
    peer = await world.live(head=1, **welcome)
    peer.always("ping", lambda frame: frames.pong(frame["id"], 1))
    return peer
