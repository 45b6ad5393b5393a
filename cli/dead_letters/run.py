"""A run over dead letters: its counts and its interruption."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType


class Interrupt:
    """Sets a flag on Ctrl-C or SIGTERM; a run checks the flag between two requests.

    A second signal stops the run immediately. Messages in flight may then be copied but not
    deleted.
    """

    requested = False

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class Run:
    """The numbers of dead letters that a run has processed so far.

    Between two requests, the run calls `progress` and `stop`. If `stop` returns true, the run ends.
    """

    def __init__(
        self,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.done = 0  # moved or deleted
        self.refused = 0  # not moved or not deleted, so still in the queue
        self.doubled = 0  # copied, but the original could not be deleted
        self.passed_over = 0  # not selected by the filter
        self.reasons: set[str] = set()
        self.stop = stop
        self._progress = progress

    def add(self, count: int) -> None:
        """Count dead letters as processed."""
        self.done += count
        self._progress(count)

    def full(self, limit: int | None) -> bool:
        """Whether the limit has been reached."""
        return limit is not None and self.done + self.doubled >= limit
