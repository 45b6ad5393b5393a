"""The simulated scenarios: the times of each step, quiet and burst arrivals, and the results.

For each number, a comment and docs/scaling.md give the source or say that the number is assumed.
"""

from dataclasses import replace
from functools import cache
from random import Random
from typing import NamedTuple

from benchmarks.capacity import BATCH, Settings, Workload, burst, raised
from benchmarks.delivery_model import (
    NEVER,
    Outcome,
    Path,
    Simulation,
    lognormal,
    percentile,
    poisson,
    store_and_read,
)
from cli.cost.inputs import FULL_CORE_MB, MEMORY

SEED = 1
BACK_WITHIN = 300.0  # seconds within which all clients should be connected again
SHARES = (0.5, 0.95, 0.99)
WARM_UP = BURST = 20.0  # seconds
ENOUGH = 20_000  # number of events; a scenario also lasts at least ten minutes

# Median and 99th percentile of each step, in seconds.
CALLBACK = (0.030, 0.150)  # HTTP API, transaction and publish: median measured, tail assumed
TO_QUEUE = (0.024, 0.100)  # SNS to SQS: published, tail assumed
TO_FUNCTION = (0.0162, 0.105)  # SQS to Lambda: published
ROUND_TRIP = (0.004, 0.015)  # DynamoDB: assumed
POST = (0.010, 0.040)  # @connections: assumed, because no numbers are published
COLD = (0.300, 1.000)  # published
BATCH_CPU, EVENT_CPU = 0.00116, 0.000085  # measured with a full core
CPU_SHARE = MEMORY["deliver"] / FULL_CORE_MB  # of a core; CPU times are stretched evenly


def path_of(settings: Settings, client_requests: float, cpu_share: float = CPU_SHARE) -> Path:
    """Return the path for these settings, with a given number of client requests per second and a
    share of a core for `deliver`.
    """
    legs = [lognormal(*leg) for leg in (CALLBACK, TO_QUEUE, TO_FUNCTION)]
    quota = settings.api_gateway_requests_per_second
    return Path(
        to_function=lambda rng: sum(leg(rng) for leg in legs),
        chains=store_and_read(
            lognormal(*ROUND_TRIP), batch_cpu=BATCH_CPU / cpu_share, event_cpu=EVENT_CPU / cpu_share
        ),
        post=lognormal(*POST),
        cold=lognormal(*COLD),
        copies=int(settings.deliver_maximum_concurrency),
        batch=BATCH,
        posts_per_second=settings.posts_per_second,
        webhooks=(settings.callback_rate_limit, settings.callback_burst),
        requests=(max(0.0, quota - client_requests), quota / 2),
    )


@cache
def batch_seconds(size: int = BATCH) -> float:
    """Return the mean seconds that a warm, busy copy of deliver needs for a batch of events for
    different users.
    """
    unlimited = Settings(deliver_maximum_concurrency=1, callback_rate_limit=1e9)
    path = replace(path_of(unlimited, 0.0), batch=size)
    outcome = Simulation([0.0] * 500 * size, path, Random(SEED)).run()
    return outcome.busy / outcome.batches


class Run(NamedTuple):
    """A scenario with its outcome and the sorted latencies of the measured events."""

    outcome: Outcome
    latencies: list[float]

    def percentiles(self) -> list[float]:
        """Return p50, p95 and p99 in seconds."""
        return [percentile(self.latencies, share) for share in SHARES]

    @property
    def late(self) -> float:
        """The share of events that arrive late, because they wait for the provider's next attempt
        or the client's next ping.
        """
        return (self.outcome.deferred + self.outcome.left) / len(self.outcome.latencies)

    @property
    def batch(self) -> float:
        """The average number of events per call of deliver."""
        called = len(self.outcome.latencies) - self.outcome.deferred
        return called / max(1, self.outcome.batches)


def quiet(load: Workload, settings: Settings, seed: int = SEED) -> Run:
    """Simulate Poisson arrivals at the mean rate."""
    seconds = min(600.0, ENOUGH / load.events)
    return _run(load, settings, [(WARM_UP, load.events), (seconds, load.events)], seed)


def bursts(load: Workload, settings: Settings, seed: int = SEED) -> Run:
    """Simulate bursts of twenty seconds with quiet phases between them; measure only the bursts."""
    cycles = max(1, min(8, round(ENOUGH / (BURST * load.burst * load.events))))
    cycle = [(WARM_UP, load.events), (BURST, load.burst * load.events)]
    return _run(load, settings, cycle * cycles, seed)


def _run(load: Workload, settings: Settings, phases: list[tuple[float, float]], seed: int) -> Run:
    rng = Random(f"{seed} {load.users:g} {len(phases)}")
    arrivals = poisson(phases, rng)
    path = path_of(settings, burst(load).other_requests)
    outcome = Simulation(arrivals, path, rng).run()
    period = phases[0][0] + phases[1][0]
    measured = [
        latency
        for when, latency in zip(arrivals, outcome.latencies, strict=True)
        if when % period >= phases[0][0]
    ]
    return Run(outcome, sorted(measured))


def better(load: Workload) -> Settings:
    """Return the default settings, with each limit raised as far as this load requires."""
    return raised(load, Settings(), batch_seconds(), back_within=BACK_WITHIN)


def variants(load: Workload) -> list[tuple[str, Settings]]:
    """Return the settings to compare: the defaults, only rate limits raised, and all
    limits raised.
    """
    usual, more = Settings(), better(load)
    throttles = replace(
        usual,
        callback_rate_limit=more.callback_rate_limit,
        websocket_rate_limit=more.websocket_rate_limit,
    )
    named = {"defaults": usual, "rate limits raised": throttles, "all limits raised": more}
    seen: dict[Settings, str] = {}
    for name, settings in named.items():
        seen.setdefault(settings, name)
    return [(name, settings) for settings, name in seen.items()]


def share_text(share: float) -> str:
    """Return a share for a table, in bold if it is above the limit."""
    text = f"{share:.0%}" if share >= 0.01 or share == 0 else "< 1%"
    return f"**{text}**" if share > 1 else text


def time_text(seconds: float) -> str:
    """Return a time for a table; `minutes` if the event arrives only by a later retry."""
    if seconds == NEVER:
        return "minutes"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{float(f'{seconds * 1000:.2g}'):g} ms"
