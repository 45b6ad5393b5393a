"""Delays between attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Backoff:
    """Exponential backoff with jitter over the whole range.

    Without jitter, all clients would reconnect at the same time after an outage. All times are in
    seconds.
    """

    def __init__(self, least: float, most: float, random: Callable[[], float]) -> None:
        self.attempt = 0
        self._least = least
        self._most = most
        self._random = random

    def next(self) -> float:
        """Return the next delay: at least `least`, and at most `least` doubled once per failure."""
        self.attempt += 1
        # 2.0 ** 1024 would overflow
        ceiling = min(self._most, self._least * 2.0 ** min(self.attempt, 64))
        return self._least + self._random() * (ceiling - self._least)

    def reset(self) -> None:
        self.attempt = 0
