"""The end of a program's output, for error messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LINES = 15


def last_lines(text: str) -> str:
    """Return the last lines of `text`."""
    return "\n".join(text.splitlines()[-_LINES:])


def ending(log: Path) -> str:
    """Return a sentence that names `log` and quotes its last lines."""
    return f"The end of {log}:\n{last_lines(log.read_text(errors='replace'))}"
