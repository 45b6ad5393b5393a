"""Named timers that are stopped together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from herald_client.platform import Clock, Timer


class Timers:
    """Timers of one connection. Starting a timer replaces the one with the same name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timers: dict[str, Timer] = {}

    def start(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` once, after `seconds`."""

        def run() -> None:
            self._timers.pop(name, None)
            action()

        self.stop(name)
        self._timers[name] = self._clock.call_later(max(0.0, seconds), run)

    def running(self, name: str) -> bool:
        return name in self._timers

    def stop(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

    def stop_all(self) -> None:
        for name in list(self._timers):
            self.stop(name)
