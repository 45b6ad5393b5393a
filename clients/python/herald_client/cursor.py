"""The reader's position in a stream: which events have arrived and which are missing."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GRACE_SECONDS = 2.0  # how long an offset may be missing before it is requested
_MAX_HOLES = 1_000
_MAX_SKIPPED = 100
_MAX_EARLY = 1_000

Place = Literal["early", "new", "late", "duplicate", "newer_epoch", "older_epoch"]


class Range(NamedTuple):
    """Offsets from `first` to `last`, both included."""

    first: int
    last: int

    def __contains__(self, offset: object) -> bool:
        return isinstance(offset, int) and self.first <= offset <= self.last


@dataclass(slots=True)
class Hole:
    """Missing offsets: `since` when, when they are requested (`due`), and how often they were."""

    span: Range
    since: float
    due: float
    tries: int = 0


class Snapshot(NamedTuple):
    """A position that can be stored. `holes` are the missing ranges, and since when."""

    epoch: str | None
    highest: int
    floor: int
    holes: tuple[tuple[Range, float], ...]
    skipped: tuple[Range, ...]


class Cursor:
    """All events up to `highest` have been received, except those in `holes`.

    Events up to `floor` are not missing, because reading began there. If one arrives anyway, it is
    late. `skipped` are holes that were given up; their events are still accepted.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Return to the start: the position is unknown, and events are only collected."""
        self.known = False
        self.epoch: str | None = None
        self.highest = self.floor = 0
        self.holes: list[Hole] = []
        self.skipped: list[Range] = []
        self._early: deque[tuple[str, int]] = deque(maxlen=_MAX_EARLY)

    @property
    def offset(self) -> int:
        """The highest contiguous offset: every event up to it has been received."""
        return self.holes[0].span.first - 1 if self.holes else self.highest

    def place(self, epoch: str, offset: int) -> Place:
        """Classify an event by its position; changes nothing."""
        if not self.known:
            return "early"
        if self.epoch is not None and epoch != self.epoch:
            # Epochs are UUIDv7, so they sort by age.
            return "newer_epoch" if epoch > self.epoch else "older_epoch"
        if offset > self.highest or any(offset in hole.span for hole in self.holes):
            return "new"
        late = offset <= self.floor or any(offset in span for span in self.skipped)
        return "late" if late else "duplicate"

    def receive(self, epoch: str, offset: int, now: float) -> None:
        """Record that an event has arrived."""
        match self.place(epoch, offset):
            case "early" | "newer_epoch":
                self._early.append((epoch, offset))
            case "new":
                self.learn(epoch, offset, now, now + GRACE_SECONDS)
                self._close(offset)
            case "late":
                spans = (_split(span, offset) for span in self.skipped)
                self.skipped = [part for parts in spans for part in parts]

    def learn(self, epoch: str | None, head: int, now: float, due: float) -> None:
        """Record that the stream reaches `head`.

        Missing offsets up to `head` become a hole, which is requested at `due`. `epoch` is the
        cursor's epoch, or the first one of a stream that was empty.
        """
        self.epoch = epoch
        if head > self.highest:
            self.holes.append(Hole(Range(self.highest + 1, head), now, due))
            self.highest = head

    def adopt(self, epoch: str | None, head: int, now: float) -> None:
        """Continue from `head` regardless of earlier events: a new reader, a gap or a new epoch.

        Live events above `head` may have arrived before the frame with the head: they stay
        received. If `head` is below the contiguous offset, the cursor moves back to `head`.
        """
        ahead = epoch == self.epoch and self.offset <= head
        self.known, self.epoch, self.floor, self.skipped = True, epoch, head, []
        self.holes = [hole for hole in self.holes if ahead and hole.span.last > head]
        if self.holes and self.holes[0].span.first <= head:
            self.holes[0].span = Range(head + 1, self.holes[0].span.last)
        self.highest = max(self.highest, head) if ahead else head
        early = [event for event in self._early if epoch is None or event[0] == epoch]
        self._early.clear()
        for event in early:
            self.receive(*event, now)

    def step_over(self, since: float) -> list[Range]:
        """Give up the holes that opened at or before `since`, and the oldest of too many.

        Returns the ranges that were given up.
        """
        surplus = len(self.holes) - _MAX_HOLES
        kept, given = [], []
        for index, hole in enumerate(self.holes):
            if hole.since <= since or index < surplus:
                given.append(hole.span)
            else:
                kept.append(hole)
        self.holes = kept
        self.skipped = [*self.skipped, *given][-_MAX_SKIPPED:]
        return given

    def snapshot(self, now: float, unhandled: Iterable[int] = ()) -> Snapshot | None:
        """Return the position; events that the application has not handled count as missing.

        `unhandled` are offsets of events that were received. Returns None while the position is
        unknown.
        """
        if not self.known:
            return None
        holes = {hole.span: hole.since for hole in self.holes}
        for span in _runs(offset for offset in unhandled if offset > self.floor):
            holes[span] = now
        missing = tuple(sorted(holes.items()))
        return Snapshot(self.epoch, self.highest, self.floor, missing, tuple(self.skipped))

    def restore(self, snapshot: Snapshot, now: float) -> None:
        """Continue from a stored position, whose times are those of the monotonic clock."""
        self.forget()
        self.known = True
        self.epoch, self.highest, self.floor = snapshot.epoch, snapshot.highest, snapshot.floor
        self.skipped = list(snapshot.skipped)
        due = now + GRACE_SECONDS
        self.holes = [Hole(span, min(since, now), due) for span, since in snapshot.holes]

    def _close(self, offset: int) -> None:
        for index, hole in enumerate(self.holes):
            if offset in hole.span:
                parts = _split(hole.span, offset)
                self.holes[index : index + 1] = [replace(hole, span=part) for part in parts]
                return


class RecentIds:
    """The most recent ids, at most `limit` of them."""

    def __init__(self, limit: int = 1_000) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._limit = limit

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def add(self, name: str) -> bool:
        """Remember an id; returns False if it was known."""
        if name in self._ids:
            return False
        self._ids[name] = None
        if len(self._ids) > self._limit:
            self._ids.popitem(last=False)
        return True


def _runs(offsets: Iterable[int]) -> list[Range]:
    """Return ranges that cover exactly these offsets."""
    runs: list[Range] = []
    for offset in sorted(offsets):
        if runs and offset == runs[-1].last + 1:
            runs[-1] = Range(runs[-1].first, offset)
        else:
            runs.append(Range(offset, offset))
    return runs


def _split(span: Range, offset: int) -> Sequence[Range]:
    """Return what remains of a range without an offset."""
    if offset not in span:
        return [span]
    parts = Range(span.first, offset - 1), Range(offset + 1, span.last)
    return [part for part in parts if part.first <= part.last]
