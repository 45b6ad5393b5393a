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

# A number is never used again: authors refer to it.
POINTS: tuple[Point, ...] = tuple(
    point
    for module in (connecting, ending, receiving, missing, keeping, replacing, storing)
    for point in module.points.all
)

__all__ = ["POINTS", "Point"]
