"""Tables and words of docs/reference.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tooling.contracts import Schema

_FORMATS = {"uuid": "UUID", "date-time": "time", "uri": "URL"}
_LIMITS = {2**53: "2^53", 10**16 - 1: "10^16 - 1"}
_OWN_TABLES = ("Envelope", "EventData", "ErrorDetail", "EventFrame")


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table."""
    head = list(titles)
    lines = [f"| {' | '.join(row)} |\n" for row in [head, *rows]]
    return "".join([lines[0], "|---" * len(head), "|\n", *lines[1:]])


def fields(schema: Schema, document: Schema) -> str:
    """Return the table of an object's fields."""
    rows = []
    for name, field in schema["properties"].items():
        rows.append((_name(name, name, schema), kind(field, document), meaning(field)))
        rows += _inner(name, field, document)
    return table(("field", "type", "meaning"), rows)


def _inner(name: str, field: Schema, document: Schema) -> Iterator[tuple[str, str, str]]:
    """Yield the fields of a small object inside a frame; events have tables of their own."""
    own = document["components"]["schemas"]
    schema = resolved(field, document)
    if any(schema is own.get(each) for each in _OWN_TABLES):
        return
    for inner, below in schema.get("properties", {}).items():
        yield _name(f"{name}.{inner}", inner, schema), kind(below, document), meaning(below)


def _name(shown: str, name: str, schema: Schema) -> str:
    return f"`{shown}`" if name in schema.get("required", ()) else f"`{shown}` ?"


def meaning(field: Schema) -> str:
    """Return a field's description and its possible values."""
    text = field.get("description", "").replace("\n\n", " ")
    values = [f"`{value}`" for value in field.get("enum", ())]
    if values and field.get("x-extensible"):
        return f"{text} Known values: {', '.join(values)}.".strip()
    return f"{text} One of {', '.join(values)}.".strip() if values else str(text)


def kind(field: Schema, document: Schema) -> str:
    """Return a type in words."""
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "allOf" in field or "$ref" in field:
        return "object"
    if choices := field.get("anyOf"):
        return either([kind(choice, document) for choice in choices])
    types = field.get("type", "object")
    words = [
        _word(each, field, document) for each in ([types] if isinstance(types, str) else types)
    ]
    default = f", default {json.dumps(field['default'])}" if "default" in field else ""
    return either(words) + default


def _word(name: str, field: Schema, document: Schema) -> str:
    if name == "array":
        return f"list of {kind(field['items'], document)}s"
    if name == "string":
        return _string(field)
    low, high = field.get("minimum"), field.get("maximum")
    if name in ("integer", "number") and high is not None:
        return f"{name} from {low} to {_LIMITS.get(high, f'{high:g}')}"
    return f"{name} of at least {low}" if low and name != "null" else name


def _string(field: Schema) -> str:
    if str(field.get("pattern", "")).startswith("^https?"):
        return "URL"
    most = field.get("maxLength")
    text = f"string of up to {most} characters" if most else "string"
    return _FORMATS.get(field.get("format", ""), text)


def either(words: list[str]) -> str:
    """Return alternatives as a phrase."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def resolved(schema: Schema, document: Schema) -> Schema:
    """Return what a reference leads to, or the schema itself."""
    (reference,) = schema.get("allOf", [schema])[:1]
    if "$ref" not in reference:
        return schema
    found: Any = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return resolved(found, document)
