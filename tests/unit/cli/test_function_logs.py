"""`./herald logs`: each line of a function is printed once, also with --follow."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest

from cli.console import CommandError
from cli.function_logs import FunctionLog
from cli.target import Target

NOW_MS = 1_772_442_903_000


class Missing(Exception):
    """CloudWatch Logs' ResourceNotFoundException."""


class FakeLogs(Target):
    """The logs of the function `callback`; the emulator's lines have no id."""

    exceptions = SimpleNamespace(ResourceNotFoundException=Missing)

    def __init__(self) -> None:
        super().__init__("local stack", {"stage": "test"})
        self.lines: list[dict[str, Any]] = []

    def client(self, service: str) -> Any:
        assert service == "logs"
        return self

    def write(self, message: str, after_ms: int, identity: str | None = None) -> None:
        line = {"message": message, "timestamp": NOW_MS + after_ms}
        self.lines.append(line | ({"eventId": identity} if identity else {}))

    def get_paginator(self, operation: str) -> Any:
        pages = {"filter_log_events": self._events, "describe_log_groups": self._groups}
        return SimpleNamespace(paginate=pages[operation])

    def _events(self, *, logGroupName: str, startTime: int) -> Any:  # noqa: N803 - boto3's names
        if logGroupName != "/aws/lambda/herald-test-callback":
            raise Missing
        yield {"events": [line for line in self.lines if line["timestamp"] >= startTime]}

    def _groups(self, *, logGroupNamePrefix: str) -> Any:  # noqa: N803 - boto3's name
        return [{"logGroups": [{"logGroupName": f"{logGroupNamePrefix}callback"}]}]


def test_new_lines_follow_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = FakeLogs()
    logs.write("first", 0)
    pauses = iter([("second", 2_000, "b"), ("late", 1_000, "a"), ("far", 60_000, "c")])
    monkeypatch.setattr("time.sleep", lambda _: logs.write(*next(pauses)))
    followed = FunctionLog(logs, "callback").follow(NOW_MS / 1000)
    found = [line.text for line in islice(followed, 4)]
    assert found == ["first", "second", "late", "far"]


def test_an_unknown_function_names_the_known_ones() -> None:
    with pytest.raises(CommandError, match=r"no log .*callbak\. The functions are: callback"):
        list(FunctionLog(FakeLogs(), "callbak").since(0))
