"""The files in contracts/: made, read and written."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import yaml

from chalicelib.recording.row_types import GenerationRow
from tooling import ROOT
from tooling.contracts import CONTRACTS, REFERENCE, asyncapi, frames, openapi, reference, schemas

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tooling.contracts import Schema

RELEASED = CONTRACTS / "released"  # the contracts of the last release
_DRAFT = "http://json-schema.org/draft-07/schema#"
_NOTE = "# Generated from the server's code by `make contracts`. Do not edit.\n"


def contracts() -> dict[str, Schema]:
    """Return the contracts, as the server's code has them, by file name."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    _, found = frames.frames()
    row = schemas.of_types([GenerationRow])
    frames.list_values(row)
    return {
        "asyncapi.yaml": asyncapi.document(version),
        "openapi.yaml": openapi.document(version),
        "event.schema.json": _alone(found, "Envelope", "An event of Herald"),
        "row.schema.json": _alone(row, "GenerationRow", "A row of herald.generations"),
    }


def texts(found: Mapping[str, Schema]) -> dict[Path, str]:
    """Return the text of each generated file."""
    made = {CONTRACTS / name: _text(name, contract) for name, contract in found.items()}
    return {**made, REFERENCE: reference.page(found)}


def read(folder: Path) -> dict[str, Schema]:
    """Read the contracts in a folder."""
    # YAML is a superset of JSON.
    return {path.name: yaml.load(path.read_text(), yaml.CSafeLoader) for path in folder.glob("*.*")}


def _alone(found: Mapping[str, Schema], name: str, title: str) -> Schema:
    return {"$schema": _DRAFT, "title": title, **schemas.standalone(found, name)}


def _text(name: str, contract: Schema) -> str:
    if name.endswith(".json"):
        return json.dumps(contract, indent=2, ensure_ascii=False) + "\n"
    body = yaml.dump(contract, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return _NOTE + body


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, and long texts as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)
