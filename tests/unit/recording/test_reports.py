"""Herald's own payload, from the webhook's body to the columns of the generation.

Its outcome is accepted even if optional details are invalid.
"""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.errors import Refused
from chalicelib.providers.report import Progress, Report, State
from chalicelib.recording import columns, webhooks
from chalicelib.recording.columns import Result
from tests.unit.recording.door import event, receive, standard_headers

COMPLETE = {
    "generationId": "11111111-1111-4111-8111-111111111111",
    "status": "COMPLETE",
    "imageUrl": "https://images.example/1.png",
    "imageHeight": 1024,
    "imageWidth": 768,
}
ERROR = {"generationId": COMPLETE["generationId"], "status": "ERROR"}
DEFAULT_ERROR = {"code": "generation_failed", "message": "The generation failed."}
LONG = "https://images.example/1.png?X-Amz-Security-Token=" + "t" * 2300


def report_of(body: dict[str, Any] | bytes) -> Report:
    """Read a report from a direct invocation or from a signed webhook."""
    received = (
        webhooks.invoked(body)
        if isinstance(body, dict)
        else receive(event(body, standard_headers(body)))
    )
    [report] = received.reports
    return report


def read_both(report: dict[str, Any]) -> tuple[Result, tuple[str, ...]]:
    """Read a report as an object and as JSON, and check that both give the same; return its
    columns and the names of the repaired details.
    """
    found = report_of(report)
    assert report_of(json.dumps(report).encode()) == found
    return columns.result(found), found.repaired


def test_a_complete_result_is_read() -> None:
    result, repaired = read_both(COMPLETE)
    assert (result.status, result.image_width, result.core_model) == ("COMPLETE", 768, None)
    assert repaired == ()


def test_an_error_without_reason_gets_one() -> None:
    cases: list[dict[str, Any]] = [{}, {"error": None}, {"error": {}}]
    for error in cases:
        result, repaired = read_both(ERROR | error)
        assert result.error == DEFAULT_ERROR
        assert repaired == ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"generationId": "42"}, "generationId"),
        ({"generationId": None}, "generationId"),
        ({"generationId": ["a"]}, "generationId"),
        ({"status": "pending"}, "status"),
        ({"status": "complete"}, "status"),
        ({"status": None}, "status"),
        ({"status": ["COMPLETE"]}, "status"),
        ({"imageUrl": "javascript:alert(1)"}, "imageUrl"),
        ({"imageUrl": "https://"}, "imageUrl"),
        ({"imageUrl": "https://["}, "imageUrl"),
        ({"imageUrl": "https://x/" + "y" * 16_384}, "imageUrl"),
        ({"imageUrl": "https://x/\0"}, "imageUrl"),
        ({"imageUrl": "https://x/\ud800"}, "imageUrl"),
        ({"imageUrl": ["https://x/1.png"]}, "imageUrl"),
        ({"imageUrl": ""}, "imageUrl"),
        ({"imageUrl": None}, "imageUrl"),
    ],
)
def test_a_report_without_id_status_or_picture_is_422_and_the_field_named(
    change: dict[str, Any], field: str
) -> None:
    for body in (COMPLETE | change, json.dumps(COMPLETE | change).encode()):
        with pytest.raises(Refused) as refused:
            report_of(body)
        assert (refused.value.status, refused.value.field) == (422, field)
        assert field in str(refused.value)


@pytest.mark.parametrize("field", ["generationId", "status", "imageUrl"])
def test_a_missing_field_is_422_and_named(field: str) -> None:
    with pytest.raises(Refused) as refused:
        report_of({name: value for name, value in COMPLETE.items() if name != field})
    assert (refused.value.status, refused.value.field) == (422, field)


