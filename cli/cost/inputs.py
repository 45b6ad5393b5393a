"""The inputs of the bill, and their defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cli.console import CommandError
from cli.cost.prices import PRICES, Price

if TYPE_CHECKING:
    from collections.abc import Mapping

# Milliseconds billed for one warm call: the measured CPU time, scaled by 1769 MB / memory size
# (Lambda gives one full core at 1769 MB), plus assumed waits of 4 ms for DynamoDB, 10 ms for a
# post, 1 ms for an SQL statement and 12 ms for SNS.
DURATIONS = {
    "callback": 35.0,  # 3 ms of CPU time, nine SQL statements in two transactions, one publish
    "relay": 20.0,
    # for a batch of one message: a store, a read and a post in sequence (a batch of ten takes 40)
    "deliver": 25.0,
    "authorize": 2.0,
    "connect": 5.0,
    "message-ping": 5.0,
    "message-hello": 25.0,  # reads of the connection, head and missed events, and one post
    "message-auth": 6.0,
    "disconnect": 5.0,
}
MEMORY = {  # MB, the defaults in infra/variables.tf
    name: 1769 if name == "deliver" else 512
    for name in ("callback", "relay", "deliver", "authorize", "connect", "message", "disconnect")
}


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
    durations: Mapping[str, float] = field(default_factory=lambda: DURATIONS)
    memory: Mapping[str, float] = field(default_factory=lambda: MEMORY)
    prices: Mapping[str, Price] = field(default_factory=lambda: PRICES)

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
        for name in ("token_minutes", "retention_days", "log_days"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"--{name.replace('_', '-')} must be above 0")
