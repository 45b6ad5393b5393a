"""Declares commands. A command is a typed function with examples; its docstring is the help text.

Typer requires one parameter per option. Here, related options can be grouped in a dataclass, which
a command then takes as one parameter.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

    Function = Callable[..., int]


def command(examples: str) -> Callable[[Function], Function]:
    """Declare a command that returns its exit code. Its help text shows `examples`, which are
    command lines.
    """

    def declared(function: Function) -> Function:
        wrapper = _spread(function)
        wrapper.__dict__["examples"] = examples.strip()
        return wrapper

    return declared


def add(parent: typer.Typer, name: str, function: Function) -> None:
    """Add a declared command to an application or a group."""
    examples = function.__dict__["examples"]
    parent.command(name, help=prose(function.__doc__), epilog=f"Examples:\n\n{examples}")(function)


def prose(text: str | None) -> str:
    """Join the lines of each paragraph, so that the terminal's width determines the line breaks."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text or ""))
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def _spread(function: Function) -> Function:
    """Replace each dataclass parameter by keyword parameters, one per field."""
    signature = inspect.signature(function)
    groups: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if dataclasses.is_dataclass(parameter.annotation)
    }

    @functools.wraps(function)
    def wrapper(**values: Any) -> int:
        for name, group in groups.items():
            own = {field.name: values.pop(field.name) for field in dataclasses.fields(group)}
            values[name] = group(**own)
        return function(**values)

    options = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        for option in (_options(groups[name]) if name in groups else [parameter])
    ]
    wrapper.__signature__ = signature.replace(parameters=options)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {option.name: option.annotation for option in options}
    return wrapper


def _options(group: Any) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(group, include_extras=True)
    fresh = group()  # every field has a default
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=getattr(fresh, field.name),
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(group)
    ]
