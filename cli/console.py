"""Console functions for all commands: exit codes, errors, notes, results and confirmations.

Printed text may come from outside: an event, a key's label, an error from AWS. All commands print
through this module, which escapes the characters that would control the terminal.

Exit codes: 0 all done · 1 partly done, or the operator answered no · 2 nothing was done, because of
wrong usage, an unknown target or a lack of access.
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
    from rich.table import Table

    Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers

DONE, PARTLY, NOT_BEGUN = 0, 1, 2

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class CommandError(Exception):
    """The command cannot start; the message says how to fix this."""


def age(seconds: float) -> str:
    """Format a duration in its largest unit, such as 45s, 10m, 2h or 3d."""
    whole = max(0, int(seconds))
    for unit in ("d", "h", "m"):
        if whole >= UNITS[unit]:
            return f"{whole // UNITS[unit]}{unit}"
    return f"{whole}s"


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask the operator for confirmation. Without a terminal, `--yes` is required."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise CommandError(f"{question} Without a terminal, the command cannot ask: use --yes.")
    print(f"{lines(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def printable(text: str) -> str:
    """Escape all characters that control a terminal or are invisible on it.

    These are control characters (C0, C1), bidirectional controls, other invisible characters, and
    surrogates, which cannot be encoded.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def lines(text: str) -> str:
    """Return text of several lines, with the characters of each line escaped by `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def say(result: object) -> None:
    """Print a result for people."""
    print(lines(str(result)))


@contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C, so that the command always cleans up."""
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
    print(lines(text), file=sys.stderr)


def print_json(result: Any) -> None:
    """Print a result for scripts, in ASCII."""
    text = json.dumps(result, indent=2, ensure_ascii=True)
    print(text.replace("\x7f", "\\u007f"))  # the only control character that json does not escape


def add_row(table: Table, *cells: str) -> None:
    """Add a row to a table; the cells are plain text, not Rich's markup."""
    from rich.text import Text

    table.add_row(*(Text(printable(cell)) for cell in cells))


def tables(wide: int = 160) -> Console:
    """Return a console for tables on stdout. Without a terminal, it has `wide` columns."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else wide)
