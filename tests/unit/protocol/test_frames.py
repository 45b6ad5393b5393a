"""The frames of herald.v1, from clients and from the server."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.protocol import client_frames, server_frames
from chalicelib.protocol.events import MAX_EVENT_BYTES, MAX_FRAME_BYTES, MAX_OFFSET

EPOCH = "0199f3a0-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"action":"hello"}', {"id": None, "resume": None}),
        (
            '{"action":"hello","id":1,"resume":{"offset":0}}',
            {"id": 1, "resume": {"epoch": None, "offset": 0}},
        ),
        (
            '{"action":"hello","resume":{"epoch":null,"offset":3},"new":1}',
            {"resume": {"epoch": None, "offset": 3}},
        ),
        (
            f'{{"action":"hello","resume":{{"epoch":"{EPOCH}","offset":41}}}}',
            {"resume": {"epoch": UUID(EPOCH), "offset": 41}},
        ),
        (
            f'{{"action":"ping","id":"a","epoch":"{EPOCH}","offset":44}}',
            {"id": "a", "epoch": UUID(EPOCH), "offset": 44},
        ),
        ('{"action":"history","since":0}', {"since": 0, "limit": 100}),
        ('{"action":"auth","token":"x"}', {"token": "x"}),
    ],
)
def test_the_protocols_frames_are_parsed(text: str, wanted: dict[str, Any]) -> None:
    frame = client_frames.parse(text)
    assert frame == {"id": None, **frame} | wanted
    assert "new" not in frame, "unknown fields are ignored"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "frame"),
        ("[]", "frame"),
        ('{"action":"shout"}', "action"),
        ("{}", "action"),
        ('{"action":"hello","resume":{}}', "resume.offset"),
        ('{"action":"hello","resume":{"offset":-1}}', "resume.offset"),
        ('{"action":"hello","resume":{"offset":"1"}}', "resume.offset"),
        ('{"action":"hello","resume":{"offset":true}}', "resume.offset"),
        ('{"action":"hello","resume":{"epoch":"x","offset":1}}', "resume.epoch"),
        ('{"action":"history"}', "since"),
        ('{"action":"history","since":1,"limit":301}', "limit"),
        ('{"action":"history","since":99999999999999999}', "since"),
        ('{"action":"auth"}', "token"),
        ('{"action":"ping","offset":1.5}', "offset"),
    ],
)
def test_a_bad_frame_is_rejected_naming_the_field(text: str, named: str) -> None:
    with pytest.raises(client_frames.BadFrame, match=named):
        client_frames.parse(text)


def test_a_rejection_carries_the_frames_id() -> None:
    with pytest.raises(client_frames.BadFrame) as refused:
        client_frames.parse('{"action":"shout","id":7}')
    assert refused.value.re == 7


@pytest.mark.parametrize("frame_id", [0, 2**53, "", "x" * 64, "frame-😀"])
def test_a_rejection_contains_every_valid_id(frame_id: Any) -> None:
    with pytest.raises(client_frames.BadFrame) as refused:
        client_frames.parse(json.dumps({"action": "shout", "id": frame_id}))
    assert refused.value.re == frame_id


@pytest.mark.parametrize(
    "frame_id",
    ["\ud800", "x" * 65, "x" * 32_600, -1, 2**53 + 1, 10**400, 1.5, True, None, [], {"id": 1}],
)
@pytest.mark.parametrize("action", ["shout", "hello"])
def test_an_invalid_id_is_not_repeated(action: str, frame_id: Any) -> None:
    frame = json.dumps({"action": action, "id": frame_id, "resume": "invalid"})
    with pytest.raises(client_frames.BadFrame) as refused:
        client_frames.parse(frame)
    assert refused.value.re is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"id":' * 20_000,
        '{"action":"hello","id":1,"more":' + "[" * 100_000,
        '{"action":"ping","id":' + "[" * 50_000 + "]" * 50_000 + "}",
    ],
    ids=["brackets", "objects", "unknown field", "id"],
)
def test_a_deeply_nested_frame_is_rejected(text: str) -> None:
    with pytest.raises(client_frames.BadFrame):
        client_frames.parse(text)


_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from(["shout", "hello", "ping", "history", "auth"]), _ANY_JSON, _ANY_JSON)
def test_the_error_frame_can_always_be_sent(action: str, frame_id: Any, other: Any) -> None:
    values = {"resume": other, "epoch": other, "offset": other, "since": other, "token": other}
    try:
        client_frames.parse(json.dumps({"action": action, "id": frame_id, **values}))
    except client_frames.BadFrame as exc:
        frame = server_frames.error(exc.re, server_frames.BAD_FRAME, str(exc))
        assert len(frame.encode()) < 1000


def test_a_rejection_does_not_echo_the_frame() -> None:
    with pytest.raises(client_frames.BadFrame) as refused:
        client_frames.parse('{"action":"my secret"}')
    assert (
        str(refused.value) == "action: must be one of hello, ping, keepalive, history, auth, cancel"
    )


@given(st.text(max_size=60))
def test_random_text_is_always_rejected(text: str) -> None:
    with pytest.raises(client_frames.BadFrame):
        client_frames.parse(text)


def test_an_event_frame_carries_the_event_byte_for_byte() -> None:
    text = '{"id" : "1", "data": {"prompt":"\\u00e9 é"}}'
    frame = server_frames.event(text, EPOCH, 42, replayed=False)
    assert text in frame
    assert json.loads(frame) == {
        "type": "event",
        "epoch": EPOCH,
        "offset": 42,
        "replayed": False,
        "event": json.loads(text),
    }


def test_a_notice_has_no_position() -> None:
    frame = json.loads(server_frames.event("{}", None, None, replayed=True))
    assert (frame["epoch"], frame["offset"], frame["replayed"]) == (None, None, True)


def test_the_largest_event_fits_every_frame_it_may_travel_in() -> None:
    largest = json.dumps("x" * (MAX_EVENT_BYTES - 2))
    item = server_frames.event(largest, EPOCH, MAX_OFFSET, replayed=False)
    assert len(item.encode()) <= MAX_FRAME_BYTES
    assert [
        len(frame.encode()) <= MAX_FRAME_BYTES for frame in server_frames.events([item, item])
    ] == [
        True,
        True,
    ]


@given(st.lists(st.text(max_size=12_000), max_size=40))
def test_events_keep_order_and_no_frame_is_too_large(texts: list[str]) -> None:
    items = [json.dumps(text, ensure_ascii=False) for text in texts]
    packed = list(server_frames.events(items))
    assert [text for frame in packed for text in json.loads(frame)["items"]] == texts
    assert all(len(frame.encode()) <= MAX_FRAME_BYTES for frame in packed)


def test_a_single_event_is_not_wrapped() -> None:
    assert server_frames.packed(["{}"]) == ["{}"]
    assert server_frames.packed([]) == []
    assert json.loads(server_frames.packed(["{}", "{}"])[0])["type"] == "events"


@pytest.mark.parametrize(
    "code",
    [value for value in vars(server_frames).values() if isinstance(value, server_frames.Code)],
)
def test_the_range_of_a_code_says_how_to_reconnect(code: server_frames.Code) -> None:
    wanted: Any = {40: "never", 41: "backoff", 42: "now"}[code.code // 100]
    assert code.reconnect == wanted
    assert json.loads(server_frames.close(code))["reconnect"] == wanted
