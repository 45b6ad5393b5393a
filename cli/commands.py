"""What the operators' commands share: the question before harm, durations, errors and exit codes.

Exit codes: 0 everything asked for was done · 1 some of it was not, or the answer was no · 2 nothing
was begun: wrong usage, unknown target, no access.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DONE, PARTLY, NOT_BEGUN = 0, 1, 2

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class CommandError(Exception):
    """The command cannot be begun; the message says what to do about it."""


def duration(text: str) -> int:
    """Read a duration such as 90s, 10m, 2h or 3d; return seconds."""
    match = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 90s, 10m, 2h or 3d")
    return int(match[1]) * _UNITS[match[2]]


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def age(seconds: float) -> str:
    """Write a duration with its largest unit: 45s, 10m, 2h, 3d."""
    whole = max(0, int(seconds))
    for unit in ("d", "h", "m"):
        if whole >= _UNITS[unit]:
            return f"{whole // _UNITS[unit]}{unit}"
    return f"{whole}s"


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask before harm is done; without a terminal only `--yes` is an answer."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise CommandError(f"{question} There is no terminal to ask on: give --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def note(text: str) -> None:
    """Tell the operator something that is not the command's result."""
    print(text, file=sys.stderr)


def run(main: Callable[[], int]) -> int:
    """Run a command; what hinders it is told in a line, not in a traceback."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return main()
    except (CommandError, BotoCoreError, ClientError) as exc:
        note(str(exc))
        return NOT_BEGUN
    except KeyboardInterrupt:
        note("Interrupted.")
        return PARTLY
