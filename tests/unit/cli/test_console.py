"""Durations, confirmations and errors on the console."""

from __future__ import annotations

import io

import pytest
import typer
from typer.testing import CliRunner

from cli import app as cli_app
from cli import console, options
from cli.console import CommandError
from tooling import SetupError


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("10m", 600), ("2h", 7200), ("3d", 259_200), (" 1m ", 60)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert options.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "1.5h", "2w", "1h30m"])
def test_other_durations_are_rejected(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="10m, 2h or 3d"):
        options.duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (59.9, "59s"), (60, "1m"), (7199, "1h"), (259_200, "3d")]
)
def test_ages_are_written_with_their_largest_unit(seconds: float, text: str) -> None:
    assert console.age(seconds) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "expected"), [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False)]
)
def test_only_a_yes_is_a_yes(answer: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert console.confirmed("Delete?", yes=False) is expected


def test_without_a_terminal_only_the_option_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(CommandError, match="--yes"):
        console.confirmed("Delete?", yes=False)
    assert console.confirmed("Delete?", yes=True)


@pytest.mark.parametrize("error", [CommandError("Give --stage."), SetupError("No terraform.")])
def test_an_expected_error_is_a_line_and_exit_code_2(error: Exception) -> None:
    app = typer.Typer(cls=cli_app.Herald)

    @app.command()
    def fail() -> int:
        raise error

    @app.command()
    def succeed() -> int:
        return console.PARTLY

    failed = CliRunner().invoke(app, ["fail"])
    assert (failed.exit_code, failed.stdout, failed.stderr) == (2, "", f"{error}\n")
    assert CliRunner().invoke(app, ["succeed"]).exit_code == 1
