"""Checks a history: each 2xx callback led to exactly one event in each of its owner's clients.

The checker uses only Herald's guarantees and no knowledge about the implementation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tests.faults import links
from tests.faults.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.history import History, Operation

TERMINAL = ("COMPLETE", "ERROR")
OWN_ENDS = ("timeout", "canceled")  # codes with which Herald itself ends a generation


class Verdict(NamedTuple):
    """The result of a check. Losses and duplicates are counted per client and generation."""

    generations: int
    faults: Counter[str]
    received: int
    duplicates_before: int
    duplicates_after: int
    gaps: int
    losses: int
    late_notices: int
    redriven: int
    outputs: links.Outputs
    recovery: float | None
    violations: list[Violation]

    @property
    def holds(self) -> bool:
        return not self.violations


class _Facts:
    """The history, indexed for the checks below."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.owner = {op.data["generation"]: op.data["user"] for op in history.of("generation")}
        self.clients = {op.data["client"]: op.data["user"] for op in history.of("client")}
        self.accepted = {
            op.data["generation"] for op in history.of("callback") if op.data["status"] // 100 == 2
        }
        self.attempted = {op.data["generation"] for op in history.of("callback")}
        # The provider's API has these results, so Herald must find and deliver them.
        withheld = {op.data["generation"] for op in history.of("withheld")}
        self.accepted |= withheld
        self.attempted |= withheld
        self.rows = {op.data["generation"]: op.data for op in history.of("row")}
        self.outbox: dict[str, list[dict[str, object]]] = defaultdict(list)
        for op in history.of("outbox"):
            self.outbox[op.data["generation"]].append(op.data)
        # A result that arrives after Herald's own timeout or cancellation supersedes it, once.
        self.superseded = {
            row["event"]
            for rows in self.outbox.values()
            for row in sorted(rows, key=lambda row: int(str(row["offset"])))[:-1][:1]
            if row.get("code") in OWN_ENDS
        }
        # A notice has no offset and says that the result is not recorded yet, so it does not count
        # as a result.
        self.handled: dict[tuple[str, str], list[Operation]] = defaultdict(list)
        for op in history.of("handled"):
            if op.data["offset"] is not None:
                self.handled[op.process, op.data["generation"]].append(op)

    def results(self, generation: str) -> list[dict[str, object]]:
        """The outbox rows of a generation, without one that was superseded."""
        rows = self.outbox.get(generation, [])
        return [row for row in rows if row["event"] not in self.superseded]


def check(history: History) -> Verdict:
    """Check a history."""
    facts = _Facts(history)
    missing = list(_silent_losses(facts))
    twice = list(_seen_twice(facts))
    outputs = links.check(history)
    violations = [
        *_unrecorded(facts),
        *missing,
        *twice,
        *_misdelivered(facts),
        *_progress(facts),
        *_contents(facts),
        *_streams(facts),
        *_left_over(facts),
        *_dead_letters(facts),
        *_frames(facts),
        *outputs.violations,
    ]
    frames = Counter((op.process, op.data["event"]) for op in history.of("received"))
    faults = Counter(
        op.data["fault"]
        for op in history.of("fault")
        if op.data["phase"] == "begin" and "error" not in op.data
    )
    healed = next((op.at for op in history.of("healed")), None)
    settled = next((op.at for op in history.of("settled")), None)
    return Verdict(
        generations=len(facts.owner),
        faults=faults,
        received=frames.total(),
        duplicates_before=frames.total() - len(frames),
        duplicates_after=len(twice),
        gaps=sum(1 for _ in history.of("gap")),
        losses=len(missing),
        late_notices=_late_notices(facts),
        redriven=sum(op.data["messages"] for op in history.of("redriven")),
        outputs=outputs,
        recovery=settled - healed if healed is not None and settled is not None else None,
        violations=violations,
    )


def _unrecorded(facts: _Facts) -> Iterator[Violation]:
    """Each 2xx callback has a terminal row, and each terminal row had a callback."""
    for generation in sorted(facts.accepted):
        row = facts.rows.get(generation)
        if row is None or row["status"] not in TERMINAL:
            state = row["status"] if row else "no row"
            yield Violation("missing terminal row", f"{generation} got a 2xx, but is {state}")
    for generation in sorted(set(facts.owner) - facts.accepted):
        yield Violation("callback never accepted", f"{generation} got no 2xx in any try")
    for generation, row in sorted(facts.rows.items()):
        if row["status"] in TERMINAL and generation not in facts.attempted:
            yield Violation("phantom result", f"{generation} is {row['status']} without a callback")


def _silent_losses(facts: _Facts) -> Iterator[Violation]:
    """Each of the owner's clients handled the event or was notified of a gap that covers it."""
    gaps: dict[str, list[Operation]] = defaultdict(list)
    for op in facts.history.of("gap"):
        gaps[op.process].append(op)
    for client, user in sorted(facts.clients.items()):
        for generation in sorted(facts.accepted):
            seen = facts.handled.get((client, generation), [])
            if facts.owner[generation] != user or any(
                op.data["event"] not in facts.superseded for op in seen
            ):
                continue
            placed = facts.results(generation)
            if not any(_covers(gap, place) for gap in gaps[client] for place in placed):
                yield Violation("silent loss", f"{client} never handled {generation}, nor a gap")


