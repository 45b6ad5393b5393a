"""The lines of `./herald tail` and `./herald logs`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.function_logs import Line
from cli.tail import described

EVENT: dict[str, Any] = {
    "type": "herald.generation.complete",
    "subject": "8c2f6d1e",
    "time": "2026-03-02T09:15:03.481Z",
    "sequence": "42",
    "data": {"status": "COMPLETE", "imageUrl": "https://images.example.com/1.png"},
}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "09:15:03  complete  8c2f6d1e  offset 42  https://images.example.com/1.png"),
        (
            {
                "type": "herald.generation.error",
                "data": {"status": "ERROR", "error": {"code": "nsfw", "message": "Refused"}},
            },
            "09:15:03  error     8c2f6d1e  offset 42  nsfw: Refused",
        ),
    ],
)
def test_a_result_is_one_readable_line(changes: dict[str, Any], line: str) -> None:
    assert described({**EVENT, **changes}) == line


def test_progress_is_outside_the_stream() -> None:
    event = {**EVENT, "type": "herald.generation.progress", "data": {"progress": 0.4}}
    del event["sequence"]
    assert described(event) == "09:15:03  progress  8c2f6d1e  outside the stream  40%"


def test_a_line_of_a_function_shows_its_fields() -> None:
    text = json.dumps(
        {"level": "INFO", "message": "recorded", "generation_id": "8c2f", "offset": 1}
    )
    line = Line(1_772_442_903_481, text)
    assert str(line) == "09:15:03.481 INFO    recorded generation_id=8c2f offset=1"
    assert line.public()["generation_id"] == "8c2f"


def test_a_line_that_is_not_json_is_shown_as_it_is() -> None:
    line = Line(1_772_442_903_481, "Task timed out\n")
    assert str(line).endswith("Task timed out")
    assert line.public() == {"time": "2026-03-02T09:15:03.481Z", "message": "Task timed out\n"}
