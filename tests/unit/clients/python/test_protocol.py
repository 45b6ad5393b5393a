"""The client understands every frame of docs/protocol.md, and its types name every field."""

from __future__ import annotations

import json
import re
from typing import Any

from herald_client import COMPLETE, Data, Failure, Output, ProgressData
from herald_client.events import PROGRESS
from tests.unit.clients.python.reader import Reader, asynchronous
from tooling import ROOT

EXAMPLES = [
    json.loads(text)
    for text in re.findall(r"(?ms)^```json\n(.*?)^```", (ROOT / "docs/protocol.md").read_text())
]
FRAMES = [example for example in EXAMPLES if "type" in example]
EVENTS = [item for frame in FRAMES for item in frame.get("items", [frame]) if "event" in item]


@asynchronous
async def test_every_server_frame_of_the_protocol_is_understood() -> None:
    assert {frame["type"] for frame in FRAMES} >= {"welcome", "event", "events", "caught_up"}
    for frame in FRAMES:
        async with Reader() as reader:
            peer = await reader.live(40)
            await peer.say(frame)
            assert peer.is_closed() == (frame["type"] == "close"), frame
            assert not [each for each in reader.problems if each.name == "disconnected"], frame


@asynchronous
async def test_every_event_of_the_protocol_reaches_the_application() -> None:
    assert {item["event"]["type"] for item in EVENTS} >= {COMPLETE, PROGRESS}
    for item in EVENTS:
        async with Reader() as reader:
            await (await reader.live(40)).say(item)
            assert reader.log == ["load start", item["event"]["id"]]
            for event in reader.events:
                assert event.data == item["event"]["data"]
                assert event.time.utcoffset() is not None


def test_the_types_name_every_field_of_the_events() -> None:
    for item in EVENTS:
        data: dict[str, Any] = item["event"]["data"]
        progress = item["event"]["type"] == PROGRESS
        names = {*Data.__annotations__, *(ProgressData.__annotations__ if progress else ())}
        assert data.keys() <= names
        assert data.get("error", {}).keys() <= Failure.__annotations__.keys()
        for output in data.get("outputs", []):
            assert output.keys() == Output.__annotations__.keys()
