"""When an open connection sends a keepalive, and when a ping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from herald_client.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from herald_client.events import Frame
    from herald_client.platform import Platform

_SPREAD = 0.1  # clients that connected together must not send together
_PING_TRIES = 2
_ANSWER_SECONDS = 10.0


class Keepalive:
    """Sends keepalives and pings at the intervals that docs/protocol.md requires.

    A keepalive only postpones the server's idle timeout. It has no answer, so a lost event
    or a broken connection goes unnoticed. A ping detects both, but costs more. Each message, in
    either direction, restarts the interval of keepalives. Only a message with the stream's head
    restarts that of pings, so a lost event is noticed within two keepalive intervals.
    """

    def __init__(
        self, platform: Platform, keepalive: Callable[[], None], ping: Callable[[int], None]
    ) -> None:
        self._clock = platform.clock
        self._random = platform.random
        self._keepalive = keepalive
        self._ping = ping
        self._timers = Timers(platform.clock)
        self._running = False
        self._interval: float | None = None  # of keepalives; None without a route for them
        self._ping_interval = 0.0
        self._active_at = 0.0  # when the last message was sent or received
        self._proven_at = 0.0  # the time up to which the stream's head is known
        self._pinged_at = float("-inf")

    def start(self, welcome: Frame, asked_at: float) -> None:
        """Start after the welcome to the hello that was sent at `asked_at`."""
        self._ping_interval = welcome["ping_ms"] / 1000
        keepalive_ms = welcome.get("keepalive_ms")
        self._interval = keepalive_ms / 1000 if keepalive_ms else None
        self._running = True
        self.proven(asked_at)

    def stop(self) -> None:
        self._running = False
        self._timers.stop_all()

    def active(self) -> None:
        """Record that a message was sent or received."""
        self._active_at = self._clock.monotonic()
        self._arm()

    def proven(self, moment: float) -> None:
        """Record that the head was known then: nothing lost before is still unnoticed."""
        self._proven_at = max(self._proven_at, moment)
        self._arm()

    def pinged(self) -> None:
        """Record that a ping was sent."""
        self._pinged_at = self._clock.monotonic()
        self._arm()

    def _arm(self) -> None:
        if self._running:
            self._timers.start("next", self._next() - self._clock.monotonic(), self._run)

    def _next(self) -> float:
        if self._interval is None:
            return max(self._proven_at, self._pinged_at) + self._ping_interval
        keepalive = self._active_at + self._interval * (1 - _SPREAD * self._random())
        # A ping that was throttled is not repeated at once.
        ping = max(self._proven_at + self._longest, self._pinged_at + self._ping_interval)
        return min(keepalive, ping)

    @property
    def _longest(self) -> float:
        """How long the head may be unknown before the next ping."""
        return 2 * (self._interval or 0.0) - _ANSWER_SECONDS

    def _run(self) -> None:
        unproven = self._clock.monotonic() - self._proven_at
        # A ping that is due within half an interval is sent now, in place of the keepalive.
        if self._interval and unproven < self._longest - self._interval / 2:
            self._keepalive()
        else:
            self._ping(_PING_TRIES)
