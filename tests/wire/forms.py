"""Converts text to values, for the fields of the query protocol and for headers and paths of REST
requests.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import Shape

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\d+(\.\d+)?")


def structure(shape: Shape | None, fields: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the structure that flat fields describe, and the names of the fields that are not in
    the model.
    """
    unknown: list[str] = []
    found = _structure(shape, _tree(fields), "", unknown) if shape is not None else {}
    return found, unknown if shape is not None else list(fields)


def scalar(shape: Shape, text: str) -> tuple[Any, str | None]:
    """Convert a text to the type of a shape.

    Returns the value and None, or the text and the reason why it is invalid.
    """
    kind = shape.type_name
    if kind in ("string", "list", "map", "structure"):
        return text, None
    if kind in ("integer", "long"):
        is_number = re.fullmatch(r"[+-]?\d+", text)
        return (int(text), None) if is_number else (text, f"{text!r} is no integer")
    if kind in ("float", "double"):
        try:
            return float(text), None
        except ValueError:
            return text, f"{text!r} is no number"
    if kind == "boolean":
        is_boolean = text in ("true", "false")
        return (text == "true", None) if is_boolean else (text, f"{text!r} is no boolean")
    if kind == "timestamp":
        # In the models, times are numbers of seconds.
        return (0.0, None) if _TIME.fullmatch(text) else (text, f"{text!r} is no time")
    if kind == "blob":
        try:
            return base64.b64decode(text, validate=True), None
        except binascii.Error:
            return text, "it is not in base64"
    return text, f"a {kind} is not expected here"


def _tree(fields: Mapping[str, str]) -> dict[str, Any]:
    """Split the names at their dots and return nested mappings. The value of a field is under the
    key "" of its last part.
    """
    root: dict[str, Any] = {}
    for name, value in fields.items():
        node = root
        for part in name.split("."):
            node = node.setdefault(part, {})
        node[""] = value
    return root


def _value(shape: Shape, node: dict[str, Any], path: str, unknown: list[str]) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, node, path, unknown)
    if shape.type_name == "list":
        return _list(shape, node, path, unknown)
    if shape.type_name == "map":
        return _map(shape, node, path, unknown)
    unknown += [f"{path}.{part}" for part in node if part]
    value, wrong = scalar(shape, node.get("", ""))
    return Wrong(wrong) if wrong else value


class Wrong(str):
    """Marks a value that is invalid for its shape. The string is the reason."""

    __slots__ = ()


def _structure(shape: Any, node: dict[str, Any], path: str, unknown: list[str]) -> dict[str, Any]:
    names = {_wire_name(name, member): name for name, member in shape.members.items()}
    found = {}
    for part, below in node.items():
        if part in names:
            name = names[part]
            found[name] = _value(shape.members[name], below, f"{path}.{part}", unknown)
        elif part:
            unknown.append(f"{path}.{part}".lstrip("."))
    return found


def _wire_name(name: str, member: Any) -> str:
    if member.type_name == "list" and member.serialization.get("flattened"):
        return str(
            member.member.serialization.get("name") or member.serialization.get("name", name)
        )
    return str(member.serialization.get("name", name))


def _list(shape: Any, node: dict[str, Any], path: str, unknown: list[str]) -> list[Any]:
    if node == {"": ""}:  # the form of an empty list
        return []
    if not shape.serialization.get("flattened"):
        wrapper = shape.member.serialization.get("name", "member")
        unknown += [f"{path}.{part}" for part in node if part != wrapper]
        node = node.get(wrapper, {})
    unknown += [f"{path}.{part}" for part in node if not part.isdecimal()]
    numbers = sorted(int(part) for part in node if part.isdecimal())
    if numbers != list(range(1, len(numbers) + 1)):
        unknown.append(f"{path} (its numbers are {numbers})")
    return [
        _value(shape.member, node[str(number)], f"{path}.{number}", unknown) for number in numbers
    ]


def _map(shape: Any, node: dict[str, Any], path: str, unknown: list[str]) -> dict[Any, Any]:
    if not shape.serialization.get("flattened"):
        unknown += [f"{path}.{part}" for part in node if part != "entry"]
        node = node.get("entry", {})
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    found = {}
    for part, entry in node.items():
        unknown += [f"{path}.{part}.{name}" for name in entry if name not in (key_name, value_name)]
        key = _value(shape.key, entry.get(key_name, {}), f"{path}.{part}.{key_name}", unknown)
        where = f"{path}.{part}.{value_name}"
        found[key] = _value(shape.value, entry.get(value_name, {}), where, unknown)
    return found
