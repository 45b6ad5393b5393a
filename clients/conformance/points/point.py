"""A point, and how a module declares its points."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clients.conformance.world import World

    Script = Callable[[World], Awaitable[None]]


class Point(NamedTuple):
    """One duty of a client.

    `source` is the place in docs/protocol.md that requires it. `needs` are the abilities without
    which a driver cannot show it.
    """

    name: str
    title: str
    source: str
    needs: frozenset[str]
    script: Script


class Points:
    """The points of one module."""

    def __init__(self) -> None:
        self.all: list[Point] = []

    def __call__(
        self, number: int, title: str, source: str, *needs: str
    ) -> Callable[[Script], Script]:
        """Declare a point: the number in its name, what it requires, and who says so."""

        def declare(script: Script) -> Script:
            self.all.append(Point(f"C{number}", title, source, frozenset(needs), script))
            return script

        return declare
