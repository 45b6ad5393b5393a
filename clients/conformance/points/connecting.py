"""Connecting: the credential, hello, and the application's first load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.conformance import frames
from clients.conformance.exchanges import NEW_READER, NOTHING_MISSED
from clients.conformance.points.point import Points
from clients.conformance.world import token

if TYPE_CHECKING:
    from clients.conformance.world import World

points = Points()
_HELLO = "Client requirements, 1"


@points(1, "The token is sent in a header or a subprotocol, never in the address", "Connecting")
async def credential(world: World) -> None:
    await world.start()
    attempt = await world.attempt()
    world.require(attempt.credentials == [token("alice", 0)], "exactly one credential is sent")
    world.require(not attempt.query, "the address has no query string")


@points(2, "An API key is sent as x-api-key", "Connecting", "api key")
async def api_key(world: World) -> None:
    await world.start(api_key="hk_alice_secret")
    attempt = await world.attempt()
    found = attempt.headers.get("x-api-key"), attempt.credentials
    world.require(found == ("hk_alice_secret", ["hk_alice_secret"]), "x-api-key has the key")
    world.require(not attempt.query, "the address has no query string")


@points(3, "hello follows as soon as the connection is open; a new reader has no cursor", _HELLO)
async def hello(world: World) -> None:
    await world.start()
    peer = await world.peer()
    world.require(peer.count("hello") == 1, "the client sends hello, once")
    world.require("resume" not in peer.frames[-1], "hello has no cursor")
    await peer.exchange(NEW_READER)


@points(4, "Position first, then data: the state is loaded after the welcome, not before", _HELLO)
async def position_first(world: World) -> None:
    await world.start()
    peer = await world.peer()
    world.unreported("load")
    await peer.welcome(head=3)
    world.reported("load", reason="start")
    world.unreported("load")


@points(5, "Events that arrive while the state is loading are passed on after it", _HELLO)
async def held_while_loading(world: World) -> None:
    await world.start(hold_loads=True)
    peer = await world.peer()
    await peer.welcome(head=1)
    world.reported("load", reason="start")
    await peer.say(frames.event(2))
    world.unreported("event")
    await world.do("loaded")
    world.reported("loaded")
    world.received("event-2")


@points(6, "The cursor of a new reader is welcome.stream", _HELLO)
async def first_cursor(world: World) -> None:
    peer = await world.live(head=3)
    await peer.drop()
    again = await world.reconnected()
    await again.exchange(NOTHING_MISSED)
    world.received()


@points(7, "Live events that arrive before the welcome are passed on, and count", "welcome")
async def before_welcome(world: World) -> None:
    peer = await world.live(head=1)
    await peer.drop()
    again = await world.reconnected()
    await again.say(frames.event(4))
    await again.resumed(head=3, replaying=2)
    await again.say(frames.replay(2, 3))
    await again.caught_up(3)
    world.require(sorted(world.names("event")) == ["event-2", "event-3", "event-4"],
                  "the application receives event-2, event-3 and event-4, each once")  # fmt: skip
    await again.drop()
    third = await world.reconnected()
    third.take("hello", resume={"epoch": frames.EPOCH, "offset": 4})


@points(8, "A connection attempt without an answer is given up, and repeated", "Codes")
async def silent_handshake(world: World) -> None:
    world.server.frozen = True
    await world.start()
    await world.attempt()
    world.server.frozen = False
    peer = await world.peer(within=60)
    peer.take("hello")


@points(9, "If hello is not answered within a while, the client reconnects", "the wire protocol")
async def silent_hello(world: World) -> None:
    await world.start()
    peer = await world.peer()
    peer.take("hello")
    again = await world.peer(within=60)
    again.take("hello")
    world.require(not peer.open, "the connection without an answer is closed")


@points(
    10, "An API Gateway message in place of the welcome: the client reconnects", "the wire protocol"
)
async def failed_hello(world: World) -> None:
    await world.start()
    peer = await world.peer()
    await peer.say(frames.GATEWAY_MESSAGE)
    again = await world.peer(within=60)
    await again.welcome(head=0)
    world.reported("load", reason="start")


@points(11, "hello refused with 4102: the same hello again on this connection, no sooner", "error")
async def hello_limited(world: World) -> None:
    peer = await world.live(head=1)
    await peer.drop()
    again = await world.reconnected()
    cursor = {"epoch": frames.EPOCH, "offset": 1}
    again.take("hello", resume=cursor)
    await again.refuse("hello", 4102, "rate_limited", retry_after=40)
    await again.say(frames.event(3))
    world.received("event-3")
    await world.advance(39.9)
    again.none("hello")
    world.no_attempt()
    await world.advance(0.2)
    again.take("hello", resume=cursor)
    await again.resumed(head=3, replaying=2)
    await again.say(frames.replay(2, 3))
    await again.caught_up(3)
    world.received("event-3", "event-2")


@points(
    12, "hello refused with another error: the client reconnects, after retry_after_ms", "welcome"
)
async def hello_refused(world: World) -> None:
    await world.start()
    peer = await world.peer()
    await peer.refuse("hello", 4100, "overloaded", retry_after=30)
    await world.advance(29.9)
    world.no_attempt()
    again = await world.reconnected()
    again.take("hello")


@points(13, "A cursor refused with 4012 is deleted, also from the store; the reader begins anew",
        "Client requirements, 4")  # fmt: skip
async def cursor_refused(world: World) -> None:
    peer = await world.live(head=1)
    world.reported("load", reason="start")
    await peer.drop()
    again = await world.reconnected()
    await again.refuse("hello", 4012, "bad_frame")
    if not again.open:
        again = await world.reconnected()
    again.take("hello", resume=None)
    stored = await world.stop()
    await world.start(stored=stored)
    third = await world.peer()
    third.take("hello", resume=None)
    await third.welcome(head=5)
    world.reported("load")
