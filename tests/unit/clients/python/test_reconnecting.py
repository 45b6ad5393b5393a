"""Connections that are lost, silent or refused."""

from __future__ import annotations

import asyncio

import pytest

from herald_client import Closed
from herald_client.testing import EPOCH, World, event, settle
from tests.unit.clients.python.reader import Reader, asynchronous


@asynchronous
async def test_a_lost_connection_resumes_from_the_cursor_without_loss_or_duplicates() -> None:
    async with Reader() as reader:
        peer = await reader.live(10)
        await peer.say(event(11))
        await peer.lose()
        assert reader.state() == "offline"
        again = await reader.world.peer()
        assert again.last("hello")["resume"] == {"epoch": EPOCH, "offset": 11}
        assert again.headers["Authorization"] == "Bearer token-2"
        await again.welcome(14, replaying=3)
        assert reader.state() == "catching_up"
        replay = [event(offset, replayed=True) for offset in (11, 12, 13, 14)]
        await again.say(event(14), {"type": "events", "items": replay})
        await again.caught_up(14)
        assert reader.ids == ["event-11", "event-14", "event-12", "event-13"]
        assert [found.replayed for found in reader.events] == [False, False, True, True]
        states = ["connecting", "live", "offline", "connecting", "catching_up", "live"]
        assert reader.states == states


@asynchronous
async def test_the_replay_may_be_complete_before_the_welcome_arrives() -> None:
    async with Reader() as reader:
        await (await reader.live(10)).lose()
        again = await reader.world.peer()
        await again.say({"type": "events", "items": [event(11)]})
        await again.caught_up(11)
        await again.welcome(11, replaying=1)
        assert (reader.state(), reader.ids) == ("live", ["event-11"])


@pytest.mark.parametrize(
    ("random", "expected"),
    [(0.0, [0.5] * 7), (0.999999, [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0])],
)
def test_reconnects_are_spread_over_a_range_that_doubles_from_half_a_second_to_twenty(
    random: float, expected: list[float]
) -> None:
    async def delays() -> list[float]:
        async with Reader() as reader:
            reader.world.random = random
            found = []
            for _ in expected:
                started = reader.world.clock.now
                await (await reader.world.peer()).lose()
                await reader.world.peer()
                found.append(reader.world.clock.now - started)
            return found

    assert asyncio.run(delays()) == pytest.approx(expected, abs=0.06)


@asynchronous
async def test_the_backoff_is_reset_only_after_a_stable_connection() -> None:
    async with Reader() as reader:
        reader.world.random = 0.999999
        for _ in range(4):
            await (await reader.live()).lose()
        clock = reader.world.clock
        started = clock.now
        peer = await reader.live()
        assert clock.now - started > 7, "a flapping connection backs off further"
        await clock.advance(11)
        started = clock.now
        await peer.lose()
        await reader.world.peer()
        assert clock.now - started <= 1.1, "a stable connection does not"


@asynchronous
async def test_a_connection_that_does_not_open_or_answer_is_abandoned_after_ten_seconds() -> None:
    async with Reader() as reader:
        silent = await reader.world.peer()
        await reader.world.clock.advance(9.9)
        assert not silent.is_closed()
        reader.world.silent = True
        await reader.world.clock.advance(0.1)
        assert silent.is_closed()
        await reader.world.clock.advance(11)  # the second connection never opens
        reader.world.silent = False
        assert await reader.world.peer() is not silent
        assert [problem.message for problem in reader.problems] == ["no answer to hello"] * 2


@asynchronous
async def test_a_hello_that_api_gateway_could_not_route_is_retried() -> None:
    async with Reader() as reader:
        peer = await reader.world.peer()
        await peer.say({"message": "Internal server error", "connectionId": "x"})
        assert peer.is_closed()
        await reader.live(3)
        assert reader.state() == "live"


@asynchronous
async def test_a_stalled_replay_is_resumed_on_a_new_connection() -> None:
    async with Reader() as reader:
        await (await reader.live(10)).lose()
        again = await reader.world.peer()
        await again.welcome(20, replaying=10)
        await reader.world.clock.advance(9)
        await again.say({"type": "events", "items": [event(11)]})
        await reader.world.clock.advance(9)
        assert not again.is_closed()
        await reader.world.clock.advance(2)
        assert again.is_closed()
        resumed = (await reader.world.peer()).last("hello")["resume"]
        assert resumed == {"epoch": EPOCH, "offset": 11}


@asynchronous
async def test_a_401_is_retried_with_a_fresh_token_and_so_are_429_and_500() -> None:
    world = World()
    world.statuses = [401, 429, 503]
    async with Reader(world) as reader:
        peer = await world.peer()
        assert peer.headers == {"Authorization": "Bearer token-4"}
        assert [problem.code for problem in reader.problems] == [401, 429, 503]


@pytest.mark.parametrize("status", [400, 403])
def test_a_refused_origin_or_request_is_final(status: int) -> None:
    async def ending() -> BaseException | None:
        world = World()
        world.statuses = [status]
        async with Reader(world) as reader:
            await world.clock.advance(120)
            assert (world.peers, reader.state()) == ([], "offline")
            return reader.ending

    found = asyncio.run(ending())
    assert isinstance(found, Closed)
    assert found.code == status


@asynchronous
async def test_pings_carry_the_handled_offset_and_after_two_lost_pongs_it_reconnects() -> None:
    async with Reader() as reader:
        clock = reader.world.clock
        peer = await reader.live(10)
        await peer.say(event(11), event(13))
        await clock.advance(270)
        ping = peer.last("ping")
        assert ping == {"action": "ping", "id": ping["id"], "epoch": EPOCH, "offset": 11}
        await peer.say({"type": "pong", "re": ping["id"], "epoch": EPOCH, "head": 13})
        await clock.advance(270)
        assert len(peer.got("ping")) == 2
        await clock.advance(19.9)  # ten seconds for the pong, and half of the twenty of jitter
        assert len(peer.got("ping")) == 2
        await clock.advance(0.1)
        assert len(peer.got("ping")) == 3
        await clock.advance(9.9)
        assert not peer.is_closed()
        await clock.advance(0.1)
        assert peer.is_closed()


@asynchronous
async def test_any_frame_answers_a_ping_so_throttling_does_not_close_the_connection() -> None:
    async with Reader() as reader:
        peer = await reader.live(10)
        for number, frame in enumerate([{"message": "Too Many Requests"}, event(11)], 1):
            await reader.world.clock.advance(270 - (number - 1) * 60)
            assert len(peer.got("ping")) == number
            await reader.world.clock.advance(1)
            await peer.say(frame)
            await reader.world.clock.advance(59)
            assert len(peer.got("ping")) == number
        assert not peer.is_closed()


@asynchronous
async def test_check_pings_a_connection_and_otherwise_reconnects_at_once() -> None:
    async with Reader() as reader:
        reader.world.random = 0.999999
        peer = await reader.live()
        reader.herald.check()
        await settle()
        assert len(peer.got("ping")) == 1
        await reader.world.clock.advance(10)
        assert peer.is_closed(), "a single unanswered ping is enough if the network has changed"
        reader.herald.check()
        await settle()
        assert len(reader.world.peers) == 2