def _covers(gap: Operation, place: dict[str, object]) -> bool:
    offset = place["offset"]
    same = gap.data["epoch"] == place["epoch"]
    return same and isinstance(offset, int) and gap.data["after"] < offset <= gap.data["head"]


def _seen_twice(facts: _Facts) -> Iterator[Violation]:
    """No application handled two events for one result, even if the events have different ids."""
    for (client, generation), seen in sorted(facts.handled.items()):
        ends = [op for op in seen if op.data["event"] in facts.superseded]
        results = [op for op in seen if op.data["event"] not in facts.superseded]
        for again in (*ends[1:], *results[1:]):
            found = f"{client} handled {generation} again at {again.at:.3f} s"
            yield Violation("delivered twice", found)


def _late_notices(facts: _Facts) -> int:
    """How often an application got a "not recorded yet" notice although it had the result."""
    count = 0
    known: set[tuple[str, str]] = set()
    for op in facts.history.of("handled"):
        result = op.process, op.data["generation"]
        if op.data["offset"] is not None:
            known.add(result)
        elif result in known:
            count += 1
    return count


def _misdelivered(facts: _Facts) -> Iterator[Violation]:
    """No user saw another's event. The owner is checked in the event and against the database."""
    for kind in ("received", "handled", "progress", "dropped"):
        for op in facts.history.of(kind):
            generation, user = op.data["generation"], facts.clients.get(op.process)
            owners = {facts.owner.get(generation, op.data["owner"]), op.data["owner"]}
            if owners != {user}:
                found = f"{op.process} of {user} {kind} {generation} of {sorted(owners)}"
                yield Violation("delivered to the wrong user", found)


def _progress(facts: _Facts) -> Iterator[Violation]:
    """Progress has no offset: it must not move a client's cursor."""
    for kind in ("progress", "dropped"):
        for op in facts.history.of(kind):
            if op.data["offset"] is not None:
                yield Violation("progress in the stream", f"{op.process}: {op.data}")


def _contents(facts: _Facts) -> Iterator[Violation]:
    """Each handled event has the id and position of its outbox row and the status of its result."""
    for (client, generation), seen in sorted(facts.handled.items()):
        row, places = facts.rows.get(generation), facts.outbox.get(generation, [])
        known = {(place["event"], place["epoch"], place["offset"]) for place in places}
        for op in seen:
            if (op.data["event"], op.data["epoch"], op.data["offset"]) not in known:
                found = f"{client} handled {generation} as {op.data['event']}, not in the outbox"
                yield Violation("unknown event", found)
            superseded = op.data["event"] in facts.superseded
            if row is not None and row["status"] != op.data["status"] and not superseded:
                found = (
                    f"{client} saw {op.data['status']} for {generation}, which is {row['status']}"
                )
                yield Violation("wrong content", found)


def _streams(facts: _Facts) -> Iterator[Violation]:
    """A stream's offsets are 1, 2, 3 … up to its last offset, each for one result."""
    offsets: dict[tuple[str, str], list[int]] = defaultdict(list)
    for op in facts.history.of("outbox"):
        if op.data["offset"] is not None:
            offsets[op.data["user"], op.data["epoch"]].append(op.data["offset"])
    ends = {
        (op.data["user"], op.data["epoch"]): op.data["last_offset"]
        for op in facts.history.of("stream")
    }
    for stream in sorted({*offsets, *ends}):
        taken, end = sorted(offsets.get(stream, [])), ends.get(stream, 0)
        if taken != list(range(1, end + 1)):
            skipped = sorted(set(range(1, end + 1)) - set(taken))
            name = f"{stream[0]}, epoch {stream[1]}"
            yield Violation(
                "offsets not contiguous", f"{name}: skipped {skipped}, has {len(taken)} of {end}"
            )


def _left_over(facts: _Facts) -> Iterator[Violation]:
    """Each terminal row has its outbox row; outbox and queue are empty in the end."""
    for generation, row in sorted(facts.rows.items()):
        if row["status"] in TERMINAL and len(facts.results(generation)) != 1:
            count = len(facts.results(generation))
            yield Violation("not one outbox row", f"{generation} is {row['status']}, has {count}")
    for op in facts.history.of("outbox"):
        if not op.data["published"]:
            found = f"{op.data['event']} of {op.data['generation']}"
            yield Violation("unpublished outbox row", found)
    for op in facts.history.of("waiting"):
        if op.data["messages"]:
            yield Violation("queue not empty", f"{op.data['queue']}: {op.data['messages']}")
    if not any(True for _ in facts.history.of("settled")):
        yield Violation("did not settle", "all faults were removed, but the system did not settle")


def _frames(facts: _Facts) -> Iterator[Violation]:
    """Every frame of both sides is one that the contract allows."""
    for op in facts.history.of("violation"):
        yield Violation("frame outside the contract", f"{op.data['sender']}: {op.data['error']}")


def _dead_letters(facts: _Facts) -> Iterator[Violation]:
    """The dead-letter queues contain exactly the poison messages."""
    poisoned = Counter(op.data["body"] for op in facts.history.of("poisoned"))
    dead = Counter(op.data["body"] for op in facts.history.of("dead"))
    for body in (dead - poisoned).elements():
        yield Violation("dead letter that is not poison", body[:200])
    for body in (poisoned - dead).elements():
        yield Violation("poison that is not in the dead-letter queue", body[:200])
