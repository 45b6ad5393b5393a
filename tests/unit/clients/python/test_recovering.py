"""Events that arrive out of order, twice, late or never."""

from __future__ import annotations

from itertools import pairwise

from herald_client.testing import EPOCH, event, notice
from tests.unit.clients.python.reader import Reader, answering, asked, asynchronous, ponged, replay

MINUTE = 60


@asynchronous
async def test_events_are_passed_on_as_they_arrive_and_the_cursor_is_contiguous() -> None:
    async with Reader() as reader:
        peer = await reader.live(41)
        await peer.say(event(43))
        assert reader.herald.position == {"epoch": EPOCH, "offset": 41}
        await peer.say(event(45), event(42))
        assert reader.herald.position == {"epoch": EPOCH, "offset": 43}
        await peer.say(event(44))
        assert reader.herald.position == {"epoch": EPOCH, "offset": 45}
        assert reader.ids == ["event-43", "event-45", "event-42", "event-44"]
        await reader.world.clock.advance(MINUTE)
        assert peer.got("history") == []


@asynchronous
async def test_an_event_is_passed_on_once_however_often_it_arrives() -> None:
    async with Reader() as reader:
        peer = await reader.live()
        await peer.say(event(1), event(1), event(2), replay(1, 2), event(2))
        assert reader.ids == ["event-1", "event-2"]


@asynchronous
async def test_the_same_event_at_two_offsets_is_passed_on_once() -> None:
    async with Reader() as reader:
        peer = await reader.live()
        same = {**event(2), "event": event(1)["event"]}
        await peer.say(event(1), same)
        assert reader.ids == ["event-1"]
        assert reader.herald.position == {"epoch": EPOCH, "offset": 2}


@asynchronous
async def test_a_hole_is_requested_after_two_seconds_and_with_backoff_until_it_is_filled() -> None:
    async with Reader() as reader:
        clock = reader.world.clock
        peer = await reader.live(41)
        await peer.say(event(43), event(44))
        await clock.advance(1.99)
        assert peer.got("history") == []
        await clock.advance(0.01)
        assert asked(peer) == (41, 1)
        await peer.caught_up(44, "history")
        times = [clock.now]
        while len(times) < 7:
            await clock.advance(0.1)
            if len(peer.got("history")) > len(times):
                times.append(clock.now)
                await peer.caught_up(44, "history")
        pauses = [later - time for time, later in pairwise(times)]
        assert pauses == sorted(pauses)
        assert pauses[0] >= 2
        assert 25 < pauses[-1] <= MINUTE
        await peer.say(replay(42))
        assert reader.herald.position == {"epoch": EPOCH, "offset": 44}
        await clock.advance(5 * MINUTE)
        assert (len(peer.got("history")), reader.gaps) == (7, [])


@asynchronous
async def test_no_history_is_requested_before_retry_after_ms() -> None:
    async with Reader() as reader:
        clock = reader.world.clock
        peer = await reader.live(41)
        await peer.say(event(43))
        await clock.advance(17)  # two seconds, ten without an answer, and the backoff
        assert len(peer.got("history")) == 2
        await peer.refuse("history", 4102, "rate_limited", 40_000)
        await peer.say(event(47))
        await clock.advance(39.9)
        assert len(peer.got("history")) == 2
        await clock.advance(0.1)
        assert len(peer.got("history")) == 3


@asynchronous
async def test_events_that_the_welcome_announced_but_the_replay_lacked_are_requested() -> None:
    async with Reader() as reader:
        await (await reader.live(10)).lose()
        again = await reader.world.peer()
        await again.welcome(14, replaying=3)
        await again.say(replay(11, 12, 13))
        await again.caught_up(13)
        await reader.world.clock.advance(2)
        assert asked(again) == (13, 1)


