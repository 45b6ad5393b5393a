"""A broken invariant."""

from __future__ import annotations

from typing import NamedTuple


class Violation(NamedTuple):
    """A broken invariant: its name and the evidence."""

    rule: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.found}"
