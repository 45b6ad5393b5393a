"""TypeScript declarations of the contract's schemas, for comparison with a client's own types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS = {"integer": "number", "array": "unknown[]", "object": "Record<string, unknown>"}


def declarations(contract: Mapping[str, Any]) -> str:
    """Return the interfaces of all schemas, and the type of every frame of the server."""
    components = contract["components"]
    lines = [
        f"export type {name} = {expression(schema)};"
        for name, schema in components["schemas"].items()
    ]
    sent = [
        expression(message["payload"])
        for name, message in components["messages"].items()
        if f"send_{name}" in contract["operations"]
    ]
    return "\n".join([*lines, f"export type ServerFrame = {' | '.join(sent)};\n"])


def expression(schema: Mapping[str, Any]) -> str:
    """Return the type of a schema."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    if "allOf" in schema:
        (base,) = (expression(part) for part in schema["allOf"])
        needed = " | ".join(json.dumps(name) for name in schema.get("required", ()))
        return f"({base} & Required<Pick<{base}, {needed}>>)" if needed else base
    for kind in ("anyOf", "oneOf"):
        if kind in schema:
            return "(" + " | ".join(map(expression, schema[kind])) + ")"
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return "(" + " | ".join(map(json.dumps, values)) + ")"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return "(" + " | ".join(_named(name, schema) for name in types) + ")"


def _named(name: str, schema: Mapping[str, Any]) -> str:
    if name == "array" and "items" in schema:
        return f"{expression(schema['items'])}[]"
    if name == "object" and "properties" in schema:
        required = schema.get("required", ())
        fields = (
            f"{field}{'' if field in required else '?'}: {expression(inner)};"
            for field, inner in schema["properties"].items()
        )
        return "{ " + " ".join(fields) + " }"
    return _WORDS.get(name, name)
