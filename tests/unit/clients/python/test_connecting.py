"""Connecting, saying hello, reconnecting and staying connected."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from herald_client import Herald
from herald_client.testing import EPOCH, World, event
from tests.unit.clients.python.reader import URL, Reader, asynchronous


@asynchronous
async def test_the_token_is_sent_as_a_header_and_the_first_frame_is_hello() -> None:
    async with Reader() as reader:
        peer = await reader.world.peer()
        assert (peer.url, peer.headers) == (URL, {"Authorization": "Bearer token-1"})
        assert peer.sent == [{"action": "hello", "id": 1}]
        await peer.welcome(44)
        assert reader.states == ["connecting", "live"]
        assert reader.herald.position == {"epoch": EPOCH, "offset": 44}


@asynchronous
async def test_an_api_key_has_its_own_header_and_is_never_renewed() -> None:
    async with Reader(token=None, api_key=" hk_1_s\n") as reader:
        peer = await reader.live(token_ms=100_000)
        assert peer.headers == {"x-api-key": "hk_1_s"}
        await reader.world.clock.advance(100)
        assert peer.got("auth") == []


@pytest.mark.parametrize("credentials", [{}, {"token": lambda: "t", "api_key": "k"}])
def test_exactly_one_credential_is_required(credentials: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either token or api_key"):
        Herald(URL, **credentials)


@asynchronous
async def test_blanks_and_line_breaks_around_a_token_are_removed() -> None:
    async def token() -> str:
        return " token\r\n"

    async with Reader(token=token) as reader:
        peer = await reader.live(token_ms=100_000)
        assert peer.headers == {"Authorization": "Bearer token"}
        await reader.world.clock.advance(80)
        assert peer.last("auth")["token"] == "token"


@asynchronous
async def test_state_is_loaded_once_after_the_position_is_known_and_not_after_a_recovery() -> None:
    loads: list[Any] = []

    def load(reason: str) -> None:
        loads.append((reason, reader.herald.position))

    reader = Reader(load=load)
    async with reader:
        peer = await reader.world.peer()
        assert loads == []
        await peer.welcome(44)
        assert loads == [("start", {"epoch": EPOCH, "offset": 44})]
        await peer.lose()
        await reader.live(44)
        assert len(loads) == 1


@asynchronous
async def test_live_events_before_the_welcome_follow_the_load_and_count_as_received() -> None:
    async with Reader() as reader:
        peer = await reader.world.peer()
        await peer.say(event(46), event(45))
        assert reader.log == []
        await peer.welcome(44)
        assert reader.log == ["load start", "event-46", "event-45"]
        await peer.say(event(46), event(45), event(47))
        assert reader.ids == ["event-46", "event-45", "event-47"]
        assert reader.herald.position == {"epoch": EPOCH, "offset": 47}


@asynchronous
async def test_a_token_that_cannot_be_fetched_or_hangs_is_reported_and_retried() -> None:
    async def signed_out() -> str:
        raise RuntimeError("signed out")

    async def hangs() -> str:
        await asyncio.Event().wait()
        return ""

    async def good() -> str:
        return "good"

    answers = iter([signed_out, hangs, good])

    async def token() -> str:
        return await next(answers)()

    async with Reader(token=token) as reader:
        assert reader.state() == "offline"
        await reader.world.clock.advance(17)
        messages = [problem.message for problem in reader.problems]
        assert messages == ["signed out", "token() took longer than 15 s"]
        peer = await reader.world.peer()
        assert peer.headers == {"Authorization": "Bearer good"}


@asynchronous
async def test_closing_leaves_no_timer_and_connecting_again_resumes_from_the_position() -> None:
    reader = Reader()
    async with reader:
        peer = await reader.live(5)
        await peer.say(event(6), event(7))
        await reader.herald.close()
        assert (peer.is_closed(), reader.state()) == (True, "offline")
        assert reader.world.clock.pending == []
        assert asyncio.all_tasks() == {asyncio.current_task()}
    async with reader:
        again = await reader.world.peer()
        assert again.last("hello")["resume"] == {"epoch": EPOCH, "offset": 7}


@asynchronous
async def test_a_client_that_is_closed_while_it_waits_for_a_token_opens_no_connection() -> None:
    world = World()
    given: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with Reader(world, token=lambda: given) as reader:
        await reader.herald.close()
    assert (world.peers, world.clock.pending) == ([], [])


@asynchronous
async def test_a_frame_that_breaks_the_protocol_costs_only_the_connection() -> None:
    async with Reader() as reader:
        peer = await reader.live()
        await peer.say_text("not JSON", "[]", '{"type": "news"}')
        assert not peer.is_closed(), "unknown frames are ignored"
        await peer.say({"type": "event"})
        assert peer.is_closed()
        await reader.live()
        assert reader.state() == "live"


@asynchronous
async def test_a_handler_that_fails_affects_nothing_else() -> None:
    def broken(_: object) -> None:
        raise RuntimeError("a bug in the application")

    async with Reader(on_state=broken, on_gap=broken, on_problem=broken) as reader:
        await (await reader.live(1)).lose()
        await (await reader.world.peer()).gap(9)
        assert reader.log == ["load start", "load gap"]
