"""Durations, confirmations and errors on the console."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest
import typer
from rich.table import Table
from typer.testing import CliRunner

from cli import __main__ as cli_main
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


# Characters that control a terminal, or change the order of the text that it shows.
CONTROLS = "".join(
    map(
        chr,
        (
            *range(0x20),
            *range(0x7F, 0xA0),
            0x061C,
            *(0x200E, 0x200F),
            *range(0x202A, 0x202F),
            *range(0x2066, 0x206A),
        ),
    )
)


@pytest.mark.parametrize("control", [*CONTROLS, "\u2028", "\ud800"], ids=ascii)
def test_a_control_character_is_escaped_wherever_text_is_printed(
    control: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table()
    table.add_column(overflow="fold")

    console.add_row(table, f"cell{control}")
    console.tables().print(table)
    console.print_json({"key": f"value{control}"})
    if control != "\n":  # our own messages have several lines
        console.say(f"result{control}")
        console.note(f"note{control}")

    shown = "".join(capsys.readouterr())
    escaped = control.encode("unicode_escape").decode()
    assert control not in shown.replace("\n", "" if control == "\n" else "\n")
    assert f"cell{escaped}" in shown
    if control != "\n":
        assert f"result{escaped}" in shown
        assert f"note{escaped}" in shown


def test_json_is_ascii_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"user": f"Zoë|用户😀{CONTROLS}"}
    console.print_json(value)
    text = capsys.readouterr().out
    assert text.isascii()
    assert json.loads(text) == value


def test_other_text_is_printed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("Zoë, 用户 😀\nصورة [bold] :smile:")
    assert capsys.readouterr().out == "Zoë, 用户 😀\nصورة [bold] :smile:\n"


def test_an_error_with_text_from_outside_is_escaped() -> None:
    app = typer.Typer(cls=cli_app.Herald)

    @app.command()
    def fail() -> int:
        raise CommandError("no such user: \x1b]0;owned\x07\nDo this.")

    @app.command()
    def succeed() -> int:
        return console.DONE

    failed = CliRunner().invoke(app, ["fail"])
    assert failed.stderr == "no such user: \\x1b]0;owned\\x07\nDo this.\n"


def test_the_traceback_of_an_unexpected_error_is_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(prog_name: str) -> None:
        raise ValueError("row \x1b]0;owned\x07")

    monkeypatch.setattr(cli_main, "app", fail)
    with pytest.raises(SystemExit) as exit_code:
        cli_main.main()
    assert exit_code.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.endswith("ValueError: row \\x1b]0;owned\\x07\n")


def test_commands_print_only_through_the_console_module() -> None:
    home = Path(console.__file__)
    printing = [
        f"{path.relative_to(home.parent)}:{node.lineno}"
        for path in sorted(home.parent.rglob("*.py"))
        if path != home
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert printing == [], "use say, note, print_json or add_row of cli.console"


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
