"""Reads stack.env, the file with the addresses and secrets of a local stack that is running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tooling import BUILD, SetupError

if TYPE_CHECKING:
    from pathlib import Path

STACK = BUILD / "local"
STACK_ENV = STACK / "stack.env"


def read(path: Path) -> dict[str, str]:
    """Return the KEY=value lines of a stack.env file; raises SetupError if the file does not
    exist.
    """
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        raise SetupError("The stack is not up: run `make up` first.") from None
    return dict(line.split("=", 1) for line in lines if "=" in line)
