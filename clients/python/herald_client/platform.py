"""What the client takes from its environment: time, randomness and sockets. Tests replace them."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from herald_client.transport import connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


class Timer(Protocol):
    """A callback that has not run yet."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Two clocks, and timers that follow the first one. All times are in seconds."""

    def monotonic(self) -> float:
        """Return a time that never goes back; for durations."""

    def time(self) -> float:
        """Return the wall clock; only for times that are stored with a position."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` after `delay` seconds, on the event loop."""


class Socket(Protocol):
    """An open WebSocket."""

    async def send(self, text: str) -> None:
        """Send a text message; raises ConnectionError."""

    async def recv(self) -> str | bytes:
        """Return the next message; raises ConnectionError once the connection has closed."""

    async def close(self) -> None:
        """Close the connection."""


class Connect(Protocol):
    """Opens a WebSocket.

    Raises
    ------
    Refused
        The server answered with an HTTP error status.
    OSError
        The connection could not be opened.
    """

    def __call__(self, url: str, headers: Mapping[str, str], /) -> Awaitable[Socket]: ...


class SystemClock:
    """The clocks and timers of the machine and of the running event loop."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(delay, callback)


@dataclass(frozen=True)
class Platform:
    """The environment. `random` returns numbers from 0 to below 1, for the jitter of delays."""

    clock: Clock = field(default_factory=SystemClock)
    random: Callable[[], float] = random.random
    connect: Connect = connect