@pytest.mark.parametrize(
    ("change", "kept", "repaired"),
    [
        ({"imageUrl": LONG}, {"image_url": LONG}, ()),
        ({"imageHeight": 768.0}, {"image_height": 768}, ("imageHeight",)),
        ({"imageHeight": "1024"}, {"image_height": 1024}, ("imageHeight",)),
        ({"imageHeight": 0}, {"image_height": None}, ("imageHeight",)),
        ({"imageHeight": -1}, {"image_height": None}, ("imageHeight",)),
        ({"imageHeight": 768.5}, {"image_height": None}, ("imageHeight",)),
        ({"imageHeight": True}, {"image_height": None}, ("imageHeight",)),
        ({"imageHeight": 10**400}, {"image_height": None}, ("imageHeight",)),
        ({"imageHeight": float("inf")}, {"image_height": None}, ("imageHeight",)),
        ({"imageHeight": [1]}, {"image_height": None}, ("imageHeight",)),
        ({"imageWidth": 65_536}, {"image_width": None}, ("imageWidth",)),
        ({"imageWidth": None}, {"image_width": None}, ()),
        ({"coreModel": ""}, {"core_model": None}, ("coreModel",)),
        ({"coreModel": "m" * 201}, {"core_model": "m" * 200}, ("coreModel",)),
        ({"coreModel": 3}, {"core_model": "3"}, ("coreModel",)),
        ({"coreModel": "a\0b"}, {"core_model": "a\ufffdb"}, ("coreModel",)),
        ({"error": {"code": "x"}}, {"error": None}, ("error",)),
        ({"cost": 0.01}, {}, ()),
    ],
)
def test_an_odd_detail_does_not_cost_the_picture(
    change: dict[str, Any], kept: dict[str, Any], repaired: tuple[str, ...]
) -> None:
    result, named = read_both(COMPLETE | change)
    assert result.status == "COMPLETE"
    assert result._asdict() | kept == result._asdict()
    assert named == repaired


def detail(message: str = DEFAULT_ERROR["message"], **more: str) -> Any:
    return DEFAULT_ERROR | {"message": message} | more


@pytest.mark.parametrize(
    ("given", "error", "repaired"),
    [
        ({"message": "m" * 2698}, detail(message="m" * 1000), ("error.message",)),
        ({"message": ""}, detail(), ("error.message",)),
        ({"message": None}, detail(), ()),
        ("CUDA out of memory", detail(message="CUDA out of memory"), ("error",)),
        ({"code": 500}, detail(providerCode="500"), ("error.code",)),
        ({"code": "c" * 101}, detail(providerCode="c" * 100), ("error.code",)),
        ({"code": "moderated"}, DEFAULT_ERROR | {"code": "moderated"}, ()),
        ({"code": "canceled"}, DEFAULT_ERROR | {"code": "canceled"}, ()),
        ({"code": ""}, detail(), ("error.code",)),
        ({"message": "a\0b\ud800"}, detail(message="a\ufffdb\ufffd"), ("error.message",)),
        ({"message": {"a": [1]}}, detail(message='{"a": [1]}'), ("error.message",)),
        (["nsfw", 1], detail(message='["nsfw", 1]'), ("error",)),
        (7, detail(message="7"), ("error",)),
        (False, detail(message="false"), ("error",)),
    ],
)
def test_a_failure_is_recorded_whatever_its_reason_looks_like(
    given: Any, error: Any, repaired: tuple[str, ...]
) -> None:
    result, named = read_both(ERROR | {"error": given})
    assert (result.status, result.error, named) == ("ERROR", error, repaired)


@pytest.mark.parametrize("change", [{"imageUrl": ""}, {"imageUrl": "javascript:x"}])
def test_a_failure_needs_no_picture(change: dict[str, Any]) -> None:
    result, repaired = read_both(ERROR | change)
    assert (result.status, result.image_url, repaired) == ("ERROR", None, ("imageUrl",))


CLIP = {"kind": "video", "url": "https://a.example/clip.mp4", "width": 1920, "height": 1080}


