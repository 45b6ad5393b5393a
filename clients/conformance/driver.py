"""The author's program: starts it, gives it commands, and collects its reports.

Both are lines of JSON; docs/conformance.md lists them.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from clients.conformance.outcome import Broken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SECONDS = 20.0  # a driver answers a command within milliseconds

Report = dict[str, Any]


class Driver:
    """A driver's process. It has one client at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.abilities: frozenset[str] = frozenset()
        self.reports: list[Report] = []
        self.on_report: Callable[[Report], None] = lambda report: None
        self._process = process
        self._sockets: dict[int, str] = {}

    @classmethod
    async def launch(
        cls, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Driver:
        """Start a driver and wait until it is ready.

        Raises
        ------
        Broken
            The program cannot be started, or does not report that it is ready.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, **(environment or {})},
                limit=2**20,
            )
        except OSError as exc:
            raise Broken(f"the driver cannot be started: {exc}") from exc
        driver = cls(process)
        try:
            ready = await driver._line()
            if ready.get("report") != "ready" or not isinstance(ready.get("can"), list):
                raise Broken(f'the first line must be {{"report": "ready", "can": […]}}: {ready}')
        except BaseException:
            await driver.end()
            raise
        driver.abilities = frozenset(ready["can"])
        return driver

    def clear(self) -> None:
        """Forget the reports of the client that was stopped."""
        self.reports = []
        self._sockets = {}

    def sockets(self, state: str) -> int:
        """How many WebSockets are `opening` or `open`, as the driver sees it."""
        return Counter(self._sockets.values())[state]

    async def do(self, command: str, **fields: Any) -> Report:
        """Give a command, and return its answer; reports that came before it are in `reports`."""
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing():
            raise Broken("the driver has ended")
        stdin.write(json.dumps({"do": command, **fields}).encode() + b"\n")
        while True:
            line = await self._line()
            if "done" in line:
                if line["done"] != command:
                    raise Broken(f'the answer to {command} must have "done": "{command}": {line}')
                return line
            self._add(line)

    def _add(self, report: Report) -> None:
        if report.get("report") == "socket":
            number, state = report.get("socket"), report.get("state")
            if not isinstance(number, int) or state not in ("opening", "open", "closed"):
                raise Broken(f"a report about a socket needs its number and its state: {report}")
            self._sockets[number] = state
        self.reports.append(report)
        self.on_report(report)

    async def end(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        # Closes the pipes, also if children of the driver still hold them.
        self._process._transport.close()  # type: ignore[attr-defined]

    async def _line(self) -> Report:
        stdout = self._process.stdout
        if stdout is None:
            raise Broken("the driver has no output")
        try:
            text = await asyncio.wait_for(stdout.readline(), SECONDS)
        except TimeoutError:
            raise Broken(f"the driver did not answer within {SECONDS:g} s") from None
        except ValueError as exc:
            raise Broken(f"the driver sent a line that is too long: {exc}") from exc
        if not text:
            raise Broken(f"the driver ended with code {await self._process.wait()}")
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Broken(f"the driver must print lines of JSON objects: {text.decode().strip()}")
        return found
