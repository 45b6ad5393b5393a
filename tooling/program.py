"""The root of a command line built with Typer: exit codes and expected errors."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from tooling import SetupError


class Program(TyperGroup):
    """A command's return value is the exit code; an expected error is a line on stderr."""

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
        """Whether an error's message says enough: no traceback is shown."""
        return isinstance(error, SetupError)

    def shown(self, error: Exception) -> str:
        """Return an expected error's line."""
        return str(error)
