"""Compares frames with the published contract, contracts/asyncapi.yaml.

Stricter than the contract: a field that the contract does not have is an error, because neither
side may send what is not documented.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

if TYPE_CHECKING:
    from collections.abc import Mapping

Sender = Literal["client", "server"]

_CONTRACT = Path(__file__).parents[2] / "contracts" / "asyncapi.yaml"


def frame_error(
    sender: Sender, frame: Mapping[str, Any], *, of_later_version: bool = False
) -> str | None:
    """Return what is wrong with a frame, or None.

    A message of API Gateway itself has no type and is no frame. A frame of a later version may have
    more fields, and other values where the contract says that they are extensible.
    """
    if sender == "server" and "type" not in frame:
        return None
    name = str(frame.get("type" if sender == "server" else "action"))
    validator = _frames(sender, of_later_version).get(name)
    if validator is None:
        return f"the contract has no {sender} frame {name!r}"
    return error_of(validator, frame)


def error_of(validator: Any, found: object) -> str | None:
    """Return the most relevant error that a validator finds, or None."""
    error = best_match(validator.iter_errors(found))
    return None if error is None else f"{error.json_path}: {error.message}: {json.dumps(found)}"


def closed(part: Any) -> Any:
    """Return schemas in which only the documented fields are allowed."""
    if isinstance(part, list):
        return [closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    found = {name: closed(value) for name, value in part.items()}
    own_object = "properties" in found and "allOf" not in found and "type" in found
    return {**found, "additionalProperties": False} if own_object else found


def names(sender: Sender) -> frozenset[str]:
    """Return the names of all frames of one side."""
    return frozenset(_frames(sender, False))


@cache
def _contract() -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(_CONTRACT.read_text(encoding="utf-8"), loader)  # noqa: S506 - it is safe


def _extended(part: Any) -> Any:
    """Return schemas with which the frames of a later version are valid, too."""
    if isinstance(part, list):
        return [_extended(item) for item in part]
    if not isinstance(part, dict):
        return part
    extensible = part.get("x-extensible") is True
    return {
        name: _extended(value)
        for name, value in part.items()
        if not (extensible and name in ("enum", "const"))
    }


@cache
def _frames(sender: Sender, of_later_version: bool) -> dict[str, Any]:
    contract = _extended(_contract()) if of_later_version else closed(_contract())
    prefix = "receive_" if sender == "client" else "send_"
    names = [name.removeprefix(prefix) for name in contract["operations"] if prefix in name]
    messages = contract["components"]["messages"]
    return {
        name: Draft7Validator({**messages[name]["payload"], "components": contract["components"]})
        for name in names
    }
