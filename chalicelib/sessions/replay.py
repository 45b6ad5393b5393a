"""Answers a request for all events after a cursor, with a replay or with a gap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import metrics, telemetry
from chalicelib.protocol import events, server_frames
from chalicelib.store.replay_budget import frames_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.protocol.client_frames import Cursor
    from chalicelib.protocol.frame_types import FrameId, GapReason, Requested
    from chalicelib.store.inbox import Head, Inbox, Standing, StoredEvent


RECENT_RESULTS = 100  # read at most, to know which generations are still open
# the most by which the times of two transactions may contradict the order of their commits
CLOCK_SECONDS = 30


class Replay(NamedTuple):
    """The answer to a cursor: events to replay, or the reason for a gap.

    `read` is the size of all events that were read for the answer, in bytes.
    """

    user_id: str
    cursor: Cursor
    head: Head
    events: list[StoredEvent]
    gap: GapReason | None
    read: int


class Answer(NamedTuple):
    """Frames for a client, and the size in bytes of the events that were read for them."""

    frames: list[str]
    read: int

    @property
    def cost(self) -> int:
        """The cost to the user's replay budget, in frames."""
        return frames_of(len(self.frames), self.read)


class Outside(NamedTuple):
    """Events outside the stream that `hello` sends again, oldest first, and the bytes read for
    them.
    """

    notices: list[str]
    progress: list[str]
    read: int


class _Results(NamedTuple):
    """The newest results of a stream; `since` is the time from which all of them are known."""

    generations: set[str]
    since: float
    read: int


def _size(texts: Iterable[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def most_frames(head: Head, cursor: Cursor, limit: int) -> int:
    """Return how many frames `plan`'s events fill at most: one frame for each event."""
    epoch, offset = cursor["epoch"], cursor["offset"]
    if head.epoch is None or (epoch and str(epoch) != head.epoch):
        return 0
    return min(max(0, head.offset - offset), limit + 1)


def most_frames_outside(standing: Standing) -> int:
    """Return how many frames the events outside the stream fill at most, with the results read for
    them.
    """
    if not standing.outside:
        return 0
    results = RECENT_RESULTS if standing.head.epoch is not None else 0
    return frames_of(0, _size(standing.outside)) + results


def outside(inbox: Inbox, user_id: str, standing: Standing) -> Outside:
    """Return the notices and the newest progress of each generation that has no result yet."""
    if not standing.outside:
        return Outside([], [], 0)
    found = [(json.loads(text), text) for text in reversed(standing.outside)]  # oldest first
    # A notice may be about a webhook that was sent again after the result; no progress is so late.
    only_progress = all(event["type"] == events.PROGRESS for event, _ in found)
    oldest = events.seconds(found[0][0]["time"]) if only_progress else 0
    results = _results(inbox, user_id, standing.head, oldest)
    notices: list[str] = []
    progress: dict[str, str] = {}
    for event, text in found:
        if event["subject"] in results.generations:
            continue
        if event["type"] != events.PROGRESS:
            notices.append(text)
        elif events.seconds(event["time"]) >= results.since:
            progress[event["subject"]] = text  # a newer one takes its place
    read = _size(standing.outside) + results.read
    return Outside(notices, list(progress.values()), read)


def _results(inbox: Inbox, user_id: str, head: Head, oldest: float) -> _Results:
    """Read the newest results, back to a time, but at most RECENT_RESULTS."""
    generations: set[str] = set()
    read = 0
    if head.epoch is None:
        return _Results(generations, 0, read)
    for number, stored in enumerate(inbox.newest_first(user_id, head), 1):
        event = json.loads(stored.text)
        generations.add(event["subject"])
        read += len(stored.text.encode())
        recorded_at = events.seconds(event["time"])
        if recorded_at < oldest - CLOCK_SECONDS:
            break
        if number == RECENT_RESULTS:
            return _Results(generations, recorded_at + CLOCK_SECONDS, read)
    return _Results(generations, 0, read)


def plan(
    inbox: Inbox, user_id: str, head: Head, cursor: Cursor, limit: int, *, partial: bool
) -> Replay:
    """Decide whether all events after the cursor can be replayed.

    If there are more than `limit` events, the answer is the first `limit` events if `partial` is
    true, else a gap.
    """
    epoch, offset = cursor["epoch"], cursor["offset"]
    found: list[StoredEvent] = []

    def answer(events: list[StoredEvent], gap: GapReason | None = None) -> Replay:
        read = _size(stored.text for stored in found)
        return Replay(user_id, cursor, head, events, gap, read)

    if epoch and str(epoch) != head.epoch:
        return answer([], "epoch_changed")
    if offset > head.offset:
        return answer([], "ahead")
    if head.epoch is None or offset == head.offset:
        return answer([])
    found = inbox.after(user_id, head.epoch, offset, limit=limit + 1)
    # An offset missing between stored events is not a gap: its event is only not delivered yet. A
    # request without an epoch and with offset 0 asks for all stored events.
    contiguous = bool(found) and found[0].offset == offset + 1
    everything_kept = epoch is None and offset == 0 and not partial
    if not contiguous and not everything_kept and inbox.earliest(user_id, head) > offset + 1:
        return answer([], "expired")
    if len(found) > limit and not partial:
        return answer([], "limit")
    return answer(found[:limit])


def frames(inbox: Inbox, re: FrameId, replay: Replay) -> list[str]:
    """Return the frames of a replay, including `caught_up`, or of a gap."""
    if replay.gap is not None:
        telemetry.emit({metrics.GAPS: 1})
        return [_gap(inbox, re, replay, replay.gap)]
    telemetry.emit({metrics.REPLAYED: len(replay.events)})
    epoch = replay.head.epoch
    last = replay.events[-1].offset if replay.events else replay.cursor["offset"]
    items = (
        server_frames.event(stored.text, epoch, stored.offset, replayed=True)
        for stored in replay.events
    )
    return [*server_frames.events(items), server_frames.caught_up(re, last)]


def _gap(inbox: Inbox, re: FrameId, replay: Replay, reason: GapReason) -> str:
    requested: Requested = {"offset": replay.cursor["offset"]}
    if (epoch := replay.cursor["epoch"]) is not None:
        requested["epoch"] = str(epoch)
    return server_frames.gap(
        re,
        requested=requested,
        epoch=replay.head.epoch,
        earliest=inbox.earliest(replay.user_id, replay.head),
        head=replay.head.offset,
        reason=reason,
    )
