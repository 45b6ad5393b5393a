"""The whole command line: help, examples and the commands in the documentation."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from cli.app import app
from tests.command_line import herald
from tooling import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

TREE: Any = get_command(app)
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(
    group: Any = TREE, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that is not a group, with its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands())
EACH = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


def parse(line: str) -> None:
    """Resolve a line `./herald …` to a command and its options; raises ValueError.

    In a line, `a|b` are alternatives, `[…]` is optional, and <command> or COMMAND stands for any
    word.
    """
    line = re.split(r" (?:[|<>]|&&|#) ", f"{line} ")[0]
    words = [word.strip("[]") for word in shlex.split(line.replace("…", " "))[1:]]
    found: list[Any] = [TREE]
    while words and hasattr(found[0], "commands") and not words[0].startswith("-"):
        names = words.pop(0).split("|")
        if names[0].startswith("<") or names[0].isupper():
            return
        if unknown := set(names) - set(found[0].commands):
            raise ValueError(f"{line}: there is no command {unknown.pop()}")
        found = [found[0].commands[name] for name in names]
    parameters = [parameter for command in found for parameter in command.params]
    known = {option for parameter in parameters for option in parameter.opts} | {"--help", "-h"}
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("-") and option not in known:
            raise ValueError(f"{line}: there is no option {option}")


def test_the_commands_are_those_that_operators_know() -> None:
    assert {" ".join(path) for path in COMMANDS} == {
        "plan",
        "deploy",
        "rollback",
        "destroy",
        "migrate",
        "smoke",
        "dlq list",
        "dlq peek",
        "dlq redrive",
        "dlq purge",
        "secret set",
        "secret retire",
        "provider list",
        "provider set",
        "provider api-key",
        "provider rotate",
        "provider retire",
        "provider remove",
        "callback-url",
        "simulate",
        "send",
        "cancel",
        "trace",
        "doctor",
        "logs",
        "tail",
        "token",
        "api-key create",
        "api-key list",
        "api-key revoke",
        "sessions revoke",
        "forget",
        "new-epoch",
        "cost",
        "conformance",
    }


@EACH
def test_every_command_has_help_with_an_example_of_itself(path: tuple[str, ...]) -> None:
    result = herald(*path, "--help")
    assert result.exit_code == 0
    assert f"Usage: herald {' '.join(path)}" in result.stdout
    examples = [line for line in result.stdout.splitlines() if "./herald " in line]
    assert any(f"./herald {' '.join(path)}" in line for line in examples)


@EACH
def test_every_example_and_option_is_well_formed(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    for line in command.epilog.splitlines():
        if "./herald" in line:
            parse(line[line.index("./herald") :])
    assert "--json" in {option for parameter in command.params for option in parameter.opts}
    assert all(getattr(parameter, "help", "") for parameter in command.params)


@EACH
def test_every_command_that_works_on_a_herald_takes_the_same_options(path: tuple[str, ...]) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    if path[0] not in ("plan", "deploy", "rollback", "destroy", "cost", "conformance"):
        assert {"--stage", "--outputs", "--set", "--stack-env"} <= options


def documented() -> Iterator[tuple[str, str]]:
    """Yield the command lines in code blocks and code spans, each with the name of its file."""
    for path in DOCUMENTS:
        text = path.read_text()
        blocks = re.findall(r"(?ms)^ *```\w*\n(.*?)^ *```", text)
        spans = re.findall(r"`([^`]+)`", re.sub(r"(?ms)^ *```.*?^ *```", "", text))
        lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
        for line in (*lines, *(span.replace("\n", " ") for span in spans)):
            for found in re.findall(r'(?<!\.)\./herald\b(?![/"]).*', line):
                yield path.name, found


def test_every_command_line_in_the_documentation_parses() -> None:
    for name, line in documented():
        try:
            parse(line)
        except ValueError as exc:
            raise AssertionError(f"{name}: {exc}") from exc


@pytest.mark.parametrize(
    "line", ["./herald dlq lists", "./herald cost --user 3", "./herald dlq list|pick"]
)
def test_the_check_of_the_documentation_finds_mistakes(line: str) -> None:
    with pytest.raises(ValueError, match="there is no"):
        parse(line)


@pytest.mark.parametrize(
    "words",
    [[], ["dlq"], ["nothing"], ["dlq", "nothing"], ["cost", "--nothing"], ["secret", "set"]],
)
def test_wrong_usage_exits_2_with_nothing_on_stdout(words: list[str]) -> None:
    result = herald(*words)
    assert result.exit_code == 2
    assert not result.stdout or "Usage: herald" in result.stdout
    assert "Usage: herald" in result.output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom cli.app import app\n"
        "heavy = {'boto3', 'botocore', 'alembic', 'sqlalchemy', 'psycopg2', 'rich', 'local'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=ROOT, text=True).strip() == "[]"
