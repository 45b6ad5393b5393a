"""Checks what was sent over the wire with the published contracts.

Stricter than the contracts: a field that a contract does not have is an error, because Herald must
not send what it does not document.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import best_match

from tooling.contracts import CONTRACTS, files, links

if TYPE_CHECKING:
    from collections.abc import Mapping

Sender = Literal["client", "server"]


def frame_error(sender: Sender, frame: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a frame, or None.

    A message of API Gateway itself has no type and is no frame.
    """
    if sender == "server" and "type" not in frame:
        return None
    name = str(frame.get("type" if sender == "server" else "action"))
    validator = _frames(sender).get(name)
    if validator is None:
        return f"the contract has no {sender} frame {name!r}"
    return _error(validator, frame)


def answer_error(status: int, body: object) -> str | None:
    """Return what is wrong with the answer to a webhook, or None."""
    validator = _answers().get("Recorded" if status == 200 else str(status))
    return f"the contract has no status {status}" if validator is None else _error(validator, body)


def link_error(status: int, body: object) -> str | None:
    """Return what is wrong with the answer to a link, or None; a redirect has no body."""
    validator = _link_answers().get(str(status))
    if status == 302:
        return None if body is None else "the redirect has a body"
    return f"the contract has no status {status}" if validator is None else _error(validator, body)


def _error(validator: Any, found: object) -> str | None:
    error = best_match(validator.iter_errors(found))
    return None if error is None else f"{error.json_path}: {error.message}: {json.dumps(found)}"


@cache
def contracts() -> dict[str, Any]:
    """Return the published contracts, by file name."""
    return files.read(CONTRACTS)


@cache
def _frames(sender: Sender) -> dict[str, Any]:
    contract = _closed(contracts()["asyncapi.yaml"])
    prefix = "receive_" if sender == "client" else "send_"
    names = [name.removeprefix(prefix) for name in contract["operations"] if prefix in name]
    messages = contract["components"]["messages"]
    return {
        name: Draft7Validator({**messages[name]["payload"], "components": contract["components"]})
        for name in names
    }


@cache
def _answers() -> dict[str, Any]:
    return _bodies(_http()["components"]["responses"])


@cache
def _link_answers() -> dict[str, Any]:
    return _bodies(_http()["paths"][links.PATH]["get"]["responses"])


@cache
def _http() -> dict[str, Any]:
    found: dict[str, Any] = _closed(contracts()["openapi.yaml"])
    return found


def _bodies(answers: Mapping[str, Any]) -> dict[str, Any]:
    components = _http()["components"]
    schemas = {
        name: answer["content"]["application/json"]["schema"]
        for name, answer in answers.items()
        if "content" in answer
    }
    return {
        name: Draft202012Validator({**schema, "components": components})
        for name, schema in schemas.items()
    }


def _closed(part: Any) -> Any:
    """Return schemas in which only the documented fields are allowed."""
    if isinstance(part, list):
        return [_closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    found = {name: _closed(value) for name, value in part.items()}
    own_object = "properties" in found and "allOf" not in found and "type" in found
    return {**found, "additionalProperties": False} if own_object else found
