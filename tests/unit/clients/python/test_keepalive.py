"""What an idle connection sends, how soon a lost event is noticed, and when a token is renewed."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from herald_client.testing import World, event, progress
from tests.unit.clients.python.reader import Reader, answering, asynchronous

MINUTE = 60
KEEPALIVE = 8.5 * MINUTE
KEEPING: dict[str, Any] = {"keepalive_ms": 510_000, "token_ms": None}


def world(random: float) -> World:
    found = World()
    found.random = random
    return found


@pytest.mark.parametrize("random", [0.0, 0.5, 0.999999])
def test_in_an_idle_hour_keepalives_and_pings_alternate(random: float) -> None:
    async def scenario() -> None:
        async with Reader(world(random)) as reader:
            peer = await reader.live(10, **KEEPING)
            sent = await answering(reader, peer, 60 * MINUTE)
            assert [action for action, _ in sent] == ["keepalive", "ping"] * 3 + ["keepalive"]
            apart = [later - time for (_, time), (_, later) in pairwise(sent)]
            assert max(apart) <= KEEPALIVE
            assert min(apart) >= 7 * MINUTE
            assert peer.last("keepalive") == {"action": "keepalive"}, "nobody answers it"

    asyncio.run(scenario())


@asynchronous
async def test_without_a_route_for_keepalives_the_client_pings_at_least_every_ping_ms() -> None:
    async with Reader() as reader:
        peer = await reader.live(10, token_ms=None)
        sent = await answering(reader, peer, 60 * MINUTE)
        assert {action for action, _ in sent} == {"ping"}
        assert len(sent) == 13


@asynchronous
async def test_any_message_postpones_the_next_keepalive() -> None:
    async with Reader() as reader:
        clock = reader.world.clock
        peer = await reader.live(10, **KEEPING)
        await clock.advance(7 * MINUTE)
        await peer.say(progress("g", 1))
        await clock.advance(7 * MINUTE)
        await peer.say(event(11))
        await clock.advance(7 * MINUTE)
        assert [frame["action"] for frame in peer.sent] == ["hello"]
        await clock.advance(2 * MINUTE)
        assert [frame["action"] for frame in peer.sent] == ["hello", "keepalive"]


@pytest.mark.parametrize("shows_the_head", [True, False])
def test_an_event_of_the_stream_postpones_the_next_ping_but_progress_does_not(
    shows_the_head: bool,
) -> None:
    async def scenario() -> None:
        async with Reader() as reader:
            peer = await reader.live(10, **KEEPING)
            for number in range(11, 28):
                await answering(reader, peer, MINUTE)
                await peer.say(event(number) if shows_the_head else progress("g", number))
            assert peer.got("keepalive") == []
            assert len(peer.got("ping")) == (0 if shows_the_head else 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("random", [0.0, 0.3, 0.999999])
@pytest.mark.parametrize("quiet", [0, 5, 10, 15, 20])
def test_a_silently_lost_event_is_noticed_within_17_minutes(random: float, quiet: int) -> None:
    async def scenario() -> None:
        async with Reader(world(random)) as reader:
            peer = await reader.live(10, **KEEPING)
            await answering(reader, peer, quiet * MINUTE)
            await answering(reader, peer, 17 * MINUTE, head=11)
            assert peer.got("history")

    asyncio.run(scenario())


@asynchronous
async def test_a_dead_connection_that_nothing_reports_is_replaced_within_18_minutes() -> None:
    async with Reader() as reader:
        peer = await reader.live(10, **KEEPING)
        await reader.world.clock.advance(18 * MINUTE)
        assert peer.is_closed()
        assert len(peer.got("ping")) == 2


@asynchronous
async def test_a_throttled_ping_is_repeated_after_ping_ms_and_not_at_once() -> None:
    async with Reader() as reader:
        clock = reader.world.clock
        peer = await reader.live(10, **KEEPING)
        pings: list[float] = []
        for _ in range(30 * MINUTE):
            await clock.advance(1)
            if len(peer.got("ping")) > len(pings):
                pings.append(clock.now)
                await clock.advance(0.1)
                await peer.say({"message": "Too Many Requests", "connectionId": "c="})
        assert len(pings) >= 3
        assert all(later - time >= 269 for time, later in pairwise(pings))


@asynchronous
async def test_once_its_missing_events_have_arrived_the_client_checks_for_later_ones() -> None:
    async with Reader() as reader:
        clock = reader.world.clock
        peer = await reader.live(10, **KEEPING)
        await peer.say(event(12), event(11))
        await clock.advance(3)
        assert peer.got("ping") == [], "events that are only out of order are not missing"
        await peer.say(event(14))
        await clock.advance(2)
        await peer.say(event(13, replayed=True))
        await peer.caught_up(14, "history")
        assert len(peer.got("ping")) == 1


@pytest.mark.parametrize(
    ("token", "lifetime", "renewed"),
    [
        (100, 6_600, 80),
        (900, 6_600, 720),
        (3_600, 6_600, 3_420),
        (6_300, 6_600, 6_120),
        (6_700, 6_600, None),
        (86_400, 6_600, None),
    ],
)
def test_a_token_is_renewed_only_if_it_expires_before_the_connection_is_replaced(
    token: int, lifetime: int, renewed: float | None
) -> None:
    async def scenario() -> None:
        async with Reader(world(0.0)) as reader:
            peer = await reader.live(1, token_ms=token * 1_000, lifetime_ms=lifetime * 1_000)
            if renewed is None:
                await answering(reader, peer, lifetime)
                assert peer.got("auth") == []
                await (await reader.world.peer()).welcome(1)
                return
            await answering(reader, peer, renewed - 1)
            assert peer.got("auth") == []
            await answering(reader, peer, 2)
            assert len(peer.got("auth")) == 1

    asyncio.run(scenario())


@asynchronous
async def test_a_token_is_renewed_after_all_if_the_connection_could_not_be_replaced() -> None:
    async with Reader() as reader:
        peer = await reader.live(1, token_ms=7_200_000)
        reader.world.unreachable = True
        await answering(reader, peer, 7_010)
        assert len(peer.got("auth")) == 0
        await answering(reader, peer, 15)
        assert len(peer.got("auth")) == 1
