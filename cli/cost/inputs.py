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
    "callback": Work(
        0.95, 3 + 12 + 3.6
    ),  # a commit in PostgreSQL, assumed to take 3 ms, and one publish
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
    # assumed, for one output: a read, the source's first byte, a request to S3, a write. The bytes
    # take their own time (Inputs.copy_speed).
    "keep": Work(4.0, 4 + 100 + 40 + 4.0),
    "link": Work(0.6, 4.0),  # assumed: a read; a presigned URL needs no request
    "reconcile-lookup": Work(2.0, 500.0),  # assumed: the provider's answer
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
    "keep": 512,
    "link": 256,
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
    keep_outputs: bool = False
    outputs: float = 1.0
    output_megabytes: float = 2.0
    links_followed: float = 2.0
    output_retention_days: float = 30
    copy_speed: float = 20.0  # megabytes per second, from the source to S3
    cloudfront: bool = False
    looked_up: float = 0.0
    polls: float = 2.0
    lookup_providers: float = 1.0
    poll_only: bool = False
    durations: Mapping[str, float] = field(default_factory=lambda: DURATIONS)
    memory: Mapping[str, float] = field(default_factory=lambda: MEMORY)
    prices: Mapping[str, Price] = field(default_factory=lambda: PRICES)

    @property
    def kept_days(self) -> float:
        """Days until an event is deleted from the inbox."""
        return self.retention_days + 1

    def __post_init__(self) -> None:
        for least, names in _AT_LEAST.items():
            for name in names.split():
                if not least <= getattr(self, name) < math.inf:
                    raise InputError(f"--{_option(name)} must be at least {least:g}")
        for name, most in _AT_MOST.items():
            if getattr(self, name) > most:
                raise InputError(f"--{_option(name)} must be at most {most}")
        for name in _ABOVE_0.split():
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"--{_option(name)} must be above 0")


_AT_LEAST = {
    1.0: "users connections batch event_bytes outputs polls lookup_providers",
    0.0: "hours notifications online reconnects cold_share cold_ms output_megabytes links_followed"
    " looked_up",
}
_AT_MOST = {"hours": 24, "online": 1, "cold_share": 1, "batch": 10, "looked_up": 1}
_ABOVE_0 = "token_minutes retention_days log_days outbox_days output_retention_days copy_speed"


def _option(name: str) -> str:
    return name.replace("_", "-")
