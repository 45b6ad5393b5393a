"""The replay budget: the cost of a replay, and when the next replay may begin."""

from chalicelib.protocol.events import MAX_FRAME_BYTES
from chalicelib.store.inbox import REPLAY_LIMIT
from chalicelib.store.replay_budget import (
    BURST_FRAMES,
    FRAME_MS,
    RETRY_MS,
    Budget,
    budget_in,
    frames_of,
)

NOW = 1_800_000_000_000


def test_a_user_who_never_replayed_has_the_whole_budget() -> None:
    budget = budget_in({}, "c1=")
    assert budget.wait_ms(BURST_FRAMES, NOW) == 0
    assert budget.wait_ms(BURST_FRAMES + 1, 0) > 0


def test_two_of_the_largest_replays_fit_and_a_third_waits() -> None:
    largest = REPLAY_LIMIT + 2
    once = Budget(NOW + largest * FRAME_MS, 0)
    assert once.wait_ms(largest, NOW) == 0
    twice = Budget(NOW + 2 * largest * FRAME_MS, 0)
    wait = twice.wait_ms(largest, NOW)
    assert wait == (3 * largest - BURST_FRAMES) * FRAME_MS
    assert twice.wait_ms(largest, NOW + wait) == 0


def test_the_budget_does_not_grow_while_a_user_is_idle() -> None:
    idle_for_a_day = Budget(NOW - 86_400_000, 0)
    full = Budget(NOW, 0)
    assert full.wait_ms(BURST_FRAMES, NOW) == 0
    assert idle_for_a_day.wait_ms(BURST_FRAMES, NOW) == 0


def test_a_connection_has_one_replay_at_a_time() -> None:
    busy = Budget(0, NOW + 5)
    assert busy.wait_ms(1, NOW) == RETRY_MS
    assert busy.wait_ms(1, NOW + 5) == 0


def test_another_connections_replay_does_not_make_this_one_wait() -> None:
    item = budget_in({"connection c2=": {"M": {"replaying_until": {"N": str(NOW + 5)}}}}, "c1=")
    assert item.wait_ms(1, NOW) == 0


def test_a_replay_costs_what_it_sent_or_the_frames_that_it_read() -> None:
    assert frames_of(3, 1000) == 3
    assert frames_of(1, 10 * MAX_FRAME_BYTES) == 10
    assert frames_of(1, MAX_FRAME_BYTES + 1) == 2
