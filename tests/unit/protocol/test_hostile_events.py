"""Events that SQS or DynamoDB would refuse, and messages that an attacker has sent to the queue."""

import json
import re
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidEvent
from chalicelib.protocol import events
from tests.unit.protocol.test_events import EPOCH, build, output, progress

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
CARRIED = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)
ODD = "\0\x01\x0b\x1b\x7f\u2028\ud800\udfff\ufdd0\ufffe\uffff\U0001ffff"


def check_carried(**changes: Any) -> Any:
    text = build(**changes)
    assert CARRIED.fullmatch(text)
    assert len(text.encode()) <= events.MAX_EVENT_BYTES
    return json.loads(text)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_an_event_holds_only_characters_that_sqs_carries(
    prompt: str, user_id: str, model: str, message: str
) -> None:
    error = {"code": message, "message": message}
    texts = {"prompt": prompt, "user_id": user_id, "core_model": model}
    event = check_carried(status="ERROR", error=error, **texts)
    assert (event["data"]["prompt"], event["userid"]) == (prompt, user_id)
    assert (event["data"]["coreModel"], event["data"]["error"]) == (model, error)


@pytest.mark.parametrize("character", ODD)
def test_an_odd_character_travels_as_it_is(character: str) -> None:
    assert check_carried(prompt=f"a{character}b")["data"]["prompt"] == f"a{character}b"
    check_carried(prompt=character * 40_000)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 20_000,
        '{"a":' * 20_000,
        build().replace('"prompt":"a lighthouse"', '"prompt":' + "[" * 20_000 + "]" * 20_000),
        build().replace('"prompt":"a lighthouse"', '"prompt":"\ud800"'),
        '{"Type":"Notification","Message":"' + "[" * 20_000 + '"}',
    ],
    ids=["brackets", "objects", "nested data", "raw surrogate", "nested in an envelope"],
)
def test_a_message_that_cannot_be_read_is_not_an_event(text: str) -> None:
    with pytest.raises(InvalidEvent):
        events.parse(text)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"userid": "\ud800"}, "userid"),
        ({"id": "\udfff"}, "id"),
        ({"time": "\ud800"}, "time"),
        ({"time": "0001-01-01T00:00:00"}, "time"),
        ({"epoch": "ffffffff-ffff-ffff-ffff-ffffffffffff"}, "epoch"),
        ({"epoch": "ffffffff-ffff-7fff-bfff-ffffffffffff"}, "epoch"),
        ({"source": "herald/production"}, "source"),
        ({"source": None}, "source"),
    ],
)
def test_an_attribute_that_would_poison_a_users_stream_is_refused(
    change: dict[str, Any], named: str
) -> None:
    event = json.loads(build()) | change
    with pytest.raises(InvalidEvent, match=named):
        events.parse(json.dumps(event), stage="test")


@pytest.mark.parametrize("address", ["javascript:alert(1)", " https://x", "data:,x", 7, ["x"]])
@pytest.mark.parametrize("field", ["imageUrl", "outputs", "previewUrl"])
def test_an_address_that_is_a_script_is_refused_at_delivery_too(field: str, address: Any) -> None:
    event = json.loads(progress() if field == "previewUrl" else build())
    event["data"][field] = [output(), output(url=address)] if field == "outputs" else address
    with pytest.raises(InvalidEvent, match=field):
        events.parse(json.dumps(event))


@pytest.mark.parametrize(
    "outputs", [None, {}, "x", [None], ["https://x"], [{}], [output(url=None)], [[output()]]]
)
def test_outputs_of_another_shape_are_refused(outputs: Any) -> None:
    event = json.loads(build())
    event["data"]["outputs"] = outputs
    with pytest.raises(InvalidEvent, match="outputs"):
        events.parse(json.dumps(event))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("progress", -0.1),
        ("progress", 1.01),
        ("progress", True),
        ("progress", "0.5"),
        ("progress", float("nan")),
        ("progress", float("inf")),
        ("step", 7),
        ("step", {"text": "sampling"}),
        ("status", "COMPLETE"),
        ("prompt", "p" * events.MAX_PROGRESS_BYTES),
    ],
)
def test_a_progress_event_of_another_shape_is_refused(field: str, value: Any) -> None:
    event = json.loads(progress())
    event["data"][field] = value
    with pytest.raises(InvalidEvent, match="bytes" if field == "prompt" else field):
        events.parse(json.dumps(event))


@pytest.mark.parametrize("place", [{"epoch": EPOCH}, {"sequence": "1"}])
def test_a_progress_event_cannot_take_a_place_in_the_stream(place: dict[str, str]) -> None:
    with pytest.raises(InvalidEvent, match="progress"):
        events.parse(json.dumps(json.loads(progress()) | place))


@given(
    st.dictionaries(
        st.sampled_from(["progress", "step", "previewUrl", "outputs", "status", "imageUrl"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=5,
        ),
    )
)
def test_whatever_is_in_an_event_it_is_read_or_refused(data: dict[str, Any]) -> None:
    for text in (build(), progress()):
        event = json.loads(text)
        event["data"].update(data)
        with suppress(InvalidEvent):
            events.parse(json.dumps(event))


def test_an_event_of_this_stage_is_read() -> None:
    assert events.parse(build(), stage="test").user_id == "alice"


def test_snss_envelope_is_taken_away() -> None:
    envelope = {
        "Type": "Notification",
        "TopicArn": "arn",
        "Message": build(),
        "SignatureVersion": "1",
    }
    assert events.parse(json.dumps(envelope)) == events.parse(build())


def test_only_one_envelope_is_taken_away() -> None:
    inner = json.dumps({"Type": "Notification", "Message": build()})
    with pytest.raises(InvalidEvent):
        events.parse(json.dumps({"Type": "Notification", "Message": inner}))


def test_an_epoch_tells_when_its_stream_began() -> None:
    milliseconds = int(time.time() * 1000)
    epoch = f"{milliseconds:012x}"
    epoch = f"{epoch[:8]}-{epoch[8:]}-7000-8000-000000000000"
    assert events.began_at(epoch) == milliseconds / 1000
