"""Checks the links in the events that clients handled, after the provider has forgotten all files.

A kept output leads to exactly its bytes. What was not kept is counted and, if `keep` gave it up, in
its dead-letter queue.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tests.faults.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.history import History, Operation


class Outputs(NamedTuple):
    """Outputs in events that clients handled, each counted once.

    `passed_on` are those whose event contains the provider's own address, and `dead_links` those
    that are kept but whose link does not lead to them.
    """

    total: int
    kept: int
    not_kept: int
    passed_on: int
    dead_links: int
    violations: list[Violation]


class _Output(NamedTuple):
    generation: str
    number: int
    link: str

    def __str__(self) -> str:
        return f"output {self.number} of {self.generation}"


def check(history: History) -> Outputs:
    """Check the links of a history."""
    outputs = _outputs(history)
    files = {(op.data["generation"], op.data["number"]): op for op in history.of("file")}
    followed = {op.data["link"]: op for op in history.of("followed")}
    given_up = {op.data["generation"] for op in history.of("not_kept")}
    states: Counter[str] = Counter()
    violations: list[Violation] = []
    for output in outputs:
        file = files.get((output.generation, output.number))
        state, found = _state(output, file, followed.get(output.link), given_up)
        states[state] += 1
        if found:
            violations.append(Violation(state, found))
    counts = {"OutputsNotKept": states["not kept"], "OutputsPassedOn": states["passed on"]}
    violations += _missing(history, outputs)
    violations += _uncounted(history, counts)
    return Outputs(
        total=len(outputs),
        kept=states["kept"] + states["dead link"],
        not_kept=states["not kept"],
        passed_on=states["passed on"],
        dead_links=states["dead link"],
        violations=violations,
    )


def _outputs(history: History) -> list[_Output]:
    found = {
        _Output(op.data["generation"], number, link)
        for op in history.of("handled")
        for number, link in enumerate(op.data["links"])
    }
    return sorted(found)


def _state(
    output: _Output, file: Operation | None, followed: Operation | None, given_up: set[str]
) -> tuple[str, str]:
    """Return what became of an output, and the evidence if that breaks a rule."""
    if file is None:
        return "unknown output", f"{output} is {output.link}, which no provider reported"
    if output.link == file.data["url"]:
        return "passed on", ""
    if followed is None:
        return "link not followed", f"{output} is {output.link}"
    if followed.data["kept"]:
        status, same = followed.data["status"], followed.data["digest"] == file.data["digest"]
        if status == 200 and same:
            return "kept", ""
        wrong = f"status {status}" if status != 200 else "other bytes"
        return "dead link", f"{output} is kept, but {output.link} leads to {wrong}"
    if output.generation not in given_up:
        return "output silently not kept", f"{output} is neither kept nor a dead letter"
    return "not kept", ""


def _missing(history: History, outputs: list[_Output]) -> Iterator[Violation]:
    """An event with a result has all outputs that the provider reported."""
    there = {(output.generation, output.number) for output in outputs}
    handled = {
        op.data["generation"] for op in history.of("handled") if op.data["status"] == "COMPLETE"
    }
    for op in history.of("file"):
        place = op.data["generation"], op.data["number"]
        if place[0] in handled and place not in there:
            yield Violation("output missing", f"no event has output {place[1]} of {place[0]}")


def _uncounted(history: History, counts: dict[str, int]) -> Iterator[Violation]:
    """Metrics count at least as many outputs: an attempt that was repeated counts again."""
    counted: Counter[str] = Counter()
    for op in history.of("counted"):
        counted[op.data["metric"]] += op.data["count"]
    for metric, count in counts.items():
        if counted[metric] < count:
            yield Violation("outputs not counted", f"{metric} is {counted[metric]}, not {count}")
