"""What a point sees: one client, started by the driver, and the server that it connects to.

Nothing waits for real time. `settle` returns once neither side has anything left to do, and the
client's clocks only move when a point moves them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any

from clients.conformance import frames
from clients.conformance.outcome import Broken, Unmet
from clients.conformance.server import Attempt, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clients.conformance.driver import Driver, Report
    from clients.conformance.peer import Peer

MOST_RECONNECT_SECONDS = 20.0
REAL_SECONDS = 10.0  # within which the two ends of a socket agree on its state
_MOST_ROUNDS = 200
_TOKENS = 40


class World:
    """One client and its server, and a record of what happens."""

    def __init__(self, driver: Driver) -> None:
        self.time = 0.0  # seconds since the start, by the client's monotonic clock
        self.log: list[tuple[float, str, object]] = []
        self.server = Server(self.tell)
        self.server.rest = self.settle
        self._driver = driver
        self._activity = 0
        self._idle = 0  # timers in a row that ran without a pause
        self._attempts_taken = 0
        self._taken: set[int] = set()
        driver.clear()
        driver.on_report = self._reported

    async def __aenter__(self) -> World:
        await self.server.start()
        return self

    async def __aexit__(self, *cause: object) -> None:
        await self.server.stop()

    # The client.

    async def start(
        self,
        *,
        user: str = "alice",
        tokens: Sequence[str] | None = None,
        stored: str | None = None,
        random: float = 0.5,
        fail: Sequence[str] = (),
        **options: Any,
    ) -> None:
        """Start a client; docs/conformance.md explains the options.

        `fail` are the names of events that the application cannot handle.
        """
        fields: dict[str, Any] = {"stored": stored, "random": random}
        if "api_key" not in options:
            fields["tokens"] = tokens or [token(user, number) for number in range(_TOKENS)]
        fields["fail"] = [frames.identity(name) for name in fail]
        await self.do("start", url=self.server.url, **fields, **options)

    async def stop(self) -> str | None:
        """Stop the client; return what it has stored."""
        answer = await self.do("stop")
        self._driver.clear()
        self._taken.clear()
        stored: str | None = answer.get("stored")
        return stored

    async def do(self, command: str, **fields: Any) -> Report:
        """Give the driver a command, and settle."""
        shown = {name: value for name, value in fields.items() if name != "tokens"}
        self.tell("command", {"do": command, **shown})
        answer = await self._driver.do(command, **fields)
        await self.settle()
        return answer

    async def live(self, head: int = 0, **welcome: Any) -> Peer:
        """Start a client without a stored position; it is live once it has its welcome."""
        await self.start()
        peer = await self.peer()
        await peer.welcome(head, **welcome)
        return peer

    # Time.

    async def advance(self, seconds: float) -> None:
        """Move the client's clocks; the client and the server settle after each of its timers."""
        end = self.time + seconds
        while self.time < end:
            await self.step(end)

    async def step(self, end: float) -> None:
        """Move the client's clocks to its next timer, at most to `end`; settle."""
        answer = await self._driver.do("advance", seconds=end - self.time)
        moved = answer.get("moved")
        if not isinstance(moved, int | float) or not 0 <= moved <= end - self.time + 1e-3:
            raise Broken(f'the answer to advance needs "moved", at most "seconds": {answer}')
        self._idle = 0 if moved else self._idle + 1
        if self._idle > _MOST_ROUNDS:
            raise Unmet("time passes; the client's timers run again and again without a pause")
        self.time = end if end - self.time - moved < 1e-6 else self.time + moved
        await self.settle()

    async def settle(self) -> None:
        """Wait until both sides have processed everything that was sent, and have nothing to do."""
        for _ in range(_MOST_ROUNDS):
            before = self._activity
            await self._flush()
            await self._driver.do("settle")
            await self._agree()
            await self._flush()
            if self._activity == before:
                break
        else:
            raise Unmet("the client comes to rest; it goes on sending without a pause")
        if self.server.failure:
            raise self.server.failure
        if self.server.violations:
            raise Unmet(self.server.violations[0])

    async def _flush(self) -> None:
        await asyncio.gather(*(peer.flush() for peer in self.server.open))

    async def _agree(self) -> None:
        """Wait until both sides know of the same sockets."""
        deadline = time.monotonic() + REAL_SECONDS
        while (theirs := self._sockets()) != (ours := (self.server.pending, len(self.server.open))):
            if time.monotonic() > deadline:
                raise Broken(
                    f"the driver reports {theirs[0]} sockets as opening and {theirs[1]} as open, "
                    f"but for the server it is {ours[0]} and {ours[1]}"
                )
            await asyncio.sleep(0.001)
            await self._driver.do("settle")

    def _sockets(self) -> tuple[int, int]:
        return self._driver.sockets("opening"), self._driver.sockets("open")

    # What the client did.

    async def attempt(self, within: float = 0.0) -> Attempt:
        """Return the next request to open a WebSocket, within so many seconds."""
        end = self.time + within
        while (found := self.pending()) is None:
            if self.time >= end:
                limit = f" within {within:g} s" if within else " now"
                raise Unmet(f"the client opens a WebSocket{limit}")
            await self.step(end)
        return found

    def pending(self) -> Attempt | None:
        """Return the next request to open a WebSocket, if there was one."""
        if len(self.server.attempts) == self._attempts_taken:
            return None
        found = self.server.attempts[self._attempts_taken]
        found.at = self.time  # the server saw it while the driver was still moving the clock
        self._attempts_taken += 1
        return found

    async def peer(self, within: float = 0.0) -> Peer:
        """Return the server's end of the next connection."""
        attempt = await self.attempt(within)
        await self.settle()
        if attempt.peer is None:
            raise AssertionError("this attempt was refused")
        return attempt.peer

    async def reconnected(self) -> Peer:
        """Return the server's end of the connection that replaces one that was lost."""
        return await self.peer(within=MOST_RECONNECT_SECONDS + 1)

    def no_attempt(self) -> None:
        """The client has not tried to connect again."""
        if len(self.server.attempts) > self._attempts_taken:
            raise Unmet("the client opens no WebSocket now")

    def names(self, kind: str, field: str = "id") -> list[str]:
        """Return one field of all reports of a kind."""
        return [frames.name_of(str(each.get(field))) for each in self._of(kind)]

    def reported(self, kind: str, **fields: Any) -> Report:
        """Return the first report of a kind that was not taken; it must have these fields."""
        for index, report in enumerate(self._driver.reports):
            if report.get("report") == kind and index not in self._taken:
                self._taken.add(index)
                for name, value in fields.items():
                    if report.get(name) != value:
                        raise Unmet(f"{kind} has {name} = {value!r}, not {report.get(name)!r}")
                return report
        raise Unmet(f"the application is notified of: {kind} {json.dumps(fields)}")

    def unreported(self, *kinds: str) -> None:
        """No report of these kinds was made, except those that were taken."""
        for index, report in enumerate(self._driver.reports):
            if report.get("report") in kinds and index not in self._taken:
                raise Unmet(f"nothing is reported here: {json.dumps(report)}")

    def received(self, *names: str) -> None:
        """The client passed on exactly these events since its start, in this order."""
        if (found := self.names("event")) != list(names):
            raise Unmet(f"the application receives the events {list(names)}, not {found}")

    def require(self, condition: object, expectation: str) -> None:
        """Check an expectation of the point itself."""
        if not condition:
            raise Unmet(expectation)

    def _of(self, kind: str) -> list[Report]:
        return [report for report in self._driver.reports if report.get("report") == kind]

    # The record.

    def tell(self, who: str, what: object) -> None:
        """Record what happens."""
        self._activity += 1
        self.log.append((self.time, who, what))

    def _reported(self, report: Report) -> None:
        self.tell("report", report)


def token(user: str, number: int) -> str:
    """An unsigned JWT; each number gives another one."""
    claims = json.dumps({"sub": user, "jti": str(number)}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2lnbmF0dXJl"
