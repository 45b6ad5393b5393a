"""The inputs of the bill, and their defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from cli.console import CommandError
from cli.cost.prices import PRICES, Price

if TYPE_CHECKING:
    from collections.abc import Mapping

FULL_CORE_MB = 1769  # the memory with which Lambda gives one full core


class Work(NamedTuple):
    """What one warm call takes, in milliseconds: CPU time of a full core, and waits.

    The CPU time is measured by `python -m benchmarks.memory`, that of `callback` by `make bench`.
    The waits are assumed: 4 ms for a round trip to DynamoDB, 10 ms for a post, 1 ms for one to
    PostgreSQL and 12 ms for SNS, and more for the slow ones among them.
    """

    cpu: float
    waits: float

    def milliseconds(self, memory: float) -> float:
        """Return the duration with a memory in MB, if the CPU time is stretched evenly.

        This is an upper bound: Lambda limits the CPU time of each short period, and most calls need
        less than the limit (docs/scaling.md#memory).
        """
        return self.waits + self.cpu * max(1.0, FULL_CORE_MB / memory)


WORK = {
    "callback": Work(0.95, 3 * 1 + 12 + 3.6),  # three round trips to PostgreSQL, one publish
    "relay": Work(1.7, 14.0),  # assumed
    "reconcile": Work(
        1.7, 3.0
    ),  # assumed: with nothing to look up, three round trips to PostgreSQL
    # for a batch of one message: a store, a read and a post in sequence (a batch of ten takes 40)
    "deliver": Work(1.24, 2 * 4 + 10 + 5.8),
    "authorize": Work(0.08, 0.2),
    "connect": Work(0.43, 4.0),
    "message-ping": Work(0.39, 4.0),
    "message-hello": Work(1.4, 4 + 1.0),  # all reads at once; its answer is the response
    "message-auth": Work(0.7, 4.0),
    "disconnect": Work(0.37, 4.0),
}
MEMORY = {  # MB, the defaults in infra/variables.tf
    "callback": 256,
    "relay": 256,
    "reconcile": 512,
    "deliver": 256,
    "authorize": 256,
    "connect": 256,
    "message": 256,
    "disconnect": 256,
}


def durations(memory: Mapping[str, float]) -> dict[str, float]:
    """Return the milliseconds of one warm call of each function."""
    return {name: work.milliseconds(memory[name.partition("-")[0]]) for name, work in WORK.items()}


DURATIONS = durations(MEMORY)


class InputError(CommandError):
    """An input is out of range; the message names its option."""


@dataclass(frozen=True)
class Inputs:
    """The inputs of the bill. Each is an option of `./herald cost`."""

    users: float = 10_000
    hours: float = 2.0
    notifications: float = 100.0
    connections: float = 1.0
    online: float = 0.9
    reconnects: float = 1.0
    token_minutes: float = 60.0
    batch: float = 1.0
    event_bytes: int = 700
    retention_days: float = 7
    log_days: float = 30
    cold_share: float = 0.01
    cold_ms: float = 300.0
    tracing: bool = False
    architecture: Literal["arm64", "x86_64"] = "arm64"
    function_url: bool = False
    lean: bool = False
    outbox_days: float = 7
    durations: Mapping[str, float] = field(default_factory=lambda: DURATIONS)
    memory: Mapping[str, float] = field(default_factory=lambda: MEMORY)
    prices: Mapping[str, Price] = field(default_factory=lambda: PRICES)

    @property
    def kept_days(self) -> float:
        """Days until an event is deleted from the inbox."""
        return self.retention_days + 1

    def __post_init__(self) -> None:
        at_least = {"users": 1.0, "connections": 1.0, "batch": 1.0, "event_bytes": 1.0}
        for name in ("hours", "notifications", "online", "reconnects", "cold_share", "cold_ms"):
            at_least[name] = 0.0
        for name, least in at_least.items():
            if not least <= getattr(self, name) < math.inf:
                raise InputError(f"--{name.replace('_', '-')} must be at least {least:g}")
        for name, most in (("hours", 24), ("online", 1), ("cold_share", 1), ("batch", 10)):
            if getattr(self, name) > most:
                raise InputError(f"--{name.replace('_', '-')} must be at most {most}")
        for name in ("token_minutes", "retention_days", "log_days", "outbox_days"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"--{name.replace('_', '-')} must be above 0")
