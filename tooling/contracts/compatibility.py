"""Finds changes of a contract that would break somebody who uses it.

A schema is either *sent to* Herald (client frames, webhooks, new rows) or *received from* it
(server frames, events, answers). What is sent may be widened: everything that was accepted still
is. What is received may be narrowed: everything that arrives was possible before. In both
directions, new optional fields are compatible, because both sides ignore unknown fields, and
nothing is removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tooling.contracts import Schema

    Resolve = Callable[[Schema], Schema]

Direction = Literal["sent", "received"]

_LOWER = ("minimum", "minLength", "minItems")  # a higher value accepts less
_UPPER = ("maximum", "maxLength", "maxItems")
_OPEN = "x-extensible"


def breaks(old: Schema, new: Schema) -> list[str]:
    """Return what `new` breaks for users of `old`, as one line for each break.

    The arguments are two versions of all contracts, by file name.
    """
    found: list[str] = []
    for name, contract in old.items():
        if name not in new:
            found.append(f"{name}: removed")
        elif "asyncapi" in contract:
            found += _asyncapi(contract, new[name])
        elif "openapi" in contract:
            found += _openapi(contract, new[name])
        else:
            direction: Direction = "sent" if name.startswith("row") else "received"
            found += _Comparison(contract, new[name], direction).of(contract, new[name], name)
    return found


def _asyncapi(old: Schema, new: Schema) -> Iterator[str]:
    for name, message in old["components"]["messages"].items():
        changed = new["components"]["messages"].get(name)
        if changed is None:
            yield f"{name}: removed"
            continue
        sent = f"receive_{name}" in old["operations"]
        comparison = _Comparison(old, new, "sent" if sent else "received")
        yield from comparison.of(message["payload"], changed["payload"], name)
    yield from _removed(old, new, "operations")
    yield from _removed(old["components"], new["components"], "securitySchemes")


def _openapi(old: Schema, new: Schema) -> Iterator[str]:
    received, sent = _Comparison(old, new, "received"), _Comparison(old, new, "sent")
    for path, item in old["paths"].items():
        for method, operation in item.items():
            where = f"{method.upper()} {path}"
            changed = new["paths"].get(path, {}).get(method)
            if changed is None:
                yield f"{where}: removed"
                continue
            if _proofs(operation) - _proofs(changed):
                yield f"{where}: an accepted proof was removed"
            yield from _bodies(received, operation["responses"], changed["responses"], where)
    before, after = old["components"], new["components"]
    yield from _bodies(sent, before["requestBodies"], after["requestBodies"], "body")
    yield from _bodies(received, before["responses"], after["responses"], "answer")


def _bodies(comparison: _Comparison, old: Schema, new: Schema, where: str) -> Iterator[str]:
    """Compare request bodies by provider, or answers by status. References are compared once."""
    for name, part in old.items():
        if name not in new:
            yield f"{where} {name}: removed"
        elif "content" in part:
            before, after = (each["content"]["application/json"] for each in (part, new[name]))
            yield from comparison.of(before["schema"], after["schema"], f"{where} {name}")


def _proofs(operation: Schema) -> set[tuple[str, ...]]:
    return {tuple(sorted(needed)) for needed in operation["security"]}


def _removed(old: Schema, new: Schema, group: str) -> Iterator[str]:
    for name in old[group].keys() - new[group].keys():
        yield f"{group} {name}: removed"


class _Comparison:
    """Compares schemas of two documents."""

    def __init__(self, old: Schema, new: Schema, direction: Direction) -> None:
        self._documents = (old, new)
        self._sent = direction == "sent"

    def of(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        """Yield the breaks between two schemas at the same place."""
        old, new = _merged(old, self._documents[0]), _merged(new, self._documents[1])
        yield from self._types(old, new, where)
        yield from self._values(old, new, where)
        yield from self._limits(old, new, where)
        yield from self._fields(old, new, where)
        if "items" in old and "items" in new:
            yield from self.of(old["items"], new["items"], f"{where}[]")
        yield from self._choices(old, new, where)

    def _types(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        before, after = _types(old), _types(new)
        if before and after:
            lost = before - after if self._sent else after - before
            if lost:
                verb = "no longer accepted" if self._sent else "can now arrive"
                yield f"{where}: {', '.join(sorted(lost))} {verb}"

    def _values(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        before, after = _values(old), _values(new)
        if before is None and after is not None and self._sent:
            yield f"{where}: only listed values are accepted"
        if before is None or after is None:
            if before is not None and not self._sent and not old.get(_OPEN):
                yield f"{where}: values that are not listed can now arrive"
            return
        if lost := before - after:
            yield f"{where}: {', '.join(sorted(map(str, lost)))} removed"
        added = after - before
        if added and not self._sent and not old.get(_OPEN):
            yield f"{where}: {', '.join(sorted(map(str, added)))} can now arrive"

    def _limits(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        for name in (*_LOWER, *_UPPER):
            narrow, wide = (new, old) if self._sent else (old, new)
            if name not in narrow:
                continue
            lower = name in _LOWER
            if name not in wide or (
                wide[name] < narrow[name] if lower else wide[name] > narrow[name]
            ):
                yield f"{where}: {name} was {old.get(name)}, is {new.get(name)}"
        for name in ("pattern", "format"):
            if old.get(name) != new.get(name) and (new if self._sent else old).get(name):
                yield f"{where}: {name} was {old.get(name)}, is {new.get(name)}"

    def _fields(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before:
            if name not in after:
                yield f"{where}.{name}: removed"
                continue
            comparison = self
            if before[name].get("readOnly"):  # a column that Herald writes
                comparison = _Comparison(*self._documents, "received")
            yield from comparison.of(before[name], after[name], f"{where}.{name}")
        required, needed = set(old.get("required", ())), set(new.get("required", ()))
        if self._sent:
            for name in sorted(needed - required):
                yield f"{where}.{name}: now required"
        else:
            for name in sorted((required - needed) & after.keys()):
                yield f"{where}.{name}: no longer always there"

    def _choices(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        """Compare alternatives in their order; one of them may be added at the end."""
        for kind in ("anyOf", "oneOf"):
            before, after = old.get(kind), new.get(kind)
            if before is None and after is None:
                continue
            if before is None or after is None or len(after) < len(before):
                yield f"{where}: the alternatives are not the same"
                continue
            for number, (one, other) in enumerate(zip(before, after, strict=False), 1):
                yield from self.of(one, other, f"{where}({number})")
            if len(after) > len(before) and not self._sent:
                yield f"{where}: another alternative can now arrive"


def _merged(schema: Schema, document: Schema) -> Schema:
    """Return a schema with its references resolved and its `allOf` merged."""
    if "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return _merged(found, document)
    merged: Schema = {}
    for part in [*schema.get("allOf", ()), {k: v for k, v in schema.items() if k != "allOf"}]:
        inner = _merged(part, document) if "$ref" in part else part
        for name, value in inner.items():
            if name == "properties":
                known = merged.get(name, {})
                merged[name] = known | {
                    field: {"allOf": [known[field], own]} if field in known else own
                    for field, own in value.items()
                }
            elif name == "required":
                merged[name] = sorted({*merged.get(name, ()), *value})
            else:
                merged[name] = value
    return merged


def _types(schema: Schema) -> set[str]:
    found = schema.get("type", [])
    types = {found} if isinstance(found, str) else set(found)
    return types | {"integer"} if "number" in types else types


def _values(schema: Schema) -> set[Any] | None:
    if "const" in schema:
        return {schema["const"]}
    return set(schema["enum"]) if "enum" in schema else None
