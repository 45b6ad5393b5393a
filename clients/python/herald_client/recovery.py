"""Requests missing events until they arrive or are given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from herald_client.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from herald_client.cursor import Cursor, Range
    from herald_client.events import Frame
    from herald_client.platform import Platform, Timer

GIVE_UP_SECONDS = 600.0
_RETRY_SECONDS = (2.0, 60.0)
_MOST_EVENTS = 100  # in one request


class Ask(Protocol):
    """Requests `limit` events after `since`; `answered` gets the answer, or None without one."""

    def __call__(
        self, since: int, limit: int, answered: Callable[[Frame | None], None], /
    ) -> None: ...


class Recovery:
    """Requests each hole of a cursor when it is due, with backoff, and skips it after ten minutes.

    Only one request is open at a time. An empty response is not an error, because the missing event
    may not be delivered yet. While `blocked`, nothing is requested. `recovered` is called once all
    requested events have arrived.
    """

    def __init__(
        self,
        cursor: Cursor,
        platform: Platform,
        ask: Ask,
        recovered: Callable[[], None],
        stepped_over: Callable[[list[Range]], None],
        blocked: Callable[[], bool],
    ) -> None:
        self._cursor = cursor
        self._platform = platform
        self._ask = ask
        self._recovered = recovered
        self._stepped_over = stepped_over
        self._blocked = blocked
        self._timer: Timer | None = None
        self._asking = False
        self._asked = False  # whether a hole was requested since the last time without holes
        self._running = False
        self._not_before = 0.0  # the server asked the client to wait until then

    def start(self) -> None:
        """Begin: a connection is ready for requests."""
        self._running, self._asking, self._asked = True, False, False
        self.update()

    def stop(self) -> None:
        self._running = False
        self._disarm()

    def update(self) -> None:
        """Set the timer for the hole that is due first. Call this when the cursor has changed."""
        self._disarm()
        holes = self._cursor.holes
        if not self._running or self._asking:
            return
        if not holes:
            self._finish()
            return
        if self._blocked():
            return
        due = min(min(hole.due, hole.since + GIVE_UP_SECONDS) for hole in holes)
        clock = self._platform.clock
        wait = max(0.0, max(due, self._not_before) - clock.monotonic())
        self._timer = clock.call_later(wait, self._tick)

    def _finish(self) -> None:
        if self._asked:
            self._asked = False
            self._recovered()

    def _tick(self) -> None:
        self._timer = None
        now = self._platform.clock.monotonic()
        expired = now - GIVE_UP_SECONDS
        due = [hole for hole in self._cursor.holes if hole.due <= now or hole.since <= expired]
        if not due:
            self.update()
            return
        first, last = due[0].span
        for hole in due[1:]:
            if hole.span.first == last + 1:  # its neighbor
                last = hole.span.last
        last = min(last, first + _MOST_EVENTS - 1)
        self._asking = self._asked = True
        self._ask(first - 1, last - first + 1, lambda answer: self._answered(first, last, answer))

    def _answered(self, first: int, last: int, answer: Frame | None) -> None:
        now = self._platform.clock.monotonic()
        self._asking = False
        reached = last
        if answer and answer["type"] == "caught_up" and answer["offset"] >= first:
            reached = min(last, answer["offset"])
        if answer and answer["type"] == "error":
            self._not_before = now + answer.get("retry_after_ms", 0) / 1000
        self._postpone(first, reached, now)
        if given_up := self._cursor.step_over(now - GIVE_UP_SECONDS):
            self._stepped_over(given_up)
        self.update()

    def _postpone(self, first: int, last: int, now: float) -> None:
        """Delay the next request for holes that were requested without success.

        Holes beyond the answer stay due.
        """
        for hole in self._cursor.holes:
            if hole.span.first <= last and hole.span.last >= first:
                hole.tries += 1
                backoff = Backoff(*_RETRY_SECONDS, self._platform.random)
                backoff.attempt = hole.tries
                hole.due = now + backoff.next()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
