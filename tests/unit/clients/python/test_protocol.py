"""The client understands every frame of the protocol, and its types are those of the contracts."""

from __future__ import annotations

import functools
import json
import operator
import re
from typing import Any, Literal, NotRequired, get_origin, get_type_hints

import pytest

from herald_client import COMPLETE, Data, Failure, Output, ProgressData
from herald_client.events import PROGRESS
from herald_client.server.models import Generation
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


def python_type(schema: dict[str, Any]) -> Any:
    """Return the Python type of a property of the contract."""
    if "$ref" in schema:
        return {"ErrorDetail": Failure}[schema["$ref"].rpartition("/")[2]]
    if schema["type"] == "array":
        assert schema["items"] == {"$ref": "#/definitions/Output"}
        return list[Output]
    if "enum" in schema and not schema.get("x-extensible"):
        return Literal[tuple(schema["enum"])]
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    names = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
    return functools.reduce(operator.or_, (names[kind] for kind in kinds))


@pytest.mark.parametrize(
    ("name", "types"),
    [("EventData", [Data, ProgressData]), ("ErrorDetail", [Failure]), ("Output", [Output])],
)
def test_the_types_are_those_of_the_contract(name: str, types: list[Any]) -> None:
    contract = json.loads((ROOT / "contracts/event.schema.json").read_text())["definitions"][name]
    found: dict[str, Any] = {}
    for each in types:
        found |= get_type_hints(each)
    assert found == {key: python_type(each) for key, each in contract["properties"].items()}
    marked = get_type_hints(types[0], include_extras=True).items()
    required = {key for key, each in marked if get_origin(each) is not NotRequired}
    assert required == set(contract["required"])


def test_the_model_has_the_columns_of_the_contract() -> None:
    contract = json.loads((ROOT / "contracts/row.schema.json").read_text())
    columns = {column.name: column for column in Generation.__table__.columns}
    assert columns.keys() == contract["properties"].keys()
    for name, schema in contract["properties"].items():
        nullable = "null" in schema.get(
            "type", [each.get("type") for each in schema.get("anyOf", [])]
        )
        assert columns[name].nullable == nullable, name
    given = {name for name, column in columns.items() if column.nullable or column.server_default}
    assert columns.keys() - given == set(contract["required"])
