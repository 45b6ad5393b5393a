"""The base class for command lines built with Typer. It handles exit codes and expected errors."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import typing
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperGroup

from tooling import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[..., int]


class Program(TyperGroup):
    """A group of commands. The return value of a command is its exit code, and an expected error is
    printed as one line on stderr.
    """

    failure: ClassVar[int] = 1  # the exit code of an expected error

    def invoke(self, ctx: Any) -> None:
        """Run the chosen command and exit with its code."""
        try:
            code = super().invoke(ctx)
        except typer.Exit:
            raise
        except Exception as exc:
            if not self.expects(exc):
                raise
            print(self.shown(exc), file=sys.stderr)
            code = self.failure
        raise typer.Exit(code or 0)

    def expects(self, error: Exception) -> bool:
        """Whether an error is expected, so that only its message is shown and no traceback."""
        return isinstance(error, SetupError)

    def shown(self, error: Exception) -> str:
        """Return an expected error's line."""
        return str(error)


def spread(function: Function) -> Function:
    """Replace each dataclass parameter by keyword parameters, one per field.

    Typer requires one parameter per option. With this decorator, related options can be grouped in
    a dataclass, which a command then takes as one parameter.
    """
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
