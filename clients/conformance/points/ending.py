"""Refusals, closures and reconnects."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from clients.conformance import frames
from clients.conformance.exchanges import RESUMED
from clients.conformance.points.point import Points
from clients.conformance.world import MOST_RECONNECT_SECONDS

if TYPE_CHECKING:
    from clients.conformance.server import Attempt
    from clients.conformance.world import World

points = Points()
_RECONNECT = "Client requirements, 6"
_HOUR = 3_600.0


@points(14, "HTTP 401: a fresh token, after a delay", "Connecting")
async def unauthorized(world: World) -> None:
    world.server.refusals.append(401)
    await world.start()
    first = await world.attempt()
    second = await _next(world, first)
    world.require(second.credentials != first.credentials, "the next attempt has a fresh token")
    world.unreported("closed")


@points(15, "HTTP 403 and 400 are final", "Connecting", "http status")
async def refused_for_good(world: World) -> None:
    for status in (403, 400):
        world.server.refusals.append(status)
        await world.start()
        await world.attempt()
        world.reported("closed")
        await world.advance(_HOUR)
        world.no_attempt()
        await world.stop()


@points(16, "HTTP 429 and 5xx: the client tries again, after a delay", "Connecting")
async def unavailable(world: World) -> None:
    world.server.refusals.extend([429, 503, 500])
    await world.start()
    attempt = await world.attempt()
    for _ in range(3):
        attempt = await _next(world, attempt)
    world.require(attempt.peer, "the client connects in the end")


@points(17, "A close with reconnect never: the client does not reconnect", "Codes")
async def closed_for_good(world: World) -> None:
    for code, name in ((4011, "revoked"), (4003, "forbidden"), (4014, "too_many_connections")):
        peer = await world.live(head=1)
        await peer.say(frames.close(code, name, "never"))
        await peer.close()
        await world.advance(_HOUR)
        world.no_attempt()
        world.reported("closed")
        await world.stop()


@points(18, "The range of an unknown code determines the reaction", "Codes")
async def unknown_codes(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say_later(frames.close(4155, "of_a_later_version", "backoff"))
    await peer.close()
    again = await world.reconnected()
    await again.resumed(head=1)
    await world.advance(60)
    await again.say_later(frames.close(4255, "of_a_later_version", "now"))
    await again.close()
    third = await world.peer(within=1)
    await third.resumed(head=1)
    await third.say_later(frames.close(4055, "of_a_later_version", "never"))
    await third.close()
    await world.advance(_HOUR)
    world.no_attempt()


@points(19, "An expired credential (4202): the client reconnects at once with another", "Codes")
async def expired(world: World) -> None:
    await world.start()
    attempt = await world.attempt()
    peer = attempt.peer
    world.require(peer, "the connection is open")
    if peer is None:
        return
    await peer.welcome(head=1)
    await world.advance(60)
    await peer.say(frames.close(4202, "token_expired", "now"))
    await peer.close()
    again = await world.attempt(within=0.1)
    world.require(again.credentials != attempt.credentials, "the next attempt has a fresh token")
    if again.peer:
        again.peer.take("hello", resume={"epoch": frames.EPOCH, "offset": 1})


@points(20, "After a close, the client waits for retry_after_ms and a random delay", "close")
async def retry_after(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say_later(frames.close(4155, "of_a_later_version", "backoff", retry_after=90))
    await peer.close()
    await world.advance(90)
    world.no_attempt()
    await world.reconnected()


@points(21, "A lost connection: reconnect with the cursor and a fresh token", _RECONNECT)
async def lost(world: World) -> None:
    await world.start()
    attempt = await world.attempt()
    world.require(attempt.peer, "the connection is open")
    if attempt.peer is None:
        return
    await attempt.peer.welcome(head=1)
    await attempt.peer.drop()
    again = await _next(world, attempt)
    world.require(again.credentials != attempt.credentials, "the next attempt has a fresh token")
    if again.peer:
        await again.peer.exchange(RESUMED)
    world.received("event-2", "event-3")


@points(22, "Delays between attempts are random, from half a second to 20 s", _RECONNECT, "random")
async def jitter(world: World) -> None:
    early, late = await _delays(world, 0.0), await _delays(world, 0.999)
    world.require(max(early) < 1, f"with the smallest random numbers, no delay is longer: {early}")
    growing = all(one <= other for one, other in pairwise(late))
    world.require(growing, f"delays grow: {late}")
    world.require(late[-1] > 10, f"after eight failures, a delay can be long: {late}")


@points(23, "After 4014, a browser reconnects when its tab is shown again", "close", "shown")
async def evicted(world: World) -> None:
    peer = await world.live(head=1)
    await peer.say(frames.close(4014, "too_many_connections", "never"))
    await peer.close()
    await world.do("online")
    await world.advance(60)
    world.no_attempt()
    await world.do("shown")
    again = await world.peer()
    again.take("hello", resume={"epoch": frames.EPOCH, "offset": 1})


@points(24, "A client that was stopped closes its connection and does not reconnect", "Connecting")
async def stopped(world: World) -> None:
    peer = await world.live(head=1)
    await world.stop()
    world.require(not peer.open, "the connection is closed")
    world.no_attempt()


async def _next(world: World, before: Attempt) -> Attempt:
    """The next attempt, whose delay is that of a reconnect."""
    attempt = await world.attempt(within=MOST_RECONNECT_SECONDS + 1)
    _allowed(world, attempt.at - before.at)
    return attempt


async def _delays(world: World, random: float) -> list[float]:
    """The delays between eight attempts that are refused."""
    world.server.refusals.extend([503] * 8)
    await world.start(random=random)
    attempts = [await world.attempt()]
    for _ in range(8):
        attempts.append(await world.attempt(within=MOST_RECONNECT_SECONDS + 1))
    await world.stop()
    found = [b.at - a.at for a, b in pairwise(attempts)]
    for delay in found:
        _allowed(world, delay)
    return found


def _allowed(world: World, delay: float) -> None:
    allowed = 0.499 <= delay <= MOST_RECONNECT_SECONDS + 0.001
    world.require(allowed, f"the delay is 0.5 to 20 s, not {delay:.3f} s")
