"""What a call of `deliver` takes with a share of a core, and the benchmark's ratios with it.

Lambda gives a function a share of a core in proportion to its memory. There are two models: the CPU
time is stretched evenly (an upper bound), or it is limited in each period of the scheduler, as
Linux's quotas do and as `python -m benchmarks.memory` measures. The waits are those of
docs/scaling.md#method.
"""

import statistics
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import NamedTuple

from benchmarks.capacity import BATCH, Settings, Workload, burst
from benchmarks.delivery_model import Simulation, lognormal, percentile, poisson
from benchmarks.scenarios import (
    BATCH_CPU,
    EVENT_CPU,
    POST,
    ROUND_TRIP,
    SEED,
    TO_FUNCTION,
    TO_QUEUE,
    path_of,
    time_text,
)
from cli.cost.inputs import FULL_CORE_MB

MEMORIES = (128, 256, 512, 1024, FULL_CORE_MB)
PERIOD = 0.020  # seconds: published measurements of Lambda, not documented by AWS
# of one post with boto3, the function of the minimal path: measured (docs/bench/results.md)
BOTO3_CPU = 0.00126
SAMPLES = 2_000
TINY = 1e-12  # seconds; below the rounding of sums

Steps = Sequence[tuple[float, float]]  # seconds of CPU time of a full core, then of waiting


def stretched(steps: Steps, share: float) -> float:
    """Return the seconds of a call whose CPU time is stretched evenly."""
    return sum(cpu / share + wait for cpu, wait in steps)


def in_periods(steps: Steps, share: float, offset: float = 0.0) -> float:
    """Return the seconds of a call that starts at an offset into a period.

    In each period, a function may use `share` of the period as CPU time, as fast as it can.
    """
    now, began, period = offset, offset, 0
    left = share * PERIOD
    for cpu, wait in steps:
        rest = cpu
        while rest > TINY:
            if now >= (period + 1) * PERIOD - TINY or left <= TINY:
                period = max(period + 1, int(now / PERIOD + 1e-9))
                now, left = max(now, period * PERIOD), share * PERIOD
            used = min(rest, left, (period + 1) * PERIOD - now)
            now, rest, left = now + used, rest - used, left - used
        now += wait
    return now - began


def deliver(size: int, rng: Random) -> Steps:
    """Return a call for a batch: store and read at once, read the connections, post to all."""
    trip, post = lognormal(*ROUND_TRIP), lognormal(*POST)
    slowest = max(post(rng) for _ in range(size))
    return (BATCH_CPU, max(trip(rng), trip(rng)) + trip(rng)), (size * EVENT_CPU, slowest)


def minimal(rng: Random) -> Steps:
    """Return a call of the minimal path's function, which posts one message with boto3."""
    return ((BOTO3_CPU, lognormal(*POST)(rng)),)


class Found(NamedTuple):
    """Medians in seconds, and ratios of medians, of one model."""

    single: float
    full: float  # a full batch
    vs_round_trips: float  # of a full batch
    vs_minimal: float  # from SNS to the client


@cache
def found(share: float, periods: bool) -> Found:
    """Return what calls take with a share of a core."""
    rng = Random(SEED)
    legs = [lognormal(*leg) for leg in (TO_QUEUE, TO_FUNCTION)]
    values: dict[str, list[float]] = {}
    for _ in range(SAMPLES):
        offset = rng.uniform(0, PERIOD)
        sent = sum(leg(rng) for leg in legs)
        calls = {
            "single": deliver(1, rng),
            "full": deliver(BATCH, rng),
            "minimal": minimal(rng),
        }
        for name, steps in calls.items():
            took = in_periods(steps, share, offset) if periods else stretched(steps, share)
            values.setdefault(name, []).append(took)
            values.setdefault(f"path of {name}", []).append(sent + took)
        values.setdefault("waits", []).append(sum(wait for _, wait in calls["full"]))
    median = {name: statistics.median(each) for name, each in values.items()}
    return Found(
        median["single"],
        median["full"],
        median["full"] / median["waits"],
        median["path of single"] / median["path of minimal"],
    )


@cache
def latency(share: float) -> tuple[float, float]:
    """Return p50 and p99 from the webhook to the client at 10,000 users, in quiet times."""
    load = Workload(10_000)
    arrivals = poisson([(300.0, load.events)], Random(SEED))
    path = path_of(Settings(), burst(load).other_requests, share)
    taken = sorted(Simulation(arrivals, path, Random(SEED)).run().latencies)
    return percentile(taken, 0.5), percentile(taken, 0.99)


def table(memories: Sequence[float] = MEMORIES) -> str:
    """Return the durations and ratios at each memory size, stretched evenly / in periods."""
    columns = ["memory", "share of a core", "CPU time allowed per 20 ms",
               "`deliver` with one message: evenly / in periods",
               "with ten messages: evenly / in periods",
               "`batch10_wall_vs_round_trips`: evenly / in periods",
               "`path_p50_vs_minimal`: evenly / in periods",
               "webhook to client, evenly: p50, p99"]  # fmt: skip
    rows = [f"| {' | '.join(columns)} |", "|---:" * len(columns) + "|"]
    for memory in memories:
        share = min(1.0, memory / FULL_CORE_MB)
        even, limited = found(share, periods=False), found(share, periods=True)
        cells = [f"{memory:,} MB", f"{share:.2f}", f"{1000 * share * PERIOD:.1f} ms"]
        cells += [
            f"{1000 * one:.1f} / {1000 * other:.1f} ms"
            for one, other in zip(even[:2], limited[:2], strict=True)
        ]
        cells += [
            f"{one:.2f} / {other:.2f}" for one, other in zip(even[2:], limited[2:], strict=True)
        ]
        cells.append(", ".join(time_text(each) for each in latency(share)))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
