"""How a connection ends: close frames, refusals, rotation, renewal of tokens."""

from __future__ import annotations

import asyncio

import pytest

from herald_client import Closed
from herald_client.testing import EPOCH, event, settle
from tests.unit.clients.python.reader import Reader, answering, asynchronous

# 110 minutes minus 5 %: rotation is spread over the last tenth of the lifetime, and the random
# number of these tests is 0.5.
ROTATES = int(104.5 * 60)
FOREVER = {"token_ms": None}


@asynchronous
async def test_a_close_with_reconnect_now_reconnects_at_once_and_a_repeated_one_backs_off() -> None:
    async with Reader() as reader:
        clock = reader.world.clock
        peer = await reader.live()
        await peer.end(4202, "token_expired", "now")
        assert peer.is_closed()
        await clock.advance(0)
        assert reader.world.peers[1].headers == {"Authorization": "Bearer token-2"}
        await reader.world.peers[1].end(4202, "token_expired", "now")
        await clock.advance(0.49)
        assert len(reader.world.peers) == 2
        await reader.world.peer(5)
        assert reader.problems == [], "an expired token is no problem"


@asynchronous
async def test_a_close_with_backoff_waits_retry_after_ms_even_if_the_network_is_back() -> None:
    async with Reader() as reader:
        peer = await reader.live()
        await peer.end(4100, "overloaded", "backoff", 30_000)
        await reader.world.clock.advance(29)
        reader.herald.check()
        await settle()
        assert len(reader.world.peers) == 1
        await reader.world.clock.advance(2)
        assert len(reader.world.peers) == 2


@pytest.mark.parametrize("code", [4003, 4011, 4014, 4099])
def test_a_close_with_never_is_raised_after_the_last_event_and_connect_tries_again(
    code: int,
) -> None:
    async def scenario() -> None:
        reader = Reader()
        async with reader:
            peer = await reader.live()
            await peer.say(event(1))
            await peer.end(code, "name", "never")
            await reader.world.clock.advance(3_600)
            assert (reader.ids, len(reader.world.peers)) == (["event-1"], 1)
            assert isinstance(reader.ending, Closed)
            assert (reader.ending.code, reader.ending.name) == (code, "name")
            assert (reader.state(), reader.world.clock.pending) == ("offline", [])
            reader.herald.connect()
            again = await reader.world.peer()
            assert again.last("hello")["resume"] == {"epoch": EPOCH, "offset": 1}
            await again.welcome(1)
            await again.say(event(2))
            assert (await anext(reader.herald)).offset == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("code", "connections"), [(4003, [1, 1]), (4101, [1, 2]), (4201, [2, 2]), (4300, [1, 2])]
)
def test_without_a_reconnect_field_the_range_of_the_code_decides(
    code: int, connections: list[int]
) -> None:
    async def scenario() -> None:
        async with Reader() as reader:
            peer = await reader.live()
            await peer.say({"type": "close", "code": code})
            found = []
            for seconds in (0, 2):
                await reader.world.clock.advance(seconds)
                found.append(len(reader.world.peers))
            assert found == connections

    asyncio.run(scenario())


@pytest.mark.parametrize(("code", "reconnects"), [(4001, False), (4100, True)])
def test_after_a_refused_hello_the_range_of_the_code_decides(code: int, reconnects: bool) -> None:
    async def scenario() -> None:
        async with Reader() as reader:
            peer = await reader.world.peer()
            await peer.refuse("hello", code, "refused", 5_000)
            await reader.world.clock.advance(4)
            assert len(reader.world.peers) == 1
            await reader.world.clock.advance(3)
            assert (len(reader.world.peers) > 1) == reconnects

    asyncio.run(scenario())


@asynchronous
async def test_a_rate_limited_hello_is_repeated_on_the_same_connection_and_not_earlier() -> None:
    async with Reader() as reader:
        await (await reader.live(10)).lose()
        peer = await reader.world.peer()
        await peer.refuse("hello", 4102, "rate_limited", 40_000)
        await peer.say(event(12))
        assert reader.ids == ["event-12"]
        await reader.world.clock.advance(39.9)
        assert len(peer.got("hello")) == 1
        await reader.world.clock.advance(0.1)
        assert peer.last("hello")["resume"] == {"epoch": EPOCH, "offset": 10}
        await peer.welcome(12, replaying=2)
        await peer.say({"type": "events", "items": [event(11), event(12)]})
        await peer.caught_up(12)
        assert reader.state() == "live"
        assert reader.ids == ["event-12", "event-11"]
        assert (len(peer.got("hello")), len(reader.world.peers)) == (2, 2)


