"""Shows progress on a terminal or in a log: the current step, its duration and its result.

Progress is printed to stderr, because stdout is for the result of a command.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_LOG_INTERVAL = 15.0  # seconds between two progress lines of a step if there is no terminal


class Step:
    """One step, as a context manager. `note` reports its progress, `done` its result.

    On a terminal, the step has one line, which is updated. Otherwise, the step prints a line when
    it starts, at intervals while it runs, and when it finishes.
    """

    def __init__(self, title: str, hint: str = "") -> None:
        self._title = f"{title} ({hint})" if hint else title
        self._name = title
        self._note = ""
        self._result = ""
        self._terminal = sys.stderr.isatty()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def note(self, text: str) -> None:
        self._note = text

    def done(self, text: str) -> None:
        self._result = text

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._show(f"→ {self._title}", rewritten=True)
        self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._ticker.join()
        if kind is not None:
            self._show(f"✗ {self._name}, {self.seconds:.1f} s")
            return
        details = ", ".join(part for part in (self._result, f"{self.seconds:.1f} s") if part)
        self._show(f"✓ {self._name}: {details}")

    def _tick(self) -> None:
        while not self._over.wait(0.5 if self._terminal else _LOG_INTERVAL):
            note = f", {self._note}" if self._note else ""
            self._show(f"→ {self._title}{note}, {self.seconds:.0f} s", rewritten=True)

    def _show(self, line: str, *, rewritten: bool = False) -> None:
        if self._terminal:
            sys.stderr.write(f"\r\x1b[2K{line}" + ("" if rewritten else "\n"))
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
