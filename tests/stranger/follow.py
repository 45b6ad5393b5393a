"""Follows pages of docs/integrate/ word for word: saves their files and runs their commands."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.stranger.pages import Commands, steps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

SECONDS = 600.0  # for one block of commands
START_SECONDS = 60.0  # until a server accepts connections
_ADDRESS = re.compile(r"https?://[\w.\[\]:]+?:(\d+)")
_COLORS = re.compile(r"\x1b\[[\d;]*m")


class StepFailed(AssertionError):
    """A command of a page failed; the message has its output."""


class Reader:
    """Somebody who follows pages in a folder that contains a checkout of Herald, `herald`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        # `python3` is the interpreter that runs this, not that of an activated environment.
        python = Path(getattr(sys, "_base_executable", sys.executable)).parent
        path = f"{python}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, **environment}
        self._place = folder  # of the terminal
        self._servers: list[tuple[subprocess.Popen[bytes], Path]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server, _log in self._servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
        for server, _log in self._servers:
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()

    def follow(self, page: str, *, done: str = "") -> None:
        """Take all steps of a page, in one terminal and those of servers; raises StepFailed.

        In place of the commands `done`, the terminal goes to the folder where they end.
        """
        self._place = self._folder
        for step in steps(page):
            if not isinstance(step, Commands):
                path = self._folder / "pictures" / step.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.text)
            elif step.server:
                self._serve(step.text)
            else:
                self._run(step.text.splitlines()[0] if step.text == done else step.text)

    def output(self) -> str:
        """Return what the servers have printed."""
        return "\n".join(log.read_text() for _, log in self._servers)

    def _run(self, commands: str) -> None:
        started = time.monotonic()
        place = self._folder / "terminal.txt"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f'{commands}\npwd > "{place}"'],
            cwd=self._place,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise StepFailed(f"These commands failed:\n{commands}\n{done.stdout[-4000:]}")
        self._place = Path(place.read_text().rstrip("\n"))
        print(f"{time.monotonic() - started:6.1f} s  {commands.strip().splitlines()[-1]}")

    def _serve(self, commands: str) -> None:
        """Start a server, and wait until it accepts connections at the address that it prints."""
        log = self._folder / f"server-{len(self._servers)}.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", commands],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._servers.append((server, log))
        deadline = time.monotonic() + START_SECONDS
        while not _accepts(_COLORS.sub("", log.read_text())):
            if server.poll() is not None or time.monotonic() > deadline:
                raise StepFailed(f"This server did not start:\n{commands}\n{log.read_text()}")
            time.sleep(0.1)


def _accepts(printed: str) -> bool:
    """Whether a server accepts connections at the first address in what it has printed."""
    if not (address := _ADDRESS.search(printed)):
        return False
    with contextlib.suppress(OSError), socket.create_connection(("localhost", int(address[1])), 1):
        return True
    return False