def test_the_first_picture_is_the_image_and_all_outputs_are_kept() -> None:
    picture = {"kind": "image", "url": "https://a.example/1.png", "width": 64, "bytes": 7}
    result, repaired = read_both(ERROR | {"status": "COMPLETE", "outputs": [CLIP, picture]})
    assert (result.image_url, result.image_width) == ("https://a.example/1.png", 64)
    assert (result.outputs or []) == [UNKNOWN | CLIP, UNKNOWN | picture]
    assert repaired == ()


UNKNOWN = dict.fromkeys(
    ("kind", "url", "contentType", "width", "height", "durationMs", "bytes", "expiresAt", "safe")
)


def test_a_video_without_a_poster_has_no_image() -> None:
    result, _ = read_both(ERROR | {"status": "COMPLETE", "outputs": [CLIP]})
    assert (result.status, result.image_url, result.image_width) == ("COMPLETE", None, None)


def test_an_image_that_is_also_an_output_comes_first_and_once() -> None:
    again = {"url": COMPLETE["imageUrl"], "width": 32, "safe": True}
    result, _ = read_both(COMPLETE | {"outputs": [CLIP, again]})
    assert (result.image_url, result.image_width) == (COMPLETE["imageUrl"], 32)
    kept = result.outputs or []
    assert [output["url"] for output in kept] == [COMPLETE["imageUrl"], CLIP["url"]]
    assert (kept[0]["height"], kept[0]["safe"]) == (1024, True)


@pytest.mark.parametrize("outputs", [{}, "x", [CLIP, {"url": "javascript:1"}], [CLIP] * 101])
def test_outputs_that_are_dropped_are_named(outputs: Any) -> None:
    result, repaired = read_both(COMPLETE | {"outputs": outputs})
    assert (result.image_url, repaired) == (COMPLETE["imageUrl"], ("outputs",))


def test_the_scheme_of_a_url_is_written_as_events_require() -> None:
    result, repaired = read_both(COMPLETE | {"imageUrl": "HTTPS://images.example/A.png"})
    assert (result.image_url, repaired) == ("https://images.example/A.png", ("imageUrl",))


@pytest.mark.parametrize(
    ("given", "kept", "repaired"),
    [
        ({}, Progress(), ()),
        ({"progress": 0, "step": "denoising"}, Progress(0.0, "denoising"), ()),
        ({"progress": 1.5}, Progress(1.0), ("progress",)),
        ({"progress": True}, Progress(), ("progress",)),
        ({"step": "s" * 201}, Progress(step="s" * 200), ("step",)),
        ({"previewUrl": "javascript:1"}, Progress(), ("previewUrl",)),
        ({"imageUrl": "never read"}, Progress(), ()),
    ],
)
def test_a_pending_report_is_progress(
    given: Any, kept: Progress, repaired: tuple[str, ...]
) -> None:
    report = report_of(ERROR | {"status": "PENDING"} | given)
    assert (report.state, report.progress, report.repaired) == (State.RUNNING, kept, repaired)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
NAMES = ("imageUrl", "imageHeight", "imageWidth", "coreModel", "error")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON)))
def test_no_detail_of_any_kind_refuses_a_failure(details: dict[str, Any]) -> None:
    result = columns.result(report_of(ERROR | details))
    assert result.error is not None
    assert 0 < len(result.error["message"]) <= 1000
    assert 0 < len(result.error["code"]) <= 100
    # all values that are kept can be stored
    json.dumps(result._asdict(), ensure_ascii=False).encode()


def test_a_deeply_nested_detail_does_not_cost_the_failure() -> None:
    """Near the limit of recursion, JSON can be read that cannot be written."""
    head = json.dumps(ERROR)[:-1].encode() + b', "error": '
    for depth in range(800, 1100):
        body = head + b"[" * depth + b"]" * depth + b"}"
        with suppress(Refused):
            assert report_of(body).state is State.FAILED


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"", b"[]"])
def test_a_body_that_is_not_a_json_object_is_422(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        report_of(body)
    assert (refused.value.status, refused.value.field) == (422, "body")


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_body_leads_to_anything_but_a_report_or_a_422(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        report_of(body)
    assert refused.value.status == 422
