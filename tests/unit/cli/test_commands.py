"""Durations, and the question before harm."""

from __future__ import annotations

import argparse
import io

import pytest

from cli import commands
from cli.commands import CommandError


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("10m", 600), ("2h", 7200), ("3d", 259_200), (" 1m ", 60)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert commands.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "1.5h", "2w", "1h30m"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="10m, 2h or 3d"):
        commands.duration(text)


@pytest.mark.parametrize("text", ["0", "-3", "two", "", "²"])
def test_only_whole_numbers_above_zero_are_limits(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        commands.positive(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (59.9, "59s"), (60, "1m"), (7199, "1h"), (259_200, "3d")]
)
def test_ages_are_written_with_their_largest_unit(seconds: float, text: str) -> None:
    assert commands.age(seconds) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "expected"), [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False)]
)
def test_only_a_yes_is_a_yes(answer: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert commands.confirmed("Delete?", yes=False) is expected


def test_without_a_terminal_only_the_option_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(CommandError, match="--yes"):
        commands.confirmed("Delete?", yes=False)
    assert commands.confirmed("Delete?", yes=True)


def test_what_hinders_a_command_is_a_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> int:
        raise CommandError("Give --stage.")

    assert commands.run(fail) == 2
    assert capsys.readouterr().err == "Give --stage.\n"
