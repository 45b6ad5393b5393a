"""The processes of a stack: started detached, found again by a mark in their environment.

The mark is inherited by everything they start and cannot be mistaken for a recycled process id,
so a stack whose launcher was killed can still be ended, and nothing else is ever touched.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import psutil

from tooling import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MARK = "HERALD_STACK_DIRECTORY"

# Our own children, kept until they have ended: a forgotten Popen warns while its process runs.
_children: list[subprocess.Popen[bytes]] = []

# What a server may see of our environment: functions run inside the emulator see all it sees.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")


def clean_environment(stack: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """A small environment with the stack's mark, for a server of the stack."""
    inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**inherited, MARK: str(stack), **extra}


def start(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, with its output appended to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(process)
    return process


def await_ready(
    process: subprocess.Popen[bytes],
    ready: Callable[[], bool],
    *,
    name: str,
    log: Path,
    timeout: float = 30.0,
) -> None:
    """Wait until `ready()`.

    Raises SetupError with the log's end when the process ends or `timeout` seconds pass.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        code = process.poll()
        if code is None and time.monotonic() < deadline:
            time.sleep(0.05)
            continue
        how = "did not answer in time" if code is None else f"ended with {code}"
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise SetupError(f"The {name} {how}. The end of {log}:\n{end}")


def owned(stack: Path) -> list[psutil.Process]:
    """The living processes that carry the mark of `stack`, our own one and its parents aside."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARK) == str(stack)
            if marked and process.pid not in ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def end(stack: Path, grace: float = 2.0) -> int:
    """End every process of `stack`, politely first; return how many there were."""
    processes = owned(stack)
    for process in processes:
        _signal(process, "terminate")
    _, stubborn = psutil.wait_procs(processes, timeout=grace)
    # Workers may have been started while their parent was being asked to stop.
    for process in [*stubborn, *owned(stack)]:
        _signal(process, "kill")
    psutil.wait_procs(stubborn, timeout=grace)
    _children[:] = [child for child in _children if child.poll() is None]
    return len(processes)


def _signal(process: psutil.Process, method: str) -> None:
    try:
        getattr(process, method)()
    except psutil.NoSuchProcess:
        return
