"""One run over dead letters: its counts, and how it is interrupted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType


class Interrupt:
    """Turns Ctrl-C and SIGTERM into a flag that is checked between two requests.

    A second one stops the run at once: letters in flight may then be copied but not deleted.
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
    """The counts of a run so far, in letters.

    Between two requests, `stop` is asked and `progress` is called.
    """

    def __init__(
        self,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.done = 0  # moved or deleted
        self.refused = 0  # not accepted, or not deleted: still there
        self.doubled = 0  # the copy was accepted, but the letter could not be deleted
        self.passed_over = 0  # not matched by the filter
        self.reasons: set[str] = set()
        self.stop = stop
        self._progress = progress

    def add(self, count: int) -> None:
        """Count letters as done."""
        self.done += count
        self._progress(count)

    def full(self, limit: int | None) -> bool:
        """Whether the limit is reached."""
        return limit is not None and self.done + self.doubled >= limit
