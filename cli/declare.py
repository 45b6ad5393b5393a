"""Declares commands. A command is a typed function with examples, whose docstring is the help
text.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from tooling.program import spread

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

    Function = Callable[..., int]


def command(examples: str) -> Callable[[Function], Function]:
    """Declare a command that returns its exit code. Its help text shows `examples`, which are
    command lines.
    """

    def declared(function: Function) -> Function:
        wrapper = spread(function)
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
