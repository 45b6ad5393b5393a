"""Which events outside the stream `hello` sends again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.protocol.events import MAX_EVENT_BYTES, PROGRESS, rfc3339
from chalicelib.sessions import replay
from chalicelib.store.inbox import Head, Inbox, Standing, StoredEvent
from chalicelib.store.replay_budget import BURST_FRAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

START = datetime(2026, 1, 1, tzinfo=UTC)
GENERATION = st.integers(0, 4)
SECOND = st.integers(0, 3000)
HEAD = Head("0199f3a0-0000-7000-8000-000000000001", 1)


class Stored:
    """A fake inbox: the results of a stream, given oldest first. It counts those that were read."""

    def __init__(self, results: Sequence[str]) -> None:
        self._results = [StoredEvent(offset, text) for offset, text in enumerate(results, 1)]
        self.read = 0

    def newest_first(self, _user_id: str, _head: Head) -> Iterator[StoredEvent]:
        for stored in reversed(self._results):
            self.read += 1
            yield stored


def text(kind: str, generation: int, second: int) -> str:
    time = rfc3339(START + timedelta(seconds=second))
    return json.dumps({"type": kind, "subject": f"g{generation}", "time": time})


def outside(stored: Stored, given_outside: Sequence[tuple[str, int, int]]) -> Any:
    newest_first = sorted(given_outside, key=lambda each: each[2], reverse=True)
    standing = Standing(HEAD, [text(*each) for each in newest_first])
    return replay.outside(cast(Inbox, stored), "alice", standing)


@given(
    st.lists(st.tuples(st.sampled_from([PROGRESS, "notice"]), GENERATION, SECOND), max_size=30),
    st.dictionaries(GENERATION, SECOND),
)
def test_open_generations_have_their_notices_and_their_newest_progress(
    given_outside: list[tuple[str, int, int]], ended: dict[int, int]
) -> None:
    # Progress that comes after the result is not recorded.
    found = [
        (kind, generation, second)
        for kind, generation, second in given_outside
        if kind != PROGRESS or second <= ended.get(generation, 3000)
    ]
    results = [text("result", *each) for each in sorted(ended.items(), key=lambda each: each[1])]
    sent = outside(Stored(results), found)
    still_open = [each for each in found if each[1] not in ended]
    newest: dict[int, int] = {}
    for kind, generation, second in still_open:
        if kind == PROGRESS:
            newest[generation] = max(second, newest.get(generation, 0))
    assert set(sent.progress) == {text(PROGRESS, *each) for each in newest.items()}
    notices = sorted((each for each in still_open if each[0] != PROGRESS), key=lambda each: each[2])
    assert sorted(sent.notices) == sorted(text(*each) for each in notices)


def test_results_are_read_only_back_to_the_oldest_event_outside_the_stream() -> None:
    stored = Stored([text("result", second, second) for second in range(0, 1000, 10)])
    assert len(outside(stored, [(PROGRESS, 5000, 950)]).progress) == 1
    assert stored.read <= 10


def test_a_result_whose_transaction_began_before_that_of_the_progress_ends_it_too() -> None:
    """Times are those of the beginning of a transaction, and the result's may have waited."""
    stored = Stored([text("result", 1, 99), text("result", 2, 99)])
    assert outside(stored, [(PROGRESS, 1, 100)]).progress == []


def test_a_notice_that_comes_long_after_its_result_is_not_sent() -> None:
    """The provider sent its webhook again, and this time the database failed."""
    stored = Stored([text("result", 1, 1), text("result", 2, 2)])
    assert outside(stored, [("notice", 1, 2000), (PROGRESS, 3, 2000)]).notices == []


def test_progress_older_than_the_results_that_are_read_is_not_sent() -> None:
    """Its result may be among those that were not read."""
    many = 3 * replay.RECENT_RESULTS
    stored = Stored([text("result", second, second) for second in range(many)])
    sent = outside(stored, [(PROGRESS, 1, 0), (PROGRESS, 5000, many)])
    assert stored.read == replay.RECENT_RESULTS
    assert sent.progress == [text(PROGRESS, 5000, many)]


def test_without_events_outside_the_stream_nothing_is_read() -> None:
    stored = Stored([text("result", 1, 1)])
    assert outside(stored, []) == ([], [], 0)
    assert stored.read == 0
    assert replay.most_frames_outside(Standing(HEAD, [])) == 0


def test_several_tabs_of_a_user_with_running_generations_may_say_hello_at_once() -> None:
    standing = Standing(HEAD, [text(PROGRESS, 1, 1)] * 100)
    assert 5 * replay.most_frames_outside(standing) < BURST_FRAMES


@given(st.lists(st.integers(1, 40), max_size=150), st.integers(0, 149))
def test_no_hello_costs_more_than_it_took_before(kilobytes: list[int], second: int) -> None:
    results = [
        json.dumps(
            {**json.loads(text("result", n, n)), "x": "x" * min(size * 1000, MAX_EVENT_BYTES - 200)}
        )
        for n, size in enumerate(kilobytes)
    ]
    found = [(PROGRESS, 5000, second)]
    standing = Standing(HEAD, [text(*each) for each in found])
    sent = outside(Stored(results), found)
    frames = [*sent.notices, *sent.progress]
    cost = replay.Answer(frames, sent.read).cost
    assert cost <= replay.most_frames_outside(standing)
