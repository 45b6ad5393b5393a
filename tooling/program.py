"""The base class for command lines built with Typer. It handles exit codes and expected errors."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from tooling import SetupError


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
