"""Reads XML bodies, such as those of S3, into parameters with the names of a model."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from tests.wire import forms


def members(shape: Any, body: bytes) -> tuple[dict[str, Any], list[str]]:
    """Return the members of a structure, and what is wrong with the document.

    Raises
    ------
    ValueError
        The body is not XML.
    """
    wrong: list[str] = []
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - our own requests
    except ElementTree.ParseError as exc:
        raise ValueError(str(exc)) from exc
    return _structure(shape, root, wrong), wrong


def _structure(shape: Any, element: ElementTree.Element, wrong: list[str]) -> dict[str, Any]:
    names = {each.serialization.get("name", name): name for name, each in shape.members.items()}
    flat = {
        each.serialization.get("name", each.member.serialization.get("name", name)): name
        for name, each in shape.members.items()
        if each.type_name == "list" and each.serialization.get("flattened")
    }
    found: dict[str, Any] = {}
    for child in element:
        tag = child.tag.rpartition("}")[2]
        if tag in flat:
            member = shape.members[flat[tag]].member
            found.setdefault(flat[tag], []).append(_value(member, child, wrong))
        elif tag in names:
            found[names[tag]] = _value(shape.members[names[tag]], child, wrong)
        else:
            wrong.append(f"{tag} is not a member of {shape.name}")
    return found


def _value(shape: Any, element: ElementTree.Element, wrong: list[str]) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, element, wrong)
    if shape.type_name == "list":
        return [_value(shape.member, child, wrong) for child in element]
    value, problem = forms.scalar(shape, element.text or "")
    if problem:
        wrong.append(f"{element.tag.rpartition('}')[2]}: {problem}")
    return value
