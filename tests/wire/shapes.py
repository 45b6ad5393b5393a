"""Compares parameters with the shapes of AWS's models."""

from __future__ import annotations

import base64
import binascii
import functools
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

from tests.wire.forms import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import Shape

_NUMBERS = ("integer", "long", "float", "double")


def violations(shape: Shape | None, value: Any, path: str = "") -> Iterator[str]:
    """Yield the reasons why a value does not match its shape."""
    if shape is None:
        if value:
            yield f"{path or 'the request'} has members, and its shape has none"
    elif isinstance(value, Wrong):
        yield f"{path}: {value}"
    elif value is None:
        return  # a JSON null means that the member is missing
    else:
        yield from _CHECKS[shape.type_name](shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r:.60} is not a structure"
        return
    given = {name: each for name, each in value.items() if name in shape.members}
    for name in value.keys() - given.keys():
        yield f"{path}.{name} is unknown"
    for name in shape.required_members:
        if given.get(name) is None:
            yield f"{path}.{name} is missing"
    if shape.is_tagged_union and len([each for each in given.values() if each is not None]) != 1:
        yield f"{path} must have one member"
    for name, each in given.items():
        yield from violations(shape.members[name], each, f"{path}.{name}")


def _list(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: {value!r:.60} is not a list"
        return
    yield from _range(shape, len(value), path, "members")
    for number, each in enumerate(value):
        yield from violations(shape.member, each, f"{path}[{number}]")


def _map(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r:.60} is not a map"
        return
    yield from _range(shape, len(value), path, "entries")
    for key, each in value.items():
        yield from violations(shape.key, key, f"{path} (key)")
        yield from violations(shape.value, each, f"{path}.{key}")


def _string(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: {value!r:.60} is not a string"
        return
    if shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is not one of {', '.join(shape.enum)}"
    yield from _range(shape, len(value), path, "characters")
    wanted = shape.metadata.get("pattern")
    if wanted and not compiled(wanted).fullmatch(value):
        yield f"{path}: {value!r:.80} does not match {wanted}"


def _blob(shape: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except binascii.Error:
            yield f"{path}: it is not in base64"
            return
    if isinstance(value, bytes):
        yield from _range(shape, len(value), path, "bytes")
    else:
        yield f"{path}: {value!r:.60} is not a blob"


def _number(shape: Any, value: Any, path: str) -> Iterator[str]:
    whole = shape.type_name in ("integer", "long")
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        yield f"{path}: {value!r:.60} is not {'an integer' if whole else 'a number'}"
        return
    bits = 31 if shape.type_name == "integer" else 63
    if whole and not -(2**bits) <= value < 2**bits:
        yield f"{path}: {value} has more than {bits + 1} bits"
    yield from _range(shape, value, path, "")


def _boolean(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{path}: {value!r:.60} is not a boolean"


def _timestamp(shape: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{path}: {value!r:.60} is not a number of seconds"


def _range(shape: Any, size: float, path: str, unit: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"{path}: {size} {unit} are fewer than {least}"
    if most is not None and size > most:
        yield f"{path}: {size} {unit} are more than {most}"


_CHECKS = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "character": _string,
    "blob": _blob,
    "boolean": _boolean,
    "timestamp": _timestamp,
    **dict.fromkeys(_NUMBERS, _number),
}


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    r"""Return a compiled pattern of the models. They use Java's syntax, in which `\p{L}` is a
    category of characters.
    """
    translated = re.sub(r"\\p\{(\w+)\}", lambda found: _category(found[1], pattern, found), pattern)
    return re.compile(translated)


def _category(name: str, pattern: str, found: re.Match[str]) -> str:
    ranges = _categories().get(name.removeprefix("Is"), "")
    if not ranges:
        raise ValueError(f"the category {name} of {pattern!r} is not known here")
    opened = pattern.count("[", 0, found.start()) - pattern.count("]", 0, found.start())
    return ranges if opened > 0 else f"[{ranges}]"


@functools.cache
def _categories() -> dict[str, str]:
    """Return the characters of each Unicode category, such as `Lu` and `L`, as ranges for a
    character class.
    """
    runs: dict[str, list[list[int]]] = {}
    for code in range(sys.maxunicode + 1):
        whole = unicodedata.category(chr(code))
        for name in (whole, whole[0]):
            ranges = runs.setdefault(name, [])
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    found = {
        name: "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
        for name, ranges in runs.items()
    }
    return {**found, "ASCII": "\\x00-\\x7f"}
