"""Events: schema, id, limits, and invalid ones."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidEvent
from chalicelib.protocol import event_writer, events
from chalicelib.recording import generation_events
from tests.builders import result_event

EPOCH = "0199f3a0-0000-7000-8000-000000000001"


def generation(**changes: Any) -> Any:
    """A finished generation's database row."""
    return {
        "id": "11111111-1111-4111-8111-111111111111",
        "user_id": "alice",
        "status": "COMPLETE",
        "prompt": "a lighthouse",
        "image_url": "https://images.example/1.png",
        "image_height": 1024,
        "image_width": 768,
        "core_model": "sd-xl",
        "error": None,
        "version": 2,
        "created_at": datetime(2025, 5, 19, 11, 32, tzinfo=UTC),
        "updated_at": datetime(2025, 5, 19, 11, 32, 5, 250_000, tzinfo=UTC),
        **changes,
    }


def build(**changes: Any) -> str:
    return event_writer.fitted(result_event(generation(**changes), epoch=EPOCH, offset=42))


def test_the_id_depends_only_on_generation_and_version() -> None:
    first = event_writer.event_id("g", 2)
    assert first == event_writer.event_id("g", 2)
    assert len({first, event_writer.event_id("g", 3), event_writer.event_id("h", 2)}) == 3


@given(st.uuids(), st.integers(0, 10**6))
def test_the_id_is_a_uuid_of_version_8(generation: uuid.UUID, version: int) -> None:
    text = event_writer.event_id(str(generation), version)
    made = uuid.UUID(text)
    assert (str(made), made.version, made.variant) == (text, 8, uuid.RFC_4122)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200), st.booleans())
