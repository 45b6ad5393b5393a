"""`./herald tail` on a real WebSocket: what it prints, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.command_line import herald
from tests.integration.clients.python.scripted import REVOKED, Scripted, result, welcome

if TYPE_CHECKING:
    from typer.testing import Result

pytestmark = pytest.mark.integration


def tail(server: Scripted, *options: str) -> Result:
    target = f"websocket_url={server.url}"
    return herald("tail", "alice", "--token", "t", "--set", target, *options, STAGE=None)


def test_each_result_is_one_line_until_the_count_is_reached() -> None:
    with Scripted([welcome(4), result(5), result(6), result(7)]) as server:
        shown = tail(server, "--count", "2")
        assert server.requests[0].headers["Authorization"] == "Bearer t"
    lines = shown.stdout.splitlines()
    assert shown.exit_code == 0
    assert [line.split()[2] for line in lines] == ["generation-5", "generation-6"]


def test_json_is_one_event_on_each_line() -> None:
    with Scripted([welcome(4), result(5)]) as server:
        shown = tail(server, "--count", "1", "--json")
    assert json.loads(shown.stdout)["subject"] == "generation-5"


def test_without_a_result_the_exit_code_is_1() -> None:
    with Scripted() as server:
        shown = tail(server, "--timeout", "1s")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "No result arrived within 1 s." in shown.stderr


def test_a_connection_that_is_closed_for_good_ends_with_the_reason() -> None:
    with Scripted([welcome(4), REVOKED]) as server:
        shown = tail(server)
    assert shown.exit_code == 1
    assert "revoked" in shown.stderr
