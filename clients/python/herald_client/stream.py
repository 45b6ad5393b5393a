"""The user's stream across connections: order, duplicates, missing events and gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from herald_client.cursor import GRACE_SECONDS, Cursor, Range, RecentIds
from herald_client.events import PROGRESS, Event, Gap, Problem, Progress
from herald_client.recovery import Ask, Recovery
from herald_client.running import Running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from herald_client.events import Frame
    from herald_client.inbox import Inbox
    from herald_client.platform import Platform
    from herald_client.position import Position


class Source(Protocol):
    """The connection on which a frame arrived."""

    def ping(self) -> None:
        """Request the stream's head."""

    def current(self) -> None:
        """Record that the newest event has arrived."""


class Listener(Protocol):
    """What the stream reports."""

    def on_recovered(self) -> None: ...
    def on_gap(self, gap: Gap) -> None: ...
    def on_problem(self, problem: Problem) -> None: ...


class Stream:
    """Puts each event into the inbox once, and keeps the position of what was handled."""

    def __init__(
        self, platform: Platform, inbox: Inbox, position: Position, ask: Ask, listener: Listener
    ) -> None:
        self._clock = platform.clock
        self._inbox = inbox
        self._store = position
        self._listener = listener
        self._cursor = Cursor()
        self._written = True  # whether the last attempt to store the position succeeded
        self._seen = RecentIds()
        self._finished = RecentIds()  # generations whose result has arrived
        self._running = Running()
        self._recovery = Recovery(
            self._cursor,
            platform,
            ask,
            listener.on_recovered,
            self._stepped_over,
            lambda: inbox.full,
        )

    def open(self, owner: str, *, from_start: bool) -> None:
        """Continue from the stored position of `owner`, not from the current one.

        Without a stored position, the stream begins at the next event or, if `from_start`, with the
        oldest event that is still stored.
        """
        self._cursor.forget()
        try:
            stored = self._store.read(owner)
        except OSError as exc:
            self._listener.on_problem(Problem("position_not_read", str(exc), cause=exc))
            stored = None
        if stored:
            self._cursor.restore(stored, self._clock.monotonic())
        elif from_start:
            self._cursor.adopt(None, 0, self._clock.monotonic())

    def forget(self) -> None:
        """Drop the position, also from the store: the next welcome gives a new one."""
        self._cursor.forget()
        self._write(stored=False)
        self._recovery.update()

    @property
    def position(self) -> Mapping[str, Any] | None:
        """The epoch and the highest offset up to which the application has handled all events.

        It is None before the first welcome. The epoch is missing while the stream has no event.
        """
        cursor = self._cursor
        if not cursor.known:
            return None
        pending = (offset - 1 for offset in self._unhandled() if offset > cursor.floor)
        offset = min(pending, default=cursor.offset)
        place = {"offset": min(offset, cursor.offset)}
        return place if cursor.epoch is None else {"epoch": cursor.epoch, **place}

    def start(self) -> None:
        """Request missing events: a connection is ready."""
        self._recovery.start()

    def stop(self) -> None:
        self._recovery.stop()

    def handled(self) -> None:
        """Record that the application has handled an item of the inbox."""
        self._moved()

    def receive(self, frame: Frame, source: Source) -> None:
        """Process a frame."""
        match frame["type"]:
            case "event":
                self._deliver(frame, source)
            case "events":
                for item in frame["items"]:
                    self._deliver(item, source)
            case "welcome":
                self._begin(frame["stream"]["epoch"], frame["stream"]["head"])
            case "pong":
                self._compare(frame["epoch"], frame["head"])
            case "gap":
                requested = frame.get("requested") or {}
                self._continue(Gap(frame["reason"], frame["epoch"], frame["head"], requested))

    def _deliver(self, frame: Frame, source: Source) -> None:
        epoch, offset = frame["epoch"], frame["offset"]
        generation, kind = frame["event"]["subject"], frame["event"].get("type")
        if epoch is None or offset is None:
            # Notices and progress can arrive after the result: SQS does not keep the order.
            if generation in self._finished:
                return
            if kind != PROGRESS:
                self._pass_on(frame)
            elif self._running.advance(generation, frame["event"].get("time", "")):
                self._inbox.advance(Progress.of(frame))
            return
        place = self._cursor.place(epoch, offset)
        now = self._clock.monotonic()
        if place == "duplicate":
            return
        if place == "new" and self._inbox.full:
            # The event counts as missing until the application has caught up.
            self._cursor.learn(epoch, offset, now, now)
            self._moved()
            return
        self._finished.add(generation)
        self._running.finish(generation)
        self._pass_on(frame)
        newest = place == "new" and offset > self._cursor.highest
        self._cursor.receive(epoch, offset, now)
        self._moved()
        if newest and not frame.get("replayed"):
            source.current()
        if place == "newer_epoch":
            source.ping()

    def _pass_on(self, frame: Frame) -> None:
        if self._seen.add(frame["event"]["id"]):
            self._inbox.add(Event.of(frame))

    def _begin(self, epoch: str | None, head: int) -> None:
        """Start at the head. A reader that resumes learns how many events are missing."""
        if self._cursor.known:
            self._learn(epoch, head, GRACE_SECONDS)
        else:
            self._cursor.adopt(epoch, head, self._clock.monotonic())
            self._moved()

    def _compare(self, epoch: str | None, head: int) -> None:
        """Detect missing events even if no later event arrives."""
        own, requested = self._cursor.epoch, self.position
        if requested is not None and epoch is not None and own is not None and epoch > own:
            self._continue(Gap("epoch_changed", epoch, head, requested))
        else:
            self._learn(epoch, head, 0.0)

    def _learn(self, epoch: str | None, head: int, wait: float) -> None:
        # A different epoch is handled elsewhere: by a gap, or by an event of the new epoch.
        if not self._cursor.known or epoch is None or self._cursor.epoch not in (None, epoch):
            return
        now = self._clock.monotonic()
        self._cursor.learn(epoch, head, now, now + wait)
        self._moved()

    def _continue(self, gap: Gap) -> None:
        self._cursor.adopt(gap.epoch, gap.head, self._clock.monotonic())
        self._moved()
        self._listener.on_gap(gap)

    def _stepped_over(self, spans: list[Range]) -> None:
        epoch, head = self._cursor.epoch, self._cursor.highest
        self._moved()
        for span in spans:
            requested = {"epoch": epoch, "offset": span.first - 1}
            self._listener.on_gap(Gap("missing", epoch, head, requested))

    def _moved(self) -> None:
        self._write(stored=True)
        self._recovery.update()

    def _unhandled(self) -> list[int]:
        return list(self._inbox.unhandled(self._cursor.epoch))

    def _write(self, *, stored: bool) -> None:
        if not self._store.kept:
            return
        now = self._clock.monotonic()
        snapshot = self._cursor.snapshot(now, self._unhandled()) if stored else None
        if stored and snapshot is None:
            return
        try:
            self._store.write(snapshot)
            self._written = True
        except OSError as exc:
            # The position in memory stays correct. A restart replays more than necessary.
            if self._written:
                self._listener.on_problem(Problem("position_not_stored", str(exc), cause=exc))
            self._written = False