def test_an_event_always_fits_a_frame_and_survives_the_round_trip(unit: str, long: bool) -> None:
    prompt = unit * (1 + 40_000 // len(unit)) if long else unit
    text = build(prompt=prompt)
    assert len(text.encode()) <= events.MAX_EVENT_BYTES
    data = json.loads(text)["data"]
    assert prompt.startswith(data["prompt"])
    assert data.get("truncated", False) == (data["prompt"] != prompt)
    parsed = events.parse(text)
    assert (parsed.user_id, parsed.epoch, parsed.offset, parsed.text) == ("alice", EPOCH, 42, text)


def test_a_shortened_prompt_fills_the_available_space() -> None:
    text = build(prompt="\n" * 40_000)
    assert events.MAX_EVENT_BYTES - len(text.encode()) < 2


def output(number: int = 0, **changes: Any) -> Any:
    """One file of a generation."""
    return {
        "kind": "image",
        "url": f"https://images.example/{number}.png",
        "contentType": "image/png",
        "width": 1024,
        "height": 768,
        "durationMs": None,
        "bytes": None,
        "expiresAt": "2025-05-19T12:32:05.000Z",
        "safe": None,
        **changes,
    }


def with_outputs(outputs: list[Any], **changes: Any) -> Any:
    text = event_writer.fitted(
        result_event(generation(**changes), epoch=EPOCH, offset=42, outputs=outputs)
    )
    assert len(text.encode()) <= events.MAX_EVENT_BYTES
    assert events.parse(text).text == text
    return json.loads(text)["data"]


@given(st.integers(0, 400), st.integers(0, 200), st.integers(0, 40_000))
def test_an_event_that_is_too_large_loses_outputs_from_the_end_and_then_its_prompt(
    count: int, url_length: int, prompt_length: int
) -> None:
    outputs = [
        output(number, url=f"https://i/{number}/{'u' * url_length}") for number in range(count)
    ]
    data = with_outputs(outputs, prompt="p" * prompt_length)
    kept, prompt = data.get("outputs", []), data["prompt"]
    assert kept == outputs[: len(kept)]
    assert len(prompt) == prompt_length or not kept, "the prompt is shortened last"
    assert data.get("truncated", False) == ((len(kept), len(prompt)) != (count, prompt_length))


def progress(**changes: Any) -> str:
    """The event of a running generation."""
    given: Any = {
        "generation_id": "11111111-1111-4111-8111-111111111111",
        "user_id": "alice",
        "now": datetime(2025, 5, 19, 11, 32, 1, tzinfo=UTC),
        "fraction": 0.25,
        "step": "sampling",
        "preview_url": "https://images.example/preview.png",
        **changes,
    }
    return generation_events.build_progress(stage="test", **given)


def test_a_progress_event_is_outside_the_stream_and_says_how_far_the_generation_is() -> None:
    event = json.loads(progress())
    assert event.pop("id") != json.loads(build())["id"]
    assert event == {
        "specversion": "1.0",
        "source": "herald/test",
        "type": "herald.generation.progress",
        "subject": "11111111-1111-4111-8111-111111111111",
        "time": "2025-05-19T11:32:01.000Z",
        "datacontenttype": "application/json",
        "userid": "alice",
        "data": {
            **dict.fromkeys(("prompt", "imageUrl", "imageHeight", "imageWidth", "coreModel")),
            "status": "PENDING",
            "createdAt": None,
            "updatedAt": "2025-05-19T11:32:01.000Z",
            "progress": 0.25,
            "step": "sampling",
            "previewUrl": "https://images.example/preview.png",
        },
    }


def test_every_progress_event_has_its_own_id() -> None:
    first = events.parse(progress())
    later = events.parse(progress(now=datetime(2025, 5, 19, 11, 32, 1, 7, tzinfo=UTC)))
    assert first.id != later.id
    assert events.parse(progress()).id == first.id, "and keeps it when it is published again"


@given(
    st.none() | st.floats(0, 1) | st.integers(0, 1),
    st.none() | st.text(max_size=6000),
    st.none() | st.text(max_size=6000).map("https://i/".__add__),
)
def test_a_progress_event_is_small_and_survives_the_round_trip(
    fraction: float | None, step: str | None, preview_url: str | None
) -> None:
    text = progress(user_id="\1" * 256, fraction=fraction, step=step, preview_url=preview_url)
    assert len(text.encode()) <= events.MAX_PROGRESS_BYTES
    parsed = events.parse(text, stage="test")
    assert parsed.is_progress
    assert (parsed.epoch, parsed.offset, parsed.text) == (None, None, text)
    data = json.loads(text)["data"]
    assert data["progress"] == fraction
    assert data["step"] in (step, None)
    assert data["previewUrl"] in (preview_url, None)


def test_a_progress_event_that_is_too_large_loses_its_preview_first() -> None:
    data = json.loads(progress(step="s" * 2000, preview_url="https://i/" + "p" * 3000))["data"]
    assert (data["step"], data["previewUrl"]) == ("s" * 2000, None)
    assert json.loads(progress(step="s" * 5000))["data"]["step"] is None


def test_a_notice_is_outside_the_stream_and_has_one_id_per_generation() -> None:
    now = datetime(2025, 5, 19, tzinfo=UTC)
    notice = generation_events.build_notice("g1", "alice", stage="test", now=now)
    parsed = events.parse(notice)
    assert (parsed.user_id, parsed.epoch, parsed.offset) == ("alice", None, None)
    assert json.loads(notice)["data"]["error"]["code"] == "not_recorded"
    again = generation_events.build_notice("g1", "alice", stage="test", now=datetime.now(UTC))
    assert events.parse(again).id == parsed.id


def test_a_notice_may_lack_its_owner() -> None:
    notice = generation_events.build_notice("g1", None, stage="test", now=datetime.now(UTC))
    assert "userid" not in json.loads(notice)
    assert events.parse(notice).user_id == ""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"type": "somebody.elses"}, "type"),
        ({"type": ["a list"]}, "type"),
        ({"data": "text"}, "data"),
        ({"id": None}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"subject": 7}, "subject"),
        ({"subject": "g" * 65}, "subject"),
        ({"userid": ""}, "userid"),
        ({"userid": "u" * 257}, "userid"),
        ({"userid": 7}, "userid"),
        ({"epoch": "not-a-uuid"}, "epoch"),
        ({"epoch": None}, "epoch"),
        ({"sequence": "0"}, "sequence"),
        ({"sequence": "-1"}, "sequence"),
        ({"sequence": "1" * 17}, "sequence"),
        ({"sequence": "٤٢"}, "sequence"),
        ({"sequence": 42}, "sequence"),
        ({"time": "yesterday"}, "time"),
    ],
)
def test_an_invalid_event_is_rejected_naming_the_attribute(
    change: dict[str, Any], named: str
) -> None:
    event = json.loads(build())
    event.update(change)
    with pytest.raises(InvalidEvent, match=named):
        events.parse(json.dumps(event))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"event"', "\ud800", "NaN"])
def test_a_message_that_is_not_an_object_is_rejected(text: str) -> None:
    with pytest.raises(InvalidEvent):
        events.parse(text)


def test_an_oversized_message_is_refused() -> None:
    event = json.loads(build())
    event["data"]["prompt"] = "x" * events.MAX_EVENT_BYTES
    for text in (json.dumps(event), json.dumps("x" * 300_000)):
        with pytest.raises(InvalidEvent, match="bytes"):
            events.parse(text)


def test_a_missing_attribute_is_named() -> None:
    for name in ("id", "subject", "userid", "time", "sequence", "epoch"):
        event = json.loads(build())
        del event[name]
        with pytest.raises(InvalidEvent, match=name):
            events.parse(json.dumps(event))
