"""JSON Schemas of Herald's types, in one simple form that every tool reads.

- Descriptions are the docstrings of classes and the texts below their fields.
- A type that may be null is a list of two types.
- A reference never has siblings, because JSON Schema draft 7 ignores them.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast, get_args

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import is_typeddict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tooling.contracts import Schema

REFERENCE = "#/components/schemas/{model}"


def of_types(kinds: Sequence[type]) -> dict[str, Schema]:
    """Return the schemas of TypedDicts and of all TypedDicts in their fields, by class name."""
    adapters: list[Any] = [(kind.__name__, "validation", TypeAdapter(kind)) for kind in kinds]
    _, found = TypeAdapter.json_schemas(adapters, ref_template=REFERENCE)
    schemas = {name: tidy(schema) for name, schema in found["$defs"].items()}
    for kind in reachable(kinds):
        describe(schemas[kind.__name__], kind)
    return schemas


def of_core(schema: Mapping[str, Any], *kinds: type) -> Schema:
    """Return the JSON Schema of a schema of pydantic-core.

    The first of `kinds` describes it, and the others describe the objects inside it that have the
    same fields.
    """
    found = tidy(GenerateJsonSchema().generate(cast(Any, schema)))
    for part in _objects(found):
        for kind in kinds:
            if set(part["properties"]) == set(kind.__annotations__):
                describe(part, kind)
                break
    return found


def reachable(kinds: Sequence[type]) -> list[type]:
    """Return TypedDicts and all TypedDicts in their fields."""
    found: dict[str, type] = {}
    waiting: list[object] = list(kinds)
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and is_typeddict(kind) and kind.__name__ not in found:
            found[kind.__name__] = kind
            waiting.extend(kind.__annotations__.values())
        waiting.extend(get_args(kind))
    return list(found.values())


def describe(schema: Schema, kind: type) -> None:
    """Add the texts of a class to a schema. A text that it already has is kept."""
    schema["description"] = schema.get("description") or prose(inspect.getdoc(kind) or "")
    for name, text in field_texts(kind).items():
        schema["properties"][name].setdefault("description", text)


def field_texts(kind: type) -> dict[str, str]:
    """Return the texts that stand below the fields of a class."""
    body: Any = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    return {
        field.target.id: prose(ast.literal_eval(below.value))
        for field, below in pairwise(body.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
    }


def prose(text: str) -> str:
    """Return a docstring with one line for each paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def tidy(schema: Schema) -> Schema:
    """Return a schema without generated titles, in the form of this module."""
    found: Schema = {}
    for name, value in schema.items():
        if name == "properties":
            found[name] = {field: tidy(inner) for field, inner in value.items()}
        elif isinstance(value, dict):
            found[name] = tidy(value)
        elif isinstance(value, list):
            found[name] = [tidy(item) if isinstance(item, dict) else item for item in value]
        elif name == "description":
            found[name] = prose(value)
        elif name != "title" and (name, value) != ("default", None):
            found[name] = value
    return _without_siblings(_nullable(found))


def _nullable(schema: Schema) -> Schema:
    """Write "this type or null" as one schema with two types, if the type is simple."""
    choices = schema.get("anyOf", [])
    if len(choices) != 2 or choices[1] != {"type": "null"}:
        return schema
    simple = {name: value for name, value in schema.items() if name != "anyOf"} | choices[0]
    if not isinstance(simple.get("type"), str) or "enum" in simple:
        return schema
    return {**simple, "type": [simple["type"], "null"]}


def _without_siblings(schema: Schema) -> Schema:
    if "$ref" not in schema or len(schema) == 1:
        return schema
    rest = {name: value for name, value in schema.items() if name != "$ref"}
    return {"allOf": [{"$ref": schema["$ref"]}], **rest}


def _objects(schema: object) -> Iterator[Schema]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for value in schema.values():
            yield from _objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _objects(value)


def standalone(schemas: Mapping[str, Schema], name: str) -> Schema:
    """Return one schema together with those that it refers to, as a document of its own."""
    needed: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in needed:
            needed[current] = schemas[current]
            waiting += re.findall(r"#/components/schemas/(\w+)", str(schemas[current]))
    moved = {key: _moved(schema) for key, schema in needed.items()}
    first = moved.pop(name)
    return {**first, "definitions": dict(sorted(moved.items()))} if moved else first


def _moved(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _moved(inner).replace("#/components/schemas/", "#/definitions/")
            if key == "$ref"
            else _moved(inner)
            for key, inner in value.items()
        }
    return [_moved(item) for item in value] if isinstance(value, list) else value