@asynchronous
async def test_an_event_that_could_not_be_stored_is_loaded_but_not_before_the_first_load() -> None:
    not_stored = {"type": "error", "re": None, "code": 4100, "name": "overloaded", "message": "m"}
    async with Reader() as reader:
        peer = await reader.world.peer()
        await peer.say(not_stored)
        await peer.welcome(10)
        assert reader.log == ["load start"]
        await peer.say(not_stored)
        assert reader.log == ["load start", "load error"]
        assert reader.problems[-1].name == "overloaded"
        await peer.say({**not_stored, "re": 99}, {**not_stored, "code": 4012})
        assert reader.log == ["load start", "load error"]
        assert reader.state() == "live"


@asynchronous
async def test_a_connection_is_replaced_before_it_expires_and_the_new_one_is_ready_first() -> None:
    async with Reader() as reader:
        old = await reader.live(10, **FOREVER)
        await answering(reader, old, ROTATES)
        fresh = reader.world.peers[1]
        assert fresh.last("hello")["resume"] == {"epoch": EPOCH, "offset": 10}
        await old.say(event(11))
        await fresh.say(event(11))
        await fresh.welcome(12, replaying=1)
        assert (old.is_closed(), reader.state()) == (False, "live")
        await fresh.say({"type": "events", "items": [event(11), event(12)]})
        await fresh.caught_up(12)
        assert (old.is_closed(), reader.ids) == (True, ["event-11", "event-12"])
        assert reader.states == ["connecting", "live"]


@asynchronous
async def test_a_replacement_that_fails_is_retried_while_the_old_connection_is_used() -> None:
    async with Reader() as reader:
        old = await reader.live(10, **FOREVER)
        await answering(reader, old, ROTATES)
        await reader.world.peers[1].lose()
        assert reader.state() == "live"
        await old.say(event(11))
        await (await reader.world.peer(5)).welcome(11)
        assert (old.is_closed(), reader.ids) == (True, ["event-11"])
        assert reader.states == ["connecting", "live"]


@asynchronous
async def test_if_the_old_connection_is_lost_during_its_replacement_the_new_one_takes_over() -> (
    None
):
    async with Reader() as reader:
        old = await reader.live(10, **FOREVER)
        await answering(reader, old, ROTATES)
        await old.lose()
        assert reader.state() == "connecting"
        await reader.world.peers[1].welcome(10)
        assert reader.state() == "live"
        await reader.world.clock.advance(30)
        assert len(reader.world.peers) == 2


@asynchronous
async def test_a_token_is_renewed_at_80_percent_of_the_lifetime_in_welcome_and_auth_ok() -> None:
    async with Reader() as reader:
        clock = reader.world.clock
        peer = await reader.live(token_ms=100_000)
        await clock.advance(79.9)
        assert peer.got("auth") == []
        await clock.advance(0.1)
        auth = peer.last("auth")
        assert auth["token"] == "token-2"
        await peer.say({"type": "auth_ok", "re": auth["id"], "token_ms": 50_000})
        await clock.advance(39.9)
        assert len(peer.got("auth")) == 1
        await clock.advance(0.1)
        assert peer.last("auth")["token"] == "token-3"
        assert len(reader.world.peers) == 1


@asynchronous
async def test_a_failed_renewal_is_reported_and_retried_with_backoff() -> None:
    calls: list[int] = []

    def token() -> str:
        calls.append(1)
        if 1 < len(calls) < 4:
            raise RuntimeError("no network")
        return "token"

    async with Reader(token=token) as reader:
        clock = reader.world.clock
        peer = await reader.live(token_ms=100_000)
        await clock.advance(84)
        assert [problem.message for problem in reader.problems] == ["no network"] * 2
        await clock.advance(5)
        assert len(peer.got("auth")) == 1
        await peer.refuse("auth", 4009, "unauthorized", 8_000)
        await clock.advance(7.9)
        assert len(peer.got("auth")) == 1
        await clock.advance(10)
        assert len(peer.got("auth")) == 2
