"""Reading dead letters, and the filter that chooses some of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.recording import generation_events
from cli.dead_letters.letters import Filter, Letter, QueueName, read

NOW = datetime(2025, 5, 19, tzinfo=UTC)
NOTICE = generation_events.build_notice("g1", "alice", stage="test", now=NOW)


def message(body: str, **attributes: str) -> dict[str, Any]:
    return {
        "MessageId": "m1",
        "ReceiptHandle": "r1",
        "Body": body,
        "Attributes": {"SentTimestamp": "1700000000000", "ApproximateReceiveCount": "3"},
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }


def test_a_valid_event_was_received_too_often() -> None:
    letter = read("queue", message(NOTICE, type="herald.generation.error"))

    assert letter.reason.startswith("received too often")
    assert (letter.generation, letter.user) == ("g1", "alice")
    assert letter.type == "herald.generation.error"
    assert (letter.sent_at, letter.receives) == (1_700_000_000, 3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("poison", "invalid event: the message is not JSON"),
        ("[1]", "invalid event: the message is not a JSON object"),
        ('{"specversion":"1.0","type":"other"}', "invalid event: type is not one of Herald's"),
    ],
)
def test_an_invalid_event_says_what_is_wrong(body: str, reason: str) -> None:
    assert read("queue", message(body)).reason.startswith(reason)


def test_the_readable_fields_of_an_invalid_event_are_kept() -> None:
    letter = read("queue", message('{"subject":"g1","userid":7}'))
    assert (letter.generation, letter.user, letter.type) == ("g1", "", "")


def test_attributes_of_sns_give_the_reason() -> None:
    failed = message(NOTICE, ErrorCode="AccessDenied", ErrorMessage="KMS key disabled")
    assert read("subscription", failed).reason == "SNS: AccessDenied KMS key disabled"
    assert read("subscription", message(NOTICE)).reason.startswith("SNS: it could not put")


@pytest.mark.parametrize("queue", ["queue", "subscription"])
def test_an_event_in_the_envelope_of_sns_is_read_and_moved_unchanged(queue: QueueName) -> None:
    wrapped = json.dumps({"Type": "Notification", "Message": NOTICE, "MessageAttributes": {"a": 7}})

    letter = read(queue, message(wrapped, ErrorCode="E"))

    assert (letter.user, letter.generation) == ("alice", "g1")
    assert letter.type == "herald.generation.error"
    assert not letter.reason.startswith("invalid event")
    assert letter.whole()["event"] == json.loads(NOTICE)
    assert letter.body == wrapped
    assert list(letter.attributes) == ["ErrorCode"]


@pytest.mark.parametrize(
    "body",
    [
        "[" * 20_000,
        '{"data":' * 20_000,
        json.dumps({"Type": "Notification", "Message": "[" * 20_000}),
        json.dumps({"Type": "Notification", "Message": json.dumps("\ud800")}),
    ],
    ids=["list", "object", "enveloped list", "enveloped text"],
)
def test_an_unreadable_message_is_still_a_dead_letter(body: str) -> None:
    letter = read("queue", message(body))
    assert letter.reason.startswith("invalid event")
    assert letter.whole()["body"] == body


def test_a_whole_letter_has_event_time_and_attributes() -> None:
    shown = read("queue", message(NOTICE, type="t")).whole()

    assert shown["event"] == json.loads(NOTICE)
    assert shown["sentAt"] == "2023-11-14T22:13:20Z"
    assert shown["attributes"] == {"type": "t"}
    assert read("queue", message("poison")).whole()["body"] == "poison"


def test_the_summary_of_a_letter_has_no_content() -> None:
    assert read("queue", message(NOTICE)).summary() == {
        "queue": "queue",
        "messageId": "m1",
        "sentAt": "2023-11-14T22:13:20Z",
        "receives": 3,
        "reason": "received too often: `deliver` failed on it",
        "type": "herald.generation.error",
        "generation": "g1",
        "user": "alice",
    }


def test_the_size_counts_body_and_attributes_in_bytes() -> None:
    assert read("queue", message("ä" * 10, ab="cd")).size == 20 + 2 + len("String") + 2


def letter() -> Letter:
    return read("queue", message(NOTICE))


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Filter(), True),
        (Filter(generation="G1"), True),
        (Filter(generation="g2"), False),
        (Filter(user="alice"), True),
        (Filter(user="ALICE"), False),
        (Filter(older_than=99), True),
        (Filter(older_than=100), False),
        (Filter(younger_than=101), True),
        (Filter(younger_than=100), False),
        (Filter(user="alice", generation="g2"), False),
    ],
)
def test_a_letter_must_match_every_field_of_a_filter(chosen: Filter, expected: bool) -> None:
    assert chosen.matches(letter(), now=1_700_000_100) is expected
