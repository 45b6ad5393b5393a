"""The simulated scenarios with kept outputs, and their tables in docs/scaling.md.

For each number, a comment and docs/scaling.md give the source or say that the number is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from benchmarks.capacity import ROOM, Settings, Workload, burst, needs, rounded
from benchmarks.delivery_model import NEVER, Path, Simulation, lognormal, percentile, poisson
from benchmarks.keep_model import Copying, TwoSubscribers, lognormal_of_mean
from benchmarks.scenarios import (
    BURST,
    COLD,
    ENOUGH,
    ROUND_TRIP,
    SEED,
    TO_FUNCTION,
    TO_QUEUE,
    batch_seconds,
    better,
    path_of,
    share_text,
    time_text,
)
from cli.cost.inputs import Inputs
from cli.cost.outputs import copy_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KEEP_COPIES, LINK_RATE = 10, 500  # keep_maximum_concurrency, link_rate_limit
RECEIVES = 5  # keep_max_receive_count
GIVEN = Inputs(keep_outputs=True)  # one output of 2 MB
FIXED_P99 = 1.0  # seconds of a copy without its bytes: assumed; the mean is that of the bill
MEGABYTES_P99 = 10.0  # of an output: assumed; the mean is that of the bill
FAILING = 0.01  # of the attempts: assumed
RESULTS = (100, 1_000, 10_000)  # of a burst
MOST_USERS = 100_000  # whose copies are simulated: a million would take minutes
CALM = 120.0  # seconds between bursts, in which the copies of the last burst are made


def copying(
    copies: int = KEEP_COPIES, fails: Callable[[Random, float], bool] | None = None
) -> Copying:
    """Return the parameters of `keep`."""
    legs = [lognormal(*leg) for leg in (TO_QUEUE, TO_FUNCTION)]
    fixed = lognormal_of_mean(GIVEN.durations["keep"] / 1000, FIXED_P99)
    size = lognormal_of_mean(GIVEN.output_megabytes, MEGABYTES_P99)

    def seconds(rng: Random) -> float:
        outputs = range(round(GIVEN.outputs))  # one after the other
        return sum(fixed(rng) + size(rng) / GIVEN.copy_speed for _ in outputs)

    return Copying(
        to_function=lambda rng: sum(leg(rng) for leg in legs),
        seconds=seconds,
        fails=fails or (lambda rng, now: rng.random() < FAILING),
        cold=lognormal(*COLD),
        copies=copies,
        receives=RECEIVES,
    )


@dataclass(frozen=True)
class Both:
    """The same arrivals without and with `keep`. Times are in seconds."""

    without: list[float]  # sorted latencies of the measured events
    with_keep: list[float]
    waits: list[float]  # sorted times until the outputs of the measured results are copied
    most_waiting: int
    most_copies: int
    failed: int
    dead_letters: int


def both(
    arrivals: Sequence[float],
    path: Path,
    keep: Copying,
    *,
    measured: Callable[[float], bool] = lambda when: True,
    concurrency: float = NEVER,
    seed: int = SEED,
) -> Both:
    """Simulate arrivals without and with the second subscriber.

    In both runs, `callback` stores the sources, which is one more round trip to DynamoDB.
    """
    trip = lognormal(*ROUND_TRIP)
    longer = replace(path, to_function=lambda rng: path.to_function(rng) + trip(rng))
    alone = Simulation(arrivals, longer, Random(seed)).run()
    run = TwoSubscribers(
        arrivals, longer, Random(seed), keep, Random(f"{seed} keep"), concurrency=concurrency
    )
    outcome, copies = run.run(), run.copies

    def of(values: Sequence[float]) -> list[float]:
        return sorted(value for when, value in zip(arrivals, values, strict=True) if measured(when))

    return Both(
        of(alone.latencies),
        of(outcome.latencies),
        of(copies.waits),
        copies.most_waiting,
        copies.most_copies,
        copies.failed,
        copies.dead_letters,
    )


@cache
def burst_of(results: int, seed: int = SEED) -> Both:
    """Simulate results that arrive as fast as `callback_rate_limit` allows, with the defaults."""
    settings, load = Settings(), Workload(10_000)
    rate = settings.callback_rate_limit
    rng = Random(f"{seed} {results}")
    arrivals = poisson([(2 * results / rate, rate)], rng)[:results]
    return both(arrivals, path_of(settings, burst(load).other_requests), copying(), seed=seed)


def copies_for(load: Workload) -> int:
    """Return the copies of `keep` for the average rate, or the default if that is enough."""
    least = load.events * copy_seconds(GIVEN) / ROOM
    return int(max(KEEP_COPIES, rounded(least)))


@cache
def users_of(users: float, seed: int = SEED) -> Both:
    """Simulate bursts of twenty seconds between quiet phases, with raised limits; measure the
    bursts.

    The two functions share what the other functions leave of the account's concurrency, which is
    raised by the copies of `keep`.
    """
    load = Workload(users)
    settings, keep = better(load), copying(copies_for(load))
    needed = needs(burst(load), settings, batch_seconds())
    others = needed["lambda_concurrency"] - needed["deliver_maximum_concurrency"]
    cycle = [(CALM, load.events), (BURST, load.burst * load.events)]
    cycles = max(1, min(8, round(ENOUGH / sum(seconds * rate for seconds, rate in cycle))))
    arrivals = poisson(cycle * cycles, Random(f"{seed} {users:g} keep"))
    return both(
        arrivals,
        path_of(settings, burst(load).other_requests),
        keep,
        measured=lambda when: when % (CALM + BURST) >= CALM,
        concurrency=settings.lambda_concurrency + keep.copies - others,
        seed=seed,
    )


def outage(minutes: float, users: float = 1_000, seed: int = SEED) -> Both:
    """Simulate half an hour of results, in which the provider serves no files for some minutes."""
    load = Workload(users)
    arrivals = poisson([(1800.0, load.events)], Random(f"{seed} outage"))

    def fails(rng: Random, now: float) -> bool:
        return 300.0 <= now < 300.0 + 60 * minutes

    path = path_of(Settings(), burst(load).other_requests)
    return both(arrivals, path, copying(fails=fails), seed=seed)


# --- tables ---


def keep_table(sizes: Sequence[float]) -> str:
    """Return the copies of keep that are busy, and the links that are followed per second."""
    columns = ("users", "results per second", "concurrent executions of `keep`",
               "share of `keep_maximum_concurrency`", "links followed per second",
               "share of `link_rate_limit`", "links followed per second in a burst",
               "share of `link_rate_limit` in a burst")  # fmt: skip
    rows = _head(columns)
    for size in sizes:
        load = Workload(size)
        copies = load.events * copy_seconds(GIVEN)
        links = load.events * GIVEN.outputs * GIVEN.links_followed
        cells = [f"{size:,}", f"{load.events:,.1f}"]
        cells += [f"{copies:,.1f}", share_text(copies / KEEP_COPIES)]
        for rate in (links, load.burst * links):
            cells += [f"{rate:,.0f}", share_text(rate / LINK_RATE)]
        rows.append(_row(cells))
    return "\n".join(rows)


def bursts_table(seed: int = SEED) -> str:
    """Return the latencies of events and the times until copies exist, for bursts of results."""
    rows = _head(("results in the burst", "latency of events without `keep`: p50, p99",
                  "latency with `keep`: p50, p99", "half of the results copied",
                  "99% copied", "all copied", "most results waiting at once",
                  "failed attempts", "dead letters"))  # fmt: skip
    for results in RESULTS:
        found = burst_of(results, seed)
        cells = [f"{results:,}", *_events(found), *_waits(found, (0.5, 0.99, 1.0))]
        cells += [f"{found.most_waiting:,}", f"{found.failed:,}", f"{found.dead_letters:,}"]
        rows.append(_row(cells))
    return "\n".join(rows)


def users_table(sizes: Sequence[float], seed: int = SEED) -> str:
    """Return the same for the bursts of a number of users, with raised limits."""
    rows = _head(("users", "concurrent executions of `keep`, at most",
                  "latency of events without `keep`: p50, p99",
                  "latency with `keep`: p50, p99", "half of the results copied",
                  "95% copied", "most results waiting at once"))  # fmt: skip
    for size in sizes:
        if size > MOST_USERS:
            continue
        found = users_of(size, seed)
        cells = [f"{size:,}", f"{copies_for(Workload(size)):,}", *_events(found)]
        cells += [*_waits(found, (0.5, 0.95)), f"{found.most_waiting:,}"]
        rows.append(_row(cells))
    return "\n".join(rows)


def tables(sizes: Sequence[float], seed: int = SEED) -> dict[str, str]:
    """Return the tables by their names in the document."""
    return {
        "keep": keep_table(sizes),
        "keep-bursts": bursts_table(seed),
        "keep-users": users_table(sizes, seed),
    }


def _events(found: Both) -> list[str]:
    return [
        ", ".join(time_text(percentile(values, share)) for share in (0.5, 0.99))
        for values in (found.without, found.with_keep)
    ]


def _waits(found: Both, shares: Sequence[float]) -> list[str]:
    return [time_text(percentile(found.waits, share)) for share in shares]


def _head(columns: Sequence[str]) -> list[str]:
    return [_row(columns), "|---:" * len(columns) + "|"]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