@asynchronous
async def test_a_request_that_is_lost_with_its_connection_is_repeated_on_the_next_one() -> None:
    async with Reader() as reader:
        peer = await reader.live(41)
        await peer.say(event(43))
        await reader.world.clock.advance(2)
        assert len(peer.got("history")) == 1
        await peer.lose()
        assert len(reader.world.clock.pending) == 1, "offline, only the reconnect is scheduled"
        again = await reader.world.peer()
        await again.welcome(43, replaying=1)
        await again.say(replay(43))
        await again.caught_up(43)
        await reader.world.clock.advance(5)
        assert asked(again) == (41, 1)


@asynchronous
async def test_each_hole_has_its_own_age_whatever_the_wall_clock_does() -> None:
    async with Reader() as reader:
        peer = await reader.live(41)
        await peer.say(event(43))
        await answering(reader, peer, 5 * MINUTE)
        reader.world.clock.wall += 3_600
        await peer.say(event(45))
        await answering(reader, peer, 5 * MINUTE + 1)
        assert [gap.requested["offset"] for gap in reader.gaps] == [41]
        reader.world.clock.wall -= 7_200
        await answering(reader, peer, 5 * MINUTE)
        assert [gap.requested["offset"] for gap in reader.gaps] == [41, 43]
        assert reader.herald.position == {"epoch": EPOCH, "offset": 45}


@asynchronous
async def test_a_pong_above_the_cursor_triggers_requests_at_once_page_by_page() -> None:
    async with Reader() as reader:
        peer = await reader.live(10)
        await ponged(reader, peer, 250)
        pages = []
        for _ in range(3):
            since, limit = asked(peer)
            pages.append((since, limit))
            await peer.say(replay(*range(since + 1, since + limit + 1)))
            await peer.caught_up(since + limit, "history")
            await reader.world.clock.advance(0)
        assert pages == [(10, 100), (110, 100), (210, 40)]
        assert (len(reader.ids), len(peer.got("history"))) == (240, 3)


@asynchronous
async def test_a_missing_event_does_not_delay_the_events_after_it() -> None:
    async with Reader() as reader:
        peer = await reader.live(0)
        await ponged(reader, peer, 150)
        await peer.say(replay(*range(2, 101)))
        await peer.caught_up(100, "history")
        await reader.world.clock.advance(0)
        assert asked(peer) == (100, 50)
        await peer.say(replay(*range(101, 151)))
        assert reader.herald.position == {"epoch": EPOCH, "offset": 0}
        await peer.say(event(1))
        assert reader.herald.position == {"epoch": EPOCH, "offset": 150}


@asynchronous
async def test_a_short_answer_is_followed_at_once_and_an_empty_one_causes_no_loop() -> None:
    async with Reader() as reader:
        peer = await reader.live(0)
        await ponged(reader, peer, 60)
        await peer.say(replay(*range(1, 31)))
        await peer.caught_up(30, "history")
        await reader.world.clock.advance(0)
        assert asked(peer) == (30, 30)
        await peer.caught_up(30, "history")
        await reader.world.clock.advance(1)
        assert len(peer.got("history")) == 2


@asynchronous
async def test_a_notice_is_passed_on_once_and_does_not_move_the_cursor() -> None:
    async with Reader() as reader:
        peer = await reader.live(7)
        await peer.say(notice("n", "g"))
        await peer.lose()
        again = await reader.live(7)
        await again.say(notice("n", "g"))
        assert [(each.id, each.offset, each.is_notice) for each in reader.events] == [
            ("n", None, True)
        ]
        assert reader.herald.position == {"epoch": EPOCH, "offset": 7}


@asynchronous
async def test_a_notice_that_comes_after_its_result_is_dropped_live_or_replayed() -> None:
    async with Reader() as reader:
        peer = await reader.live(7)
        await peer.say(notice("n0", "generation-8"), event(8), notice("n1", "generation-8"))
        items = [event(9), notice("n2", "generation-9"), notice("n3", "generation-10")]
        await peer.say({"type": "events", "items": items})
        await peer.lose()
        again = await reader.world.peer()
        await again.say(notice("n4", "generation-8"))
        assert reader.ids == ["n0", "event-8", "event-9", "n3"]
