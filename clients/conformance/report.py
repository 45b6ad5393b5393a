"""Results as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from clients.conformance.points import Point
    from clients.conformance.runner import Log, Result

_WORDS = {
    "met": "met",
    "unmet": "NOT MET",
    "broken": "NOT TESTED",
    "not applicable": "not applicable",
}
_ARROWS = {"client": "client  →", "server": "server  ←", "fault": "fault    ",
           "command": "driver  ←", "report": "driver  →"}  # fmt: skip
_LONGEST = 400  # characters of one line of an exchange


def as_text(results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines of a report; the exchange of each point that is not met is in it."""
    for result in results:
        point = result.point
        yield f"{point.name:4} {_WORDS[result.outcome]:15} {point.title}"
        if result.outcome == "not applicable":
            yield f"     the driver cannot: {result.message}"
        elif result.outcome != "met":
            yield f"     source:   docs/protocol.md, {point.source}"
            label = "expected: " if result.outcome == "unmet" else "problem:  "
            yield f"     {label}{result.message}"
            yield "     exchange, with the seconds of the client's clock:"
            yield from (f"       {line}" for line in exchange(result.log))
    found = Counter(_WORDS[result.outcome] for result in results)
    yield ", ".join(f"{found[word]} {word}" for word in _WORDS.values() if found[word])


def as_json(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return the results as JSON values."""
    return [
        {
            "point": result.point.name,
            "title": result.point.title,
            "source": result.point.source,
            "outcome": result.outcome,
            "message": result.message,
            "exchange": [list(entry) for entry in result.log],
        }
        for result in results
    ]


def exchange(log: Log) -> Iterator[str]:
    """Yield the lines of an exchange."""
    for seconds, who, what in log:
        text = what if isinstance(what, str) else json.dumps(what, ensure_ascii=False)
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        yield f"{seconds:9.3f}  {_ARROWS.get(who, who)} {shown}"


def table(points: Iterable[Point]) -> Iterator[str]:
    """Yield the lines of the table of all points in docs/conformance.md."""
    yield "| point | what a client must do | source in the protocol | needs |"
    yield "|---|---|---|---|"
    for point in points:
        needs = ", ".join(f"`{need}`" for need in sorted(point.needs))
        yield f"| {point.name} | {point.title} | {point.source} | {needs} |"
