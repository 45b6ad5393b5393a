"""What the commands share on the console: exit codes, errors, notes, results and the question.

Exit codes: 0 all done · 1 partly done, or the answer was no · 2 not begun: wrong usage, unknown
target, no access.
"""

from __future__ import annotations

import json
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from rich.console import Console

    Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers

DONE, PARTLY, NOT_BEGUN = 0, 1, 2

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class CommandError(Exception):
    """The command cannot begin; the message says what to do about it."""


def age(seconds: float) -> str:
    """Write a duration with its largest unit: 45s, 10m, 2h, 3d."""
    whole = max(0, int(seconds))
    for unit in ("d", "h", "m"):
        if whole >= UNITS[unit]:
            return f"{whole // UNITS[unit]}{unit}"
    return f"{whole}s"


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask before something is destroyed; without a terminal, only `--yes` is an answer."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise CommandError(f"{question} There is no terminal to ask on: give --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C: whatever stops us, we stop in order."""
    with _handling(signal.default_int_handler, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM for the few seconds that cleaning up takes."""
    with _handling(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def _handling(handler: Handler, *numbers: signal.Signals) -> Iterator[None]:
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, earlier in zip(numbers, before, strict=True):
            signal.signal(number, earlier)


def note(text: str) -> None:
    """Print something that is not the command's result."""
    print(text, file=sys.stderr)


def print_json(result: Any) -> None:
    """Print a result for scripts."""
    print(json.dumps(result, indent=2, ensure_ascii=False))


def tables(wide: int = 160) -> Console:
    """Return a console for tables on stdout, `wide` columns where there is no terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else wide)
