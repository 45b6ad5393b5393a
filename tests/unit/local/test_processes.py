"""The processes of a stack are found by their marker and stopped, and no other processes."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from local import processes
from tooling import ROOT, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
_DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
_STUBBORN = [sys.executable, "-c", _DEAF + _SLEEP[2]]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    processes.stop(tmp_path, grace=0.1)


def start(stack: Path, command: list[str]) -> subprocess.Popen[bytes]:
    environment = processes.clean_environment(stack, {})
    log = stack / "log"
    process = processes.start(command, environment=environment, directory=stack, log=log)
    processes.await_ready(process, lambda: "up" in log.read_text(), name="server", log=log)
    return process


def test_all_of_a_stack_is_stopped_and_nothing_else(stack: Path, tmp_path: Path) -> None:
    process = start(stack, _SLEEP)
    other = tmp_path / "other"
    other.mkdir()
    bystander = start(other, _SLEEP)
    try:
        assert [found.pid for found in processes.owned(stack)] == [process.pid]
        assert processes.stop(stack) == 1
        assert not psutil.pid_exists(process.pid)
        assert bystander.poll() is None
    finally:
        processes.stop(other)


def test_a_servers_children_are_found_after_it_was_killed(stack: Path) -> None:
    command = (f"import subprocess, sys, time; subprocess.Popen({_SLEEP!r}); time.sleep(60)",)
    server = start(stack, [sys.executable, "-c", *command])
    server.kill()
    server.wait(5)
    assert len(processes.owned(stack)) == 1
    assert processes.stop(stack) == 1
    assert processes.owned(stack) == []


def test_a_process_that_ignores_sigterm_is_killed(stack: Path) -> None:
    process = start(stack, _STUBBORN)
    began = time.monotonic()
    assert processes.stop(stack, grace=0.2) == 1
    assert not psutil.pid_exists(process.pid)
    assert time.monotonic() - began < 5


def test_our_own_process_is_never_stopped(
    stack: Path,
) -> None:
    code = "import sys; from pathlib import Path; from local.processes import owned;"
    code += "print(owned(Path(sys.argv[1])))"
    marked = [sys.executable, "-c", code, str(stack)]
    environment = processes.clean_environment(stack, {})
    assert subprocess.check_output(marked, env=environment, cwd=ROOT, text=True).strip() == "[]"


def test_the_log_of_a_server_that_exits_early_is_quoted(stack: Path) -> None:
    log = stack / "log"
    command = [sys.executable, "-c", "print('no such port'); raise SystemExit(3)"]
    environment = processes.clean_environment(stack, {})
    process = processes.start(command, environment=environment, directory=stack, log=log)
    with pytest.raises(SetupError, match=r"(?s)server exited with 3.*no such port"):
        processes.await_ready(process, lambda: False, name="server", log=log)


def test_servers_inherit_little_of_our_environment(
    stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    seen = processes.clean_environment(stack, {"A": "1"})
    assert seen["A"] == "1"
    assert seen[processes.MARK] == str(stack)
    assert "AWS_PROFILE" not in seen
    assert psutil.Process().environ()["PATH"] == seen["PATH"]
