"""The processes of a stack: started detached, and found again by a mark in their environment.

Everything they start inherits the mark, and unlike a process id it is never reused. So a stack
whose launcher was killed can still be stopped, and no other process is ever touched.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import psutil

from tooling import SetupError, logs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MARK = "HERALD_STACK_DIRECTORY"

# Our own children, kept until they exit: Popen warns when it is forgotten before.
_children: list[subprocess.Popen[bytes]] = []

# The variables a server inherits: functions in the emulator see its whole environment.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")


def clean_environment(stack: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return a small environment with the stack's mark, for a server of the stack."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, MARK: str(stack), **extra}


def start(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a server in its own session, its output appended to `log`."""
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

    Raises
    ------
    SetupError
        The process exits, or `timeout` seconds pass; the message quotes the end of the log.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        code = process.poll()
        if code is None and time.monotonic() < deadline:
            time.sleep(0.05)
            continue
        problem = "did not answer in time" if code is None else f"exited with {code}"
        raise SetupError(f"The {name} {problem}. {logs.ending(log)}")


def owned(stack: Path) -> list[psutil.Process]:
    """Return the running processes with the mark of `stack`, except our own and its parents."""
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


def stop(stack: Path, grace: float = 2.0) -> int:
    """Terminate every process of `stack`, kill the rest; return how many there were."""
    processes = owned(stack)
    for process in processes:
        _signal(process, "terminate")
    _, stubborn = psutil.wait_procs(processes, timeout=grace)
    # A parent may have started workers while it was being terminated.
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
