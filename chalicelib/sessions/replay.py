"""Answers a request for all events after a cursor, with a replay or with a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib import metrics, telemetry
from chalicelib.protocol import server_frames
from chalicelib.store.inbox import REPLAY_LIMIT
from chalicelib.store.replay_budget import frames_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.protocol.client_frames import Cursor
    from chalicelib.protocol.server_frames import GapReason
    from chalicelib.store.inbox import Head, Inbox, Standing, StoredEvent


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


def size(events: Iterable[StoredEvent]) -> int:
    """Return the size of some events, in bytes."""
    return sum(len(stored.text.encode()) for stored in events)


def most_frames(head: Head, cursor: Cursor, limit: int) -> int:
    """Return how many frames `plan`'s events fill at most: one frame for each event."""
    epoch, offset = cursor["epoch"], cursor["offset"]
    if head.epoch is None or (epoch and str(epoch) != head.epoch):
        return 0
    return min(max(0, head.offset - offset), limit + 1)


def most_frames_of_notices(standing: Standing) -> int:
    """Return how many frames the notices, and the events read to filter them, fill at most."""
    frames = frames_of(0, sum(len(text.encode()) for text in standing.notices))
    return frames + REPLAY_LIMIT if may_be_superseded(standing) else frames


def may_be_superseded(standing: Standing) -> bool:
    """Whether there are notices, and results that may supersede them."""
    return bool(standing.notices) and standing.head.epoch is not None


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
        return Replay(user_id, cursor, head, events, gap, size(found))

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


def frames(inbox: Inbox, re: object, replay: Replay) -> list[str]:
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


def _gap(inbox: Inbox, re: object, replay: Replay, reason: GapReason) -> str:
    requested = {name: value for name, value in replay.cursor.items() if value is not None}
    return server_frames.gap(
        re,
        requested=requested,
        epoch=replay.head.epoch,
        earliest=inbox.earliest(replay.user_id, replay.head),
        head=replay.head.offset,
        reason=reason,
    )
