"""The conformance suite with drivers that do not do what they are told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from clients.conformance.outcome import Broken
from clients.conformance.points import POINTS
from clients.conformance.report import as_text
from clients.conformance.runner import Result, run
from tests.integration.clients.conformance import DRIVERS, driver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str], list[str]]

READY = 'print(\'{"report": "ready", "can": []}\', flush=True)\n'
# Answers every command, and has no client.
IDLE = (
    READY
    + """
import json, sys
for line in sys.stdin:
    command = json.loads(line)
    answer = {"done": command["do"]}
    if command["do"] == "advance":
        answer["moved"] = command["seconds"]
    print(json.dumps(answer), flush=True)
"""
)
[FIRST] = [point for point in POINTS if point.name == "C3"]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a driver, and returns the command that starts it."""

    def written(text: str) -> list[str]:
        program = tmp_path / "driver.py"
        program.write_text(text)
        return [sys.executable, "-S", str(program)]

    return written


def only(command: list[str], name: str = "C3") -> Result:
    [result] = run([point for point in POINTS if point.name == name], command)
    return result


def test_a_program_that_cannot_be_started_is_named() -> None:
    with pytest.raises(Broken, match=r"cannot be started.*no-such-program"):
        run([FIRST], ["/no-such-program"])


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("", "the driver ended with code 0"),
        ("print('hello')", "lines of JSON objects: hello"),
        ("print('{}')", "the first line must be"),
        ('print(\'{"report": "ready"}\')', "the first line must be"),
    ],
)
def test_a_driver_that_is_not_ready_is_not_used(write: Write, program: str, message: str) -> None:
    with pytest.raises(Broken, match=message):
        run([FIRST], write(program))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"done": command["do"]', '"done": "nothing"'), 'must have "done": "start"'),
        (("answer = {", "sys.exit(3)\n    answer = {"), "ended with code 3"),
        (
            ("answer = {", 'print(\'{"report": "socket"}\')\n    answer = {'),
            "a report about a socket needs its number and its state",
        ),
    ],
)
def test_a_driver_that_does_not_obey_is_broken_and_not_unmet(
    write: Write, change: tuple[str, str], message: str
) -> None:
    result = only(write(IDLE.replace(*change)))
    assert result.outcome == "broken"
    assert message in result.message


@pytest.mark.parametrize("moved", ["seconds + 1", "-1", "None"])
def test_a_clock_that_moves_too_far_or_back_is_broken(write: Write, moved: str) -> None:
    program, script, source = driver("python")
    command = write(f"""
import asyncio, sys
sys.path.insert(0, {str(DRIVERS)!r})
sys.argv = [{script!r}, {source!r}]
import python_driver

async def advance(self, seconds):
    return {moved}

python_driver.Application.advance = advance
asyncio.run(python_driver.main())
""")
    result = only([program, command[-1]], "C8")
    assert result.outcome == "broken"
    assert 'the answer to advance needs "moved"' in result.message


def test_sockets_on_which_the_two_ends_do_not_agree_are_broken(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.conformance.world.REAL_SECONDS", 0.1)
    opened = 'print(\'{"report": "socket", "socket": 1, "state": "open"}\')\n    answer = {'
    result = only(write(IDLE.replace("answer = {", opened)))
    assert result.outcome == "broken"
    assert "0 sockets as opening and 1 as open, but for the server it is 0 and 0" in result.message


def test_a_client_that_does_nothing_meets_no_point_that_applies(write: Write) -> None:
    results = run(POINTS, write(IDLE))
    outcomes = {result.point.name: result.outcome for result in results}
    needy = {point.name for point in POINTS if point.needs}
    assert {name for name, outcome in outcomes.items() if outcome == "not applicable"} == needy
    assert {outcome for name, outcome in outcomes.items() if name not in needy} == {"unmet"}


def test_a_report_shows_what_was_expected_and_the_exchange(write: Write) -> None:
    text = "\n".join(as_text([only(write(IDLE)), only(write(IDLE), "C23")]))
    assert "C3   NOT MET" in text
    assert "expected: the client opens a WebSocket now" in text
    assert '0.000  driver  ← {"do": "start", "url": "ws://127.0.0.1:' in text
    assert "the driver cannot: shown" in text
    assert text.endswith("1 NOT MET, 1 not applicable")
