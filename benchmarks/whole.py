"""Compares Herald's whole handler with a typical one, in interleaved rounds and new processes."""

import sys
from collections.abc import Callable
from typing import Any

from benchmarks.stand import FUNCTION, run, standin

DATABASE_MS, GATEWAY_MS = 4.0, 10.0
TIMES = {
    "1": (40, 10),
    "10": (40, 4),
    "backlog": (20, 1),
}  # numbers of runs of Herald's handler and of the typical one


def measure(rounds: int, scale: float, say: Callable[[str], None]) -> dict[str, list[Any]]:
    """Run each handler with each shape of batches, and measure the unavoidable round trips."""
    found: dict[str, list[Any]] = {}
    with (
        standin(delay_ms=GATEWAY_MS, tls=True) as gateway,
        standin(delay_ms=DATABASE_MS, tls=True) as database,
    ):
        environment: Any = FUNCTION | {
            "AWS_ENDPOINT_URL_DYNAMODB": database,
            "HERALD_MANAGEMENT_ENDPOINT": f"{gateway}/prod",
        }
        runs = [("round_trips", "", (50, 50))]
        runs += [(name, shape, times) for shape, times in TIMES.items() for name in HANDLERS]
        for number in range(rounds):
            for name, shape, (ours, usual) in runs[:: -1 if number % 2 else 1]:
                times = usual if name == "naive" else max(5, int(ours * scale))
                command = [sys.executable, "-m", "benchmarks.handler", name, shape, str(times)]
                result = run(command, **environment)
                key = name if name == "round_trips" else f"{name}_{shape}"
                found.setdefault(key, []).append(result)
                say(
                    f"round {number + 1} {key:12}"
                    + "".join(f" {what} {value:.2f}" for what, value in result.items())
                )
    return found


HANDLERS = ("herald", "naive")
