"""The numbered points of what a client must do, each one a scripted exchange."""

from __future__ import annotations

from clients.conformance.points import (
    connecting,
    ending,
    keeping,
    missing,
    receiving,
    replacing,
    storing,
)
from clients.conformance.points.point import Point

_MODULES = (connecting, ending, receiving, missing, keeping, replacing, storing)

# A number is never used again: authors refer to it.
POINTS: tuple[Point, ...] = tuple(
    sorted(
        (point for module in _MODULES for point in module.points.all),
        key=lambda point: int(point.name.removeprefix("C")),
    )
)

__all__ = ["POINTS", "Point"]
