"""The files in contracts/ are those of the code, and the official parsers accept them."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests import contracts as recorded
from tests.unit.test_docs import EXAMPLES
from tooling import environments
from tooling.contracts import CONTRACTS, files

if TYPE_CHECKING:
    from tooling.contracts import Schema

PARSE = Path(__file__).with_name("parse.cjs")
ROW = {"id": "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38", "user_id": "alice", "prompt": "waves"}


@pytest.fixture(scope="module")
def contracts() -> dict[str, Schema]:
    return files.contracts()


def test_the_files_are_those_of_the_code(contracts: dict[str, Schema]) -> None:
    stale = [p.name for p, text in files.texts(contracts).items() if p.read_text() != text]
    assert stale == [], "run `make contracts` and commit the result"
    assert {path.name for path in CONTRACTS.glob("*.*")} == set(contracts)


def test_asyncapis_own_parser_accepts_the_contract_and_refuses_a_wrong_one(
    contracts: dict[str, Schema], tmp_path: Path
) -> None:
    wrong = {name: contracts["asyncapi.yaml"][name] for name in ("asyncapi", "info")}
    planted = tmp_path / "asyncapi.yaml"
    planted.write_text(yaml.safe_dump({**wrong, "operations": {"pong": {"action": "answer"}}}))
    node = environments.find_node()
    assert node, "Node.js 20 or newer was not found: install it, or run `make test` as root"
    run = subprocess.run(
        [str(node), str(PARSE), str(CONTRACTS / "asyncapi.yaml"), str(planted)],
        env={**os.environ, "NODE_PATH": str(environments.ensure_node_packages())},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    accepted, refused = (
        [found for found in diagnostics if found[0] < 2]  # errors and warnings
        for diagnostics in json.loads(run.stdout)
    )
    assert accepted == []
    assert "operations.pong.action" in [path for _, path, _ in refused]


def test_the_openapi_validator_accepts_the_contract_and_refuses_a_missing_parameter(
    contracts: dict[str, Schema],
) -> None:
    contract = contracts["openapi.yaml"]
    assert list(OpenAPIV31SpecValidator(contract).iter_errors()) == []
    wrong = copy.deepcopy(contract)
    del wrong["paths"]["/callbacks/replicate/{generation}"]["post"]["parameters"]
    assert list(OpenAPIV31SpecValidator(wrong).iter_errors())


@pytest.mark.parametrize("name", ["event.schema.json", "row.schema.json"])
def test_a_schema_is_a_valid_json_schema(contracts: dict[str, Schema], name: str) -> None:
    Draft7Validator.check_schema(contracts[name])


# AsyncAPI's parser does not compare examples with schemas.
@pytest.mark.parametrize("frame", EXAMPLES, ids=lambda found: found.get("action") or found["type"])
def test_the_contract_contains_and_allows_each_example_of_the_protocol(
    contracts: dict[str, Schema], frame: dict[str, Any]
) -> None:
    name = frame.get("action", frame.get("type"))
    message = contracts["asyncapi.yaml"]["components"]["messages"][name]
    assert {"payload": frame} in message["examples"]
    assert recorded.frame_error("client" if "action" in frame else "server", frame) is None
    validator = Draft7Validator(contracts["event.schema.json"], format_checker=FormatChecker())
    for item in frame.get("items", [frame]):
        if "event" in item:
            validator.validate(item["event"])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"offset": "42"}, "$.offset"),
        ({"replayed": None}, "$.replayed"),
        ({"seen": True}, "$: Additional"),
        ({"type": "evnt"}, "the contract has no server frame"),
    ],
)
def test_a_wrong_frame_is_recognized(change: dict[str, Any], error: str) -> None:
    frame = next(frame for frame in EXAMPLES if frame.get("type") == "event")
    assert str(recorded.frame_error("server", {**frame, **change})).startswith(error)


def test_the_smallest_row_is_allowed_and_a_row_without_an_owner_is_not(
    contracts: dict[str, Schema],
) -> None:
    validator = Draft7Validator(contracts["row.schema.json"])
    assert validator.is_valid(ROW)
    assert not validator.is_valid({**ROW, "user_id": ""})
    assert not validator.is_valid({"id": ROW["id"], "prompt": "waves"})


def test_every_field_has_a_description(contracts: dict[str, Schema]) -> None:
    for name in ("asyncapi.yaml", "openapi.yaml"):
        for title, schema in contracts[name]["components"]["schemas"].items():
            for field, found in schema.get("properties", {}).items():
                assert found.get("description"), f"{title}.{field} has no text below it"
