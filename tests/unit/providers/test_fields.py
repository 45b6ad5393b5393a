"""Reading arbitrary JSON."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.providers import fields


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://a.example/1.png", True),
        ("javascript:alert(1)", False),
        (" https://a.example/1.png", False),
        ("ht\ntps://a.example/1.png", False),
        ("https:///1.png", False),
        ("https://[", False),
        ("https://a.example/\0", False),
        ("https://a.example/\ud800", False),
        ("https://a.example/" + "x" * fields.MAX_URL, False),
        ("data:image/png;base64,iVBORw0KGgo=", False),
        (None, False),
    ],
)
def test_only_what_a_browser_loads_and_a_database_keeps_is_a_url(
    value: object, expected: bool
) -> None:
    assert fields.url(value) == (value if expected else None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("text", "text"),
        (False, "false"),
        ({"a": [1]}, '{"a": [1]}'),
        (["\0\ud800"], '["\ufffd\\ud800"]'),
        (["x" * 20], '["' + "x" * 14),
    ],
)
def test_any_json_value_is_written_as_text(value: object, expected: str | None) -> None:
    assert fields.written(value, 16) == expected


def test_the_scheme_of_a_url_is_in_lower_case() -> None:
    assert fields.url("HTTP://A.example/B.png") == "http://A.example/B.png"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a", {"b": [{"c": 1}, 2]}),
        ("a.b.0.c", 1),
        ("a.b.1", 2),
        ("a.b.2", None),
        ("a.b.-1", None),
        ("a.b.\u0662", None),
        ("a.b.c", None),
        ("a.x.y", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_a_dotted_path_leads_through_objects_and_arrays(path: object, found: object) -> None:
    assert fields.at({"a": {"b": [{"c": 1}, 2]}}, path) == found


@pytest.mark.parametrize(
    ("start", "found"),
    [
        ("2026-11-25T09:00:00.1Z", "2026-11-25T09:01:00Z"),
        ("2026-11-25T10:00:00+01:00", "2026-11-25T09:01:00Z"),
        ("2026-11-25T09:00:00", "2026-11-25T09:01:00Z"),
        (1_795_597_200, "2026-11-25T09:01:00Z"),
        (1_795_597_200_000, "2026-11-25T09:01:00Z"),
        ("1795597200", "2026-11-25T09:01:00Z"),
        ("9999-12-31T23:59:59Z", None),
        ("yesterday", None),
        (float("inf"), None),
        (10**40, None),
        (0, None),
        (-1, None),
        (None, None),
        (True, None),
    ],
)
def test_a_time_is_read_as_text_seconds_or_milliseconds(start: object, found: Any) -> None:
    assert fields.later(start, 60) == found


@pytest.mark.parametrize(
    ("seconds", "found"), [("5", 5000), (5.1, 5100), ("0", None), (1e30, None), ("long", None)]
)
def test_a_duration_in_seconds_becomes_milliseconds(seconds: object, found: Any) -> None:
    assert fields.milliseconds(seconds) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [("1024x768", (1024, 768)), ("1024", (None, None)), ("0x8", (None, None)), (8, (None, None))],
)
def test_a_size_is_read_from_one_text(value: object, found: Any) -> None:
    assert fields.size(value) == found


def test_characters_that_postgresql_cannot_store_are_replaced() -> None:
    assert fields.text("a\0b\ud800") == "a\ufffdb\ufffd"
    assert fields.text(7) == "7"
    assert fields.text("") is None


def test_deep_json_in_a_text_is_an_empty_object() -> None:
    for value in ("[" * 100_000, "[1]", "{", None, {"a": 1}):
        assert fields.parsed(value) == {}
    assert fields.parsed('{"a": 1}') == {"a": 1}


def test_a_url_that_appears_twice_is_one_output() -> None:
    found = fields.outputs({"a": "https://a.example/1.png", "b": ["https://a.example/1.png"]})
    assert [output.url for output in found] == ["https://a.example/1.png"]
