"""The checker reports each kind of bug that a test plants in a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import report
from tests.faults.checker import check
from tests.faults.history import History, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EPOCH = "0190b0e0-0000-7000-8000-000000000000"
OWNERS = {"g1": "alice", "g2": "alice", "g3": "alice", "g4": "bob"}
OFFSETS = {"g1": 1, "g2": 2, "g3": 3, "g4": 1}
CLIENTS = {"alice/1": "alice", "alice/2": "alice", "bob/1": "bob"}


def link(generation: str) -> str:
    return f"https://herald.test/outputs/{generation}/0/signature"


def file(generation: str) -> dict[str, Any]:
    digest = f"digest-{generation}"
    url = f"https://cdn.test/{generation}.png"
    return {"generation": generation, "number": 0, "url": url, "digest": digest}


def result(generation: str) -> dict[str, Any]:
    return {
        "event": f"event-{generation}",
        "generation": generation,
        "owner": OWNERS[generation],
        "epoch": EPOCH,
        "offset": OFFSETS[generation],
        "status": "COMPLETE",
        "links": [file("g3")["url"] if generation == "g3" else link(generation)],
    }


def sound() -> History:
    """A run without errors, with the usual duplicates on the wire. The output of g2 could not be
    copied, and that of g3 has no link.
    """
    history = History()
    for client, user in CLIENTS.items():
        history.add("campaign", "client", client=client, user=user)
    for generation, user in OWNERS.items():
        history.add("provider", "generation", generation=generation, user=user)
        history.add("cdn", "file", **file(generation))
        history.add("provider", "callback", generation=generation, result="COMPLETE", status=503)
        history.add("provider", "callback", generation=generation, result="COMPLETE", status=200)
        for client, owner in CLIENTS.items():
            if owner == user:
                history.add(client, "received", **result(generation))
                history.add(client, "handled", **result(generation))
                history.add(client, "received", **result(generation))
    history.add("nemesis", "fault", fault="database down", phase="begin")
    history.add("nemesis", "fault", fault="database down", phase="end")
    history.add("nemesis", "poisoned", body="no event")
    history.add("nemesis", "healed")
    history.add("campaign", "settled")
    history.add("keep", "not_kept", generation="g2")
    history.add("cdn", "forgotten")
    for generation in ("g1", "g4"):
        found = {"kept": True, "status": 200, "digest": f"digest-{generation}"}
        history.add("end", "followed", link=link(generation), **found)
    history.add("end", "followed", link=link("g2"), kept=False, status=404, digest="other")
    history.add("keep", "counted", metric="OutputsNotKept", count=1)
    history.add("callback", "counted", metric="OutputsPassedOn", count=1)
    for generation, user in OWNERS.items():
        history.add("end", "row", generation=generation, user=user, status="COMPLETE")
        history.add("end", "outbox", **result(generation), user=user, published=True)
    history.add("end", "stream", user="alice", epoch=EPOCH, last_offset=3)
    history.add("end", "stream", user="bob", epoch=EPOCH, last_offset=1)
    history.add("end", "waiting", queue="generation-complete-queue", messages=0)
    history.add("end", "dead", queue="generation-complete-queue-dlq", body="no event")
    return history


def edited(edit: Callable[[Operation], Operation | None]) -> History:
    """Apply `edit` to each operation of the sound history and return the result. If `edit` returns
    None, the operation is removed.
    """
    changed = [edit(operation) for operation in sound().operations]
    return History([operation for operation in changed if operation is not None])


def without(kind: str, process: str = "", **data: Any) -> History:
    def edit(op: Operation) -> Operation | None:
        hit = op.kind == kind and op.process.startswith(process)
        return None if hit and data.items() <= op.data.items() else op

    return edited(edit)


def with_data(kind: str, where: dict[str, Any], **data: Any) -> History:
    def edit(op: Operation) -> Operation:
        hit = op.kind == kind and where.items() <= op.data.items()
        return op._replace(data={**op.data, **data}) if hit else op

    return edited(edit)


def plus(process: str, kind: str, **data: Any) -> History:
    history = sound()
    history.add(process, kind, **data)
    return history


PLANTED = {
    "event dropped": (
        without("handled", "alice/2", generation="g2"),
        "silent loss: alice/2 never handled g2",
    ),
    "all events of a generation dropped": (
        without("handled", generation="g4"),
        "silent loss: bob/1 never handled g4",
    ),
    "delivered to the wrong user": (
        plus("bob/1", "received", **result("g1")),
        "delivered to the wrong user: bob/1 of bob received g1 of ['alice']",
    ),
    "owner in the event forged": (
        plus("bob/1", "received", **{**result("g1"), "owner": "bob"}),
        "delivered to the wrong user: bob/1 of bob received g1",
    ),
    "delivered twice to the application": (
        plus("alice/1", "handled", **result("g1")),
        "delivered twice: alice/1 handled g1 again",
    ),
    "delivered twice under two ids": (
        plus("alice/1", "handled", **{**result("g1"), "event": "another"}),
        "delivered twice: alice/1 handled g1 again",
    ),
    "progress delivered to the wrong user": (
        plus("bob/1", "progress", generation="g1", owner="alice", offset=None),
        "delivered to the wrong user: bob/1 of bob progress g1",
    ),
    "progress with an offset": (
        plus("alice/1", "progress", generation="g1", owner="alice", offset=3),
        "progress in the stream: alice/1",
    ),
    "an offset skipped": (
        with_data("outbox", {"generation": "g3"}, offset=4),
        "offsets not contiguous: alice",
    ),
    "an offset given twice": (
        with_data("outbox", {"generation": "g3"}, offset=2),
        "offsets not contiguous: alice",
    ),
    "an offset taken and lost": (
        with_data("stream", {"user": "bob"}, last_offset=2),
        "offsets not contiguous: bob",
    ),
    "unpublished outbox row": (
        with_data("outbox", {"generation": "g2"}, published=False),
        "unpublished outbox row: event-g2",
    ),
    "outbox row missing": (
        without("outbox", generation="g3"),
        "not one outbox row: g3 is COMPLETE, has 0",
    ),
    "row still pending": (
        with_data("row", {"generation": "g1"}, status="PENDING"),
        "missing terminal row: g1 got a 2xx, but is PENDING",
    ),
    "row gone": (
        without("row", generation="g1"),
        "missing terminal row: g1 got a 2xx, but is no row",
    ),
    "result without a callback": (
        without("callback", generation="g1"),
        "phantom result: g1 is COMPLETE without a callback",
    ),
    "callback never accepted": (
        without("callback", generation="g1", status=200),
        "callback never accepted: g1",
    ),
    "event that was never recorded": (
        with_data("handled", {"generation": "g4"}, event="invented"),
        "unknown event: bob/1 handled g4 as invented",
    ),
    "event that contradicts its row": (
        with_data("row", {"generation": "g4"}, status="ERROR"),
        "wrong content: bob/1 saw COMPLETE for g4, which is ERROR",
    ),
    "message left in the queue": (
        with_data("waiting", {}, messages=1),
        "queue not empty: generation-complete-queue: 1",
    ),
    "event in the dead-letter queue": (
        plus("end", "dead", queue="generation-complete-queue-dlq", body="an event"),
        "dead letter that is not poison: an event",
    ),
    "poison swallowed": (
        without("dead"),
        "poison that is not in the dead-letter queue: no event",
    ),
    "a frame without its type": (
        plus("bob/1", "violation", sender="server", error="$: 'type' is a required property"),
        "frame outside the contract: server: $: 'type' is a required property",
    ),
    "a kept output whose link is dead": (
        with_data("followed", {"link": link("g1")}, status=404, digest="other"),
        f"dead link: output 0 of g1 is kept, but {link('g1')} leads to status 404",
    ),
    "a kept output with the bytes of another": (
        with_data("followed", {"link": link("g1")}, digest="digest-g4"),
        f"dead link: output 0 of g1 is kept, but {link('g1')} leads to other bytes",
    ),
    "an output that is neither kept nor a dead letter": (
        with_data("followed", {"link": link("g4")}, kept=False, status=404),
        "output silently not kept: output 0 of g4",
    ),
    "an output that was given up and not counted": (
        with_data("counted", {"metric": "OutputsNotKept"}, count=0),
        "outputs not counted: OutputsNotKept is 0, not 1",
    ),
    "an output without a link that was not counted": (
        without("counted", "callback"),
        "outputs not counted: OutputsPassedOn is 0, not 1",
    ),
    "a link that was not followed": (
        without("followed", link=link("g1")),
        "link not followed: output 0 of g1",
    ),
    "a link to an output that no provider reported": (
        without("file", generation="g1"),
        "unknown output: output 0 of g1",
    ),
    "an event without its output": (
        with_data("handled", {"generation": "g4"}, links=[]),
        "output missing: no event has output 0 of g4",
    ),
    "never settled": (without("settled"), "did not settle"),
}


def test_a_sound_history_passes() -> None:
    verdict = check(sound())
    assert verdict.violations == []
    assert (verdict.duplicates_before, verdict.duplicates_after, verdict.losses) == (7, 0, 0)
    assert report.summary(verdict) == (
        "4 generations, 1 faults, 0 duplicates seen by applications, 0 gaps, 0 silent losses,"
        " 0 dead links"
    )
    assert verdict.outputs == (4, 2, 1, 1, 0, [])


@pytest.mark.parametrize(("history", "message"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_bug_is_found_and_named(history: History, message: str) -> None:
    verdict = check(history)
    assert not verdict.holds
    assert any(str(violation).startswith(message) for violation in verdict.violations), (
        verdict.violations
    )
    assert message[:30] in report.table(verdict, seed=1)


def test_losses_and_duplicates_are_counted_for_each_client() -> None:
    dropped = check(without("handled", generation="g1"))
    assert dropped.losses == 2  # one for each of alice's clients
    assert report.summary(dropped).endswith("2 silent losses, 0 dead links")
    twice = check(plus("bob/1", "handled", **result("g4")))
    assert "1 duplicates seen by applications" in report.summary(twice)


def test_dead_links_are_counted_among_kept_outputs() -> None:
    verdict = check(with_data("followed", {"kept": True}, status=403))
    assert (verdict.outputs.kept, verdict.outputs.dead_links) == (2, 2)
    assert report.summary(verdict).endswith("0 silent losses, 2 dead links")


def test_a_loss_covered_by_a_gap_is_not_silent() -> None:
    history = without("handled", "alice/2", generation="g2")
    history.add("alice/2", "gap", epoch=EPOCH, after=1, head=3, reason="expired")
    verdict = check(history)
    assert (verdict.holds, verdict.gaps, verdict.losses) == (True, 1, 0)


@pytest.mark.parametrize(
    ("client", "gap"),
    [
        ("alice/2", {"epoch": EPOCH, "after": 2, "head": 3}),
        ("alice/2", {"epoch": EPOCH, "after": 0, "head": 1}),
        ("alice/2", {"epoch": "another", "after": 0, "head": 3}),
        ("alice/1", {"epoch": EPOCH, "after": 0, "head": 3}),
    ],
    ids=["above it", "below it", "of another epoch", "of another client"],
)
def test_a_gap_that_does_not_cover_the_event_does_not_excuse_its_loss(
    client: str, gap: dict[str, Any]
) -> None:
    history = without("handled", "alice/2", generation="g2")
    history.add(client, "gap", **gap, reason="expired")
    assert check(history).losses == 1


def test_a_notice_does_not_count_as_a_result() -> None:
    notice = {**result("g1"), "event": "notice-g1", "offset": None, "status": "ERROR"}
    verdict = check(plus("alice/1", "handled", **notice))
    assert (verdict.holds, verdict.late_notices) == (True, 1)
    only_the_notice = without("handled", "alice/1", generation="g1")
    only_the_notice.add("alice/1", "handled", **notice)
    assert check(only_the_notice).losses == 1


def test_a_history_survives_saving_and_loading(tmp_path: Path) -> None:
    sound().save(tmp_path / "runs" / "1.jsonl")
    loaded = History.load(tmp_path / "runs" / "1.jsonl")
    assert loaded.operations == sound_times_removed(loaded)
    assert check(loaded).holds


def sound_times_removed(like: History) -> list[Operation]:
    pairs = zip(sound().operations, like.operations, strict=True)
    return [operation._replace(at=other.at) for operation, other in pairs]


# --- results that supersede Herald's own timeout or cancellation, and webhooks that never come ---


def superseded(code: str = "timeout") -> History:
    """A run in which g3 timed out before its result."""
    history = sound()
    end = {**result("g3"), "event": "event-end", "offset": 4, "status": "ERROR"}
    late = {**result("g3"), "offset": 5}
    kept = [
        op
        for op in history.operations
        if not (op.kind in ("handled", "outbox", "stream") and op.data.get("generation") == "g3")
    ]
    history.operations = kept
    for client in ("alice/1", "alice/2"):
        history.add(client, "handled", **end)
        history.add(client, "handled", **late)
    history.add("end", "outbox", **end, user="alice", code=code, published=True)
    history.add("end", "outbox", **late, user="alice", code=None, published=True)
    return history


def rules(history: History) -> set[str]:
    ignored = {"offsets not contiguous", "stream", "offset"}  # the offset of g3 is given up here
    return {v.rule for v in check(history).violations} - ignored


def test_a_result_may_supersede_heralds_own_end_once() -> None:
    for code in ("timeout", "canceled"):
        assert not rules(superseded(code)) & {
            "delivered twice",
            "not one outbox row",
            "wrong content",
            "silent loss",
        }


def test_no_other_end_may_be_superseded() -> None:
    assert {"delivered twice", "not one outbox row"} <= rules(superseded("generation_failed"))


def test_a_third_event_of_a_generation_is_reported() -> None:
    history = superseded()
    third = {**result("g3"), "event": "event-third", "offset": 6}
    history.add("alice/1", "handled", **third)
    history.add("end", "outbox", **third, user="alice", code=None, published=True)
    assert {"delivered twice", "not one outbox row"} <= rules(history)


def test_a_client_that_saw_only_the_superseded_end_lost_the_result() -> None:
    history = superseded()
    history.operations = [
        op
        for op in history.operations
        if not (op.process == "alice/2" and op.data.get("event") == "event-g3")
    ]
    assert "silent loss" in rules(history)


def test_a_result_whose_webhook_never_comes_must_be_delivered_all_the_same() -> None:
    history = sound()
    history.operations = [
        op
        for op in history.operations
        if not (
            op.kind in ("callback", "handled", "row", "outbox") and op.data["generation"] == "g4"
        )
    ]
    history.add("provider", "withheld", generation="g4", result="COMPLETE")
    history.add("end", "row", generation="g4", user="bob", status="PENDING")
    assert {"missing terminal row", "silent loss"} <= rules(history)
