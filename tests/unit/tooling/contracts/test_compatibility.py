"""A change that breaks users of the released contracts is found; other changes are allowed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tooling.contracts import __main__ as contracts_command
from tooling.contracts import files
from tooling.contracts.compatibility import breaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tooling.contracts import Schema

    Plant = Callable[["Changed"], object]


class Changed:
    """A copy of the contracts, for one change."""

    def __init__(self, contracts: dict[str, Schema]) -> None:
        self.contracts = copy.deepcopy(contracts)
        self.protocol = self.contracts["asyncapi.yaml"]
        self.http = self.contracts["openapi.yaml"]
        self.row = self.contracts["row.schema.json"]

    def field(self, schema: str, name: str) -> Any:
        return self.fields(schema)[name]

    def fields(self, schema: str) -> Any:
        both = self.protocol["components"]["schemas"] | self.http["components"]["schemas"]
        return both[schema]["properties"]

    def required(self, schema: str) -> Any:
        return self.protocol["components"]["schemas"][schema]["required"]


@pytest.fixture(scope="module")
def contracts() -> dict[str, Schema]:
    return files.contracts()


def found(contracts: dict[str, Schema], plant: Plant) -> list[str]:
    changed = Changed(contracts)
    plant(changed)
    return breaks(contracts, changed.contracts)


def test_the_code_does_not_break_the_released_contracts(contracts: dict[str, Schema]) -> None:
    released = files.read(files.RELEASED)
    assert set(released) == set(contracts)
    assert breaks(released, contracts) == []


def test_make_contracts_fails_and_names_the_break(
    contracts: dict[str, Schema],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changed = Changed(contracts)
    changed.fields("Welcome").pop("ping_ms")
    monkeypatch.setattr(files, "contracts", lambda: changed.contracts)
    monkeypatch.setattr(files, "texts", lambda contracts: {})
    assert contracts_command.main([]) == 1
    assert "welcome.ping_ms: removed" in capsys.readouterr().err


NULL = ["string", "null"]
BREAKING: dict[str, tuple[Plant, str]] = {
    "a client frame is removed": (
        lambda new: new.protocol["components"]["messages"].pop("history"),
        "history: removed",
    ),
    "a server frame is removed": (
        lambda new: new.protocol["components"]["messages"].pop("pong"),
        "pong: removed",
    ),
    "a field of a client frame is removed": (
        lambda new: new.fields("History").pop("limit"),
        "history.limit: removed",
    ),
    "a field of a client frame becomes required": (
        lambda new: new.required("History").append("limit"),
        "history.limit: now required",
    ),
    "a client frame has a new required field": (
        lambda new: (
            new.fields("Ping").update(nonce={"type": "string"}),
            new.required("Ping").append("nonce"),
        ),
        "ping.nonce: now required",
    ),
    "a client frame's limit is lowered": (
        lambda new: new.field("History", "limit").update(maximum=50),
        "history.limit: maximum was 300, is 50",
    ),
    "a client frame no longer accepts null": (
        lambda new: new.field("Ping", "epoch").update(type="string"),
        "ping.epoch: null no longer accepted",
    ),
    "an id may no longer be a string": (
        lambda new: new.field("Hello", "id")["anyOf"].pop(1),
        "hello.id: the alternatives are not the same",
    ),
    "a client frame's field inside another is removed": (
        lambda new: new.field("Hello", "resume")["properties"].pop("epoch"),
        "hello.resume.epoch: removed",
    ),
    "a field of a server frame is removed": (
        lambda new: new.fields("Welcome").pop("ping_ms"),
        "welcome.ping_ms: removed",
    ),
    "a field of a server frame is no longer always there": (
        lambda new: new.required("Welcome").remove("token_ms"),
        "welcome.token_ms: no longer always there",
    ),
    "a field of a server frame has another type": (
        lambda new: new.field("Pong", "head").update(type="string"),
        "pong.head: string can now arrive",
    ),
    "a field of a server frame can be null": (
        lambda new: new.field("Welcome", "connection").update(type=NULL),
        "welcome.connection: null can now arrive",
    ),
    "a reason has another value, which clients do not expect": (
        lambda new: new.field("Gap", "reason")["enum"].append("other"),
        "gap.reason: other can now arrive",
    ),
    "a code is removed": (
        lambda new: new.field("Close", "code")["enum"].remove(4011),
        "close.code: 4011 removed",
    ),
    "a status is removed": (
        lambda new: new.field("EventData", "status")["enum"].remove("ERROR"),
        "event.event.data.status: ERROR removed",
    ),
    "an event's field is removed": (
        lambda new: new.fields("EventData").pop("imageUrl"),
        "event.event.data.imageUrl: removed",
    ),
    "an event may lack its owner": (
        lambda new: new.field("EventFrame", "event").pop("required"),
        "event.event.userid: no longer always there",
    ),
    "an output's field is removed": (
        lambda new: new.fields("Output").pop("expiresAt"),
        "event.event.data.outputs[].expiresAt: removed",
    ),
    "a kind of credential is removed": (
        lambda new: new.protocol["components"]["securitySchemes"].pop("apiKey"),
        "securitySchemes apiKey: removed",
    ),
    "an address is removed": (
        lambda new: new.http["paths"].pop("/callbacks/fal"),
        "POST /callbacks/fal: removed",
    ),
    "a webhook needs another header": (
        lambda new: new.http["paths"]["/callbacks/fal"]["post"]["security"][0].update(extra=[]),
        "POST /callbacks/fal: an accepted proof was removed",
    ),
    "an answer is removed": (
        lambda new: new.http["paths"]["/callbacks/fal"]["post"]["responses"].pop("503"),
        "POST /callbacks/fal 503: removed",
    ),
    "a payload's field is removed": (
        lambda new: new.fields("CompleteReport").pop("coreModel"),
        "body generations(2).coreModel: removed",
    ),
    "a field of a link's answer is removed": (
        lambda new: new.fields("KeptOutput").pop("kept"),
        "GET /outputs/{generation}/{index}/{signature} 200.kept: removed",
    ),
    "a column is removed": (
        lambda new: new.row["properties"].pop("provider_id"),
        "row.schema.json.provider_id: removed",
    ),
    "a column becomes required": (
        lambda new: new.row["required"].append("provider"),
        "row.schema.json.provider: now required",
    ),
    "a column that Herald writes can be null": (
        lambda new: new.row["properties"]["updated_at"].update(type=NULL),
        "row.schema.json.updated_at: null can now arrive",
    ),
    "a file is removed": (
        lambda new: new.contracts.pop("event.schema.json"),
        "event.schema.json: removed",
    ),
}
COMPATIBLE: dict[str, Plant] = {
    "nothing": lambda new: None,
    "a new server frame": lambda new: new.protocol["components"]["messages"].update(news={}),
    "a new optional field of a client frame": lambda new: new.fields("Ping").update(
        battery={"type": "integer"}
    ),
    "a new field of a server frame": lambda new: (
        new.fields("Welcome").update(session_ms={"type": "integer"}),
        new.required("Welcome").append("session_ms"),
    ),
    "a new code": lambda new: new.field("Error", "code")["enum"].append(4199),
    "a new event type": lambda new: new.field("Envelope", "type")["enum"].append("herald.x"),
    "a raised limit": lambda new: new.field("History", "limit").update(maximum=1000),
    "a client frame that accepts null": lambda new: new.field("History", "limit").update(
        type=["integer", "null"]
    ),
    "a server field that is never null again": lambda new: new.field("Welcome", "token_ms").update(
        type="integer"
    ),
    "another address": lambda new: new.http["paths"].update({"/callbacks/new": {"post": {}}}),
    "another proof": lambda new: new.http["paths"]["/callbacks/fal"]["post"]["security"].append(
        {"x-new": []}
    ),
    "a new column": lambda new: new.row["properties"].update(planted_at={"type": "string"}),
    "another description": lambda new: new.field("Pong", "head").update(description="The end."),
}


@pytest.mark.parametrize(("plant", "message"), BREAKING.values(), ids=BREAKING.keys())
def test_a_planted_break_is_found_and_named(
    contracts: dict[str, Schema], plant: Plant, message: str
) -> None:
    assert message in found(contracts, plant)


@pytest.mark.parametrize("plant", COMPATIBLE.values(), ids=COMPATIBLE.keys())
def test_a_compatible_change_is_allowed(contracts: dict[str, Schema], plant: Plant) -> None:
    assert found(contracts, plant) == []
