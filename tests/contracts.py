"""Checks what was sent over the wire with the published contracts.

Stricter than the contracts: a field that a contract does not have is an error, because Herald must
not send what it does not document.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from clients.conformance.contract import Sender, closed, error_of, frame_error
from tooling.contracts import CONTRACTS, files, links

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Sender", "answer_error", "contracts", "frame_error", "link_error"]


def answer_error(status: int, body: object) -> str | None:
    """Return what is wrong with the answer to a webhook, or None."""
    validator = _answers().get("Recorded" if status == 200 else str(status))
    if validator is None:
        return f"the contract has no status {status}"
    return error_of(validator, body)


def link_error(status: int, body: object) -> str | None:
    """Return what is wrong with the answer to a link, or None; a redirect has no body."""
    validator = _link_answers().get(str(status))
    if status == 302:
        return None if body is None else "the redirect has a body"
    if validator is None:
        return f"the contract has no status {status}"
    return error_of(validator, body)


@cache
def contracts() -> dict[str, Any]:
    """Return the published contracts, by file name."""
    return files.read(CONTRACTS)


@cache
def _answers() -> dict[str, Any]:
    return _bodies(_http()["components"]["responses"])


@cache
def _link_answers() -> dict[str, Any]:
    return _bodies(_http()["paths"][links.PATH]["get"]["responses"])


@cache
def _http() -> dict[str, Any]:
    found: dict[str, Any] = closed(contracts()["openapi.yaml"])
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
