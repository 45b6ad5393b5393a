"""The demo's output, and the frames that it waits for."""

from __future__ import annotations

import json
from typing import Any

from local.demo import Delivery, is_about

GENERATION = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"


def frame(kind: str, subject: str = GENERATION) -> dict[str, Any]:
    event = {"type": f"herald.generation.{kind}", "subject": subject}
    return {"type": "event", "event": event}


def test_both_events_and_every_latency_are_printed() -> None:
    progress, result = frame("progress"), frame("complete")
    printed = str(Delivery("http://herald/callbacks/x", progress, result, 0.5, 0.25, 0.007, 0.031))
    for part in (progress, result):
        assert json.dumps(part, indent=2) in printed
    assert printed.index("generation.progress") < printed.index("generation.complete")
    for latency in ("500 ms", "250 ms", "7 ms", "31 ms"):
        assert f" {latency}" in printed


def test_progress_that_is_delivered_twice_is_not_taken_as_the_result() -> None:
    assert is_about(frame("progress"), GENERATION, progress=True)
    assert not is_about(frame("progress"), GENERATION, progress=False)
    assert is_about(frame("complete"), GENERATION, progress=False)
    assert is_about(frame("error"), GENERATION, progress=False)


def test_frames_of_other_generations_and_of_other_types_are_skipped() -> None:
    for progress in (True, False):
        assert not is_about({"type": "welcome"}, GENERATION, progress=progress)
        assert not is_about(frame("progress", "another"), GENERATION, progress=progress)
