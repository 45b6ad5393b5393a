"""The command line `python -m local`, on a stack that is not up."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tooling import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def local(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_help_lists_every_command() -> None:
    result = local("--help")
    assert result.returncode == 0
    assert "Usage: python -m local" in result.stdout
    for name in ("up", "down", "demo", "status", "token", "logs"):
        assert f" {name} " in result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["token", "alice"], "The stack is not up: run `make up` first."),
        (["logs", "emulator"], "There are no such logs in"),
    ],
)
def test_without_a_stack_the_message_says_so_and_the_exit_code_is_1(
    words: list[str], says: str, tmp_path: Path
) -> None:
    result = local("--stack", str(tmp_path), *words)
    assert (result.returncode, result.stdout) == (1, "")
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_the_status_of_a_stack_that_is_not_up_exits_1(tmp_path: Path) -> None:
    result = local("--stack", str(tmp_path), "status")
    assert (result.returncode, result.stdout) == (1, "The stack is not up.\n")


def test_a_stack_that_is_not_up_goes_down_quietly(tmp_path: Path) -> None:
    result = local("--stack", str(tmp_path / "never"), "down")
    assert (result.returncode, result.stdout) == (0, "never: was not running\n")


@pytest.mark.parametrize("words", [["token"], ["nothing"], ["up", "--nothing"]])
def test_wrong_usage_exits_2(words: list[str]) -> None:
    result = local(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Usage: python -m local" in result.stderr


def made(*words: str) -> str:
    """Return the commands that make would run, with variables of other programs."""
    theirs = {"PORT": "1", "DATABASE": "theirs", "ORIGINS": "theirs"}
    environment = {**os.environ, "MAKEFLAGS": "", **theirs}
    # Within `make test`, make would also print its directory.
    command = ["make", "--no-print-directory", "--dry-run", "up", *words]
    return subprocess.check_output(command, cwd=ROOT, env=environment, text=True)


def test_make_passes_options_of_its_command_line_and_none_of_the_environment() -> None:
    line = made("PORT=8400", "ORIGINS=http://localhost:5173,https://a.example").splitlines()[-1]
    assert "--port '8400' " in line
    assert "--origins 'http://localhost:5173,https://a.example'" in line
    assert "theirs" not in line
    assert "--database" not in line
