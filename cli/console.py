"""Console functions for all commands: exit codes, errors, notes, results and confirmations.

The exit codes are: 0 for success; 1 if only part was done, or if the operator answered no; 2 if
nothing was done, for example because of wrong usage, an unknown target or missing access.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

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
        raise CommandError(f"{question} There is no terminal to ask on: give --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def note(text: str) -> None:
    """Print a message that is not part of the command's result."""
    print(text, file=sys.stderr)


def print_json(result: Any) -> None:
    """Print a result as JSON, for scripts."""
    print(json.dumps(result, indent=2, ensure_ascii=False))


def tables(wide: int = 160) -> Console:
    """Return a console for tables on stdout. Without a terminal, it has `wide` columns."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else wide)
