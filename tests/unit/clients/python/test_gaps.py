"""Gaps, epochs, and the beginning of a stream."""

from __future__ import annotations

import asyncio

import pytest

from herald_client import Gap
from herald_client.testing import EPOCH, LATER_EPOCH, event
from tests.unit.clients.python.reader import Reader, answering, asked, asynchronous, ponged, replay

MINUTE = 60


@asynchronous
async def test_after_ten_minutes_a_hole_is_a_gap_and_its_event_is_still_accepted() -> None:
    async with Reader() as reader:
        peer = await reader.live(41)
        await peer.say(event(43))
        await answering(reader, peer, 10 * MINUTE - 1)
        assert reader.gaps == []
        await answering(reader, peer, 2)
        assert reader.gaps == [Gap("missing", EPOCH, 43, {"epoch": EPOCH, "offset": 41})]
        assert reader.log == ["load start", "event-43", "gap", "load gap"]
        assert reader.herald.position == {"epoch": EPOCH, "offset": 43}
        before = len(peer.got("history"))
        await answering(reader, peer, 5 * MINUTE)
        assert len(peer.got("history")) == before
        await peer.say(event(42), event(42))
        assert reader.ids == ["event-43", "event-42"]


@pytest.mark.parametrize(
    ("reason", "head", "epoch"),
    [
        ("expired", 500, EPOCH),
        ("limit", 500, EPOCH),
        ("ahead", 20, EPOCH),
        ("epoch_changed", 3, LATER_EPOCH),
    ],
)
def test_a_gap_is_reported_and_loaded_and_reading_continues_from_the_head(
    reason: str, head: int, epoch: str
) -> None:
    async def scenario() -> None:
        async with Reader() as reader:
            await (await reader.live(41)).lose()
            again = await reader.world.peer()
            await again.welcome(head, recovered=False, stream={"epoch": epoch, "head": head})
            assert reader.state() == "catching_up"
            await again.gap(head, reason, epoch)
            assert [gap.reason for gap in reader.gaps] == [reason]
            assert reader.log == ["load start", "gap", "load gap"]
            assert reader.state() == "live"
            assert reader.herald.position == {"epoch": epoch, "offset": head}
            await again.say(event(head + 1, epoch=epoch))
            assert reader.herald.position == {"epoch": epoch, "offset": head + 1}
            await reader.world.clock.advance(MINUTE)
            assert again.got("history") == []

    asyncio.run(scenario())


@asynchronous
async def test_a_live_event_before_the_gap_counts_as_received() -> None:
    async with Reader() as reader:
        await (await reader.live(41)).lose()
        again = await reader.world.peer()
        await again.say(event(501))
        await again.welcome(500, recovered=False)
        await again.gap(500)
        assert reader.herald.position == {"epoch": EPOCH, "offset": 501}
        await again.say(event(400), event(400), event(501))
        assert reader.ids == ["event-501", "event-400"]


@asynchronous
async def test_a_gap_in_answer_to_history_removes_the_hole() -> None:
    async with Reader() as reader:
        peer = await reader.live(41)
        await peer.say(event(43))
        await reader.world.clock.advance(2)
        place = {"requested": {"offset": 41}, "epoch": EPOCH, "earliest": 43, "head": 43}
        frame = {"type": "gap", "re": peer.last("history")["id"], **place, "reason": "expired"}
        await peer.say(frame)
        assert reader.herald.position == {"epoch": EPOCH, "offset": 43}
        await reader.world.clock.advance(5 * MINUTE)
        assert len(peer.got("history")) == 1


@asynchronous
async def test_an_event_of_a_newer_epoch_triggers_a_ping_whose_pong_is_a_gap() -> None:
    async with Reader() as reader:
        peer = await reader.live(41)
        await peer.say(event(3, epoch=LATER_EPOCH))
        assert reader.ids == ["event-3"]
        assert reader.herald.position == {"epoch": EPOCH, "offset": 41}
        pong = {"type": "pong", "re": peer.last("ping")["id"], "epoch": LATER_EPOCH, "head": 4}
        await peer.say(event(5, epoch=LATER_EPOCH), pong)
        assert [gap.reason for gap in reader.gaps] == ["epoch_changed"]
        assert reader.herald.position == {"epoch": LATER_EPOCH, "offset": 5}
        await peer.say(event(5, epoch=LATER_EPOCH), event(6, epoch=LATER_EPOCH))
        assert reader.ids == ["event-3", "event-5", "event-6"]


@asynchronous
async def test_late_events_and_pongs_of_an_older_epoch_do_not_move_the_cursor() -> None:
    async with Reader() as reader:
        peer = await reader.live(5, stream={"epoch": LATER_EPOCH, "head": 5})
        await peer.say(event(90), event(90))
        await ponged(reader, peer, 90)
        assert (reader.ids, reader.gaps) == (["event-90"], [])
        assert reader.herald.position == {"epoch": LATER_EPOCH, "offset": 5}


@asynchronous
async def test_the_first_event_of_an_empty_stream_is_not_lost() -> None:
    async with Reader() as reader:
        peer = await reader.live(0)
        assert reader.herald.position == {"offset": 0}
        await peer.lose()
        again = await reader.world.peer()
        assert again.last("hello")["resume"] == {"offset": 0}
        await again.welcome(2, replaying=2)
        await again.say(replay(1, 2))
        await again.caught_up(2)
        assert reader.ids == ["event-1", "event-2"]
        assert reader.herald.position == {"epoch": EPOCH, "offset": 2}
        assert reader.gaps == []


@asynchronous
async def test_events_missing_before_the_first_one_of_an_empty_stream_are_requested() -> None:
    async with Reader() as reader:
        peer = await reader.live(0)
        await peer.say(event(2))
        assert reader.herald.position == {"epoch": EPOCH, "offset": 0}
        await reader.world.clock.advance(2)
        assert asked(peer) == (0, 1)


@asynchronous
async def test_from_start_replays_all_stored_events_and_a_pong_without_an_epoch_is_ignored() -> (
    None
):
    async with Reader(from_start=True) as reader:
        peer = await reader.world.peer()
        assert peer.last("hello")["resume"] == {"offset": 0}
        await peer.welcome(2, replaying=2)
        await peer.say(replay(1, 2))
        await peer.caught_up(2)
        assert reader.log == ["load start", "event-1", "event-2"]
        await ponged(reader, peer, 0, None)
        assert reader.herald.position == {"epoch": EPOCH, "offset": 2}
