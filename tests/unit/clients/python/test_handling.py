"""When an event counts as handled, and what a slow or failing application causes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from herald_client import Event, Herald, HeraldError, LoadReason
from herald_client.inbox import CAPACITY
from herald_client.testing import EPOCH, World, event, progress, settle
from tests.unit.clients.python.reader import URL, Reader, asynchronous

if TYPE_CHECKING:
    from collections.abc import Callable


class Memory:
    """A store in memory."""

    text: str | None = None

    def read(self) -> str | None:
        return self.text

    def write(self, text: str) -> None:
        self.text = text


def client(
    world: World, store: Memory | None = None, load: Callable[[LoadReason], None] | None = None
) -> Herald:
    return Herald(URL, token=lambda: "token", platform=world.platform, store=store, load=load)


@asynchronous
async def test_an_event_is_handled_when_the_next_one_is_taken() -> None:
    world = World()
    async with client(world) as herald:
        peer = await world.peer()
        await peer.welcome(10)
        await peer.say(event(11), event(12))
        assert (await anext(herald)).offset == 11
        assert herald.position == {"epoch": EPOCH, "offset": 10}
        assert (await anext(herald)).offset == 12
        assert herald.position == {"epoch": EPOCH, "offset": 11}


@asynchronous
async def test_unhandled_events_are_not_handed_over_twice_after_a_reconnect() -> None:
    world = World()
    async with client(world) as herald:
        peer = await world.peer()
        await peer.welcome(10)
        await peer.say(event(11), event(12))
        assert (await anext(herald)).offset == 11
        await peer.lose()
        again = await world.peer()
        assert again.last("hello")["resume"] == {"epoch": EPOCH, "offset": 10}
        await again.welcome(13, replaying=3)
        await again.say({"type": "events", "items": [event(11), event(12), event(13)]})
        assert [(await anext(herald)).offset for _ in range(2)] == [12, 13]


@pytest.mark.parametrize(("fails", "repeated"), [(True, [1, 2, 3]), (False, [2, 3])])
def test_after_a_restart_only_events_without_an_exception_are_not_repeated(
    fails: bool, repeated: list[int]
) -> None:
    store = Memory()

    async def first() -> None:
        world = World()
        async with client(world, store) as herald:
            peer = await world.peer()
            await peer.welcome(0)
            await peer.say(event(1), event(2))
            await anext(herald)
            if fails:
                raise RuntimeError("a bug in the application")

    async def second() -> list[int | None]:
        world = World()
        async with client(world, store) as herald:
            peer = await world.peer()
            offset = peer.last("hello")["resume"]["offset"]
            await peer.welcome(3, replaying=3 - offset)
            await peer.say(*(event(number) for number in range(offset + 1, 4)))
            await peer.caught_up(3)
            return [(await anext(herald)).offset for _ in range(3 - offset)]

    try:
        asyncio.run(first())
    except RuntimeError:
        assert fails
    assert asyncio.run(second()) == repeated


@asynchronous
async def test_events_that_arrive_during_a_load_follow_it() -> None:
    fetched: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def load(reason: LoadReason) -> None:
        await fetched
        reader.log.append(f"loaded {reason}")

    reader = Reader(load=load)
    async with reader:
        peer = await reader.live(10)
        await peer.say(event(11), progress("g", 1))
        assert reader.log == []
        fetched.set_result(None)
        await settle()
        assert reader.log == ["loaded start", "event-11", "g/1"]


@asynchronous
async def test_a_load_that_fails_ends_the_iteration_and_is_repeated_by_the_next_step() -> None:
    loads: list[LoadReason] = []

    def load(reason: LoadReason) -> None:
        loads.append(reason)
        if len(loads) == 1:
            raise RuntimeError("the database is down")

    world = World()
    async with client(world, load=load) as herald:
        peer = await world.peer()
        await peer.welcome(10)
        await peer.say(event(11))
        with pytest.raises(RuntimeError, match="the database is down"):
            await anext(herald)
        assert (await anext(herald)).offset == 11
    assert loads == ["start", "start"]


@asynchronous
async def test_a_gap_is_loaded_before_the_events_that_wait() -> None:
    loads: list[LoadReason] = []
    world = World()
    async with client(world, load=loads.append) as herald:
        peer = await world.peer()
        await peer.welcome(10)
        await peer.say(event(11), event(12))
        await anext(herald)
        await peer.lose()
        await (await world.peer()).gap(20)
        assert herald.position == {"epoch": EPOCH, "offset": 20}
        assert (await anext(herald)).offset == 12
        assert loads == ["start", "gap"]


@asynchronous
async def test_a_cancelled_wait_loses_no_event() -> None:
    world = World()
    async with client(world) as herald:
        peer = await world.peer()
        await peer.welcome(10)
        waiting = asyncio.ensure_future(anext(herald))
        await settle()
        waiting.cancel()
        await settle()
        await peer.say(event(11))
        assert (await anext(herald)).offset == 11


@asynchronous
async def test_only_one_task_can_iterate() -> None:
    world = World()
    async with client(world) as herald:
        waiting = asyncio.ensure_future(anext(herald))
        await settle()
        with pytest.raises(HeraldError, match="Only one task"):
            await anext(herald)
        waiting.cancel()


@asynchronous
async def test_the_iteration_ends_when_the_client_is_closed() -> None:
    world = World()
    found: list[Event] = []
    async with client(world) as herald:
        peer = await world.peer()
        await peer.welcome(0)
        await peer.say(event(1))
        async for each in herald:
            found.append(each)
            await herald.close()
    assert [each.offset for each in found] == [1]


@asynchronous
async def test_a_slow_application_holds_a_bounded_number_of_events_and_loses_none() -> None:
    world = World()
    extra = 5
    async with client(world) as herald:
        peer = await world.peer()
        await peer.welcome(0)
        await peer.say(*(event(offset) for offset in range(1, CAPACITY + extra + 1)))
        await world.clock.advance(100)
        assert peer.got("history") == [], "there is no room for what it would bring"
        offsets = [(await anext(herald)).offset for _ in range(CAPACITY)]
        await world.clock.advance(0.1)
        request = peer.last("history")
        assert (request["since"], request["limit"]) == (CAPACITY, extra)
        replay = [event(CAPACITY + number) for number in range(1, extra + 1)]
        await peer.say({"type": "events", "items": replay})
        offsets += [(await anext(herald)).offset for _ in range(extra)]
        assert offsets == list(range(1, CAPACITY + extra + 1))


@asynchronous
async def test_of_waiting_progress_only_the_newest_of_each_generation_is_kept() -> None:
    found: list[str] = []
    world = World()
    herald = Herald(
        URL,
        token=lambda: "token",
        platform=world.platform,
        on_progress=lambda each: found.append(each.raw["id"]),
    )
    async with herald:
        peer = await world.peer()
        await peer.welcome(0)
        await peer.say(progress("a", 1), progress("b", 1), progress("a", 2), event(1))
        await anext(herald)
    assert found == ["a/2", "b/1"]
