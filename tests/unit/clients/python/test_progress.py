"""Progress events."""

from __future__ import annotations

from herald_client.testing import EPOCH, event, notice, progress
from tests.unit.clients.python.reader import Reader, asynchronous


@asynchronous
async def test_only_the_newest_progress_of_running_generations_is_passed_on() -> None:
    async with Reader() as reader:
        peer = await reader.live(0)
        await peer.say(progress("generation-1", 2), progress("generation-1", 1))
        await peer.say(progress("generation-1", 2), progress("g2", 1), notice("n", "g2"))
        await peer.say(event(1), progress("generation-1", 3))
        await peer.say({"type": "events", "items": [progress("generation-1", 4)]})
        await peer.say(progress("g2", 2))
        assert reader.log == ["load start", "generation-1/2", "g2/1", "n", "event-1", "g2/2"]


@asynchronous
async def test_progress_does_not_move_the_cursor_and_one_without_a_time_is_dropped() -> None:
    async with Reader() as reader:
        peer = await reader.live(7)
        timeless = progress("g", 2)
        del timeless["event"]["time"]
        await peer.say(progress("g", 1), timeless)
        assert reader.log == ["load start", "g/1"]
        assert reader.herald.position == {"epoch": EPOCH, "offset": 7}


@asynchronous
async def test_progress_that_is_sent_at_hello_follows_the_load() -> None:
    async with Reader() as reader:
        peer = await reader.world.peer()
        await peer.say(progress("g", 1))
        await peer.welcome(0)
        assert reader.log == ["load start", "g/1"]
