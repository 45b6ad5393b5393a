"""Starts the processes of a stack and finds them again by a marker in their environment variables.

Child processes inherit the marker, and unlike a process id it is never reused. A stack can
therefore be stopped even if its launcher was killed, and no other process is stopped.
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

# Our child processes, kept until they exit. Otherwise, Popen would warn that a process is still
# running.
_children: list[subprocess.Popen[bytes]] = []

# Only these variables are inherited, because functions in the emulator can read its whole
# environment.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")


def clean_environment(stack: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return a minimal environment with the stack's marker, for a server of the stack."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, MARK: str(stack), **extra}


def start(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a server in its own session; its output is appended to `log`."""
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
    """Wait until `ready()` returns true.

    Raises
    ------
    SetupError
        The process exits, or `timeout` seconds pass. The message quotes the end of the log.
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
    """Return the running processes with the marker of `stack`, except this process and its
    parents.
    """
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
    """Terminate all processes of `stack`, kill those that do not exit, and return their number."""
    processes = owned(stack)
    for process in processes:
        _signal(process, "terminate")
    _, stubborn = psutil.wait_procs(processes, timeout=grace)
    # A process may have started child processes while it was being terminated.
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
