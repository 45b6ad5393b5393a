"""Runs `./herald` in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.testing import CliRunner

from cli.app import app

if TYPE_CHECKING:
    from typer.testing import Result


def herald(*words: str, typed: str | None = None, **environment: str | None) -> Result:
    """Run a command line; `typed` is stdin. An unexpected error is raised, not returned."""
    runner = CliRunner(env=environment)
    return runner.invoke(app, words, typed, catch_exceptions=False, prog_name="herald")
