"""A discrete-event simulation of the delivery path: webhook, queue, copies of deliver, posts.

A copy is one concurrent execution of the `deliver` function. Every event is simulated, because the
behaviour is not linear: batches are formed from waiting messages, a batch takes as long as its
slowest user, copies are added over time, and token buckets become empty. Client frames are not
simulated individually, because they are numerous and similar. They only reduce the refill rate of
the account's token bucket.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from chalicelib.engine.endpoint import TokenBucket
from chalicelib.engine.request import ATTEMPTS
from chalicelib.retry import BASE_SECONDS, CAP_SECONDS

WEBHOOK_RETRIES = (5.0,)  # seconds after a 429 response; the attempt after that comes minutes later
NEVER = math.inf
SOONEST = 1e-6  # seconds; a shorter wait could be lost in rounding

Sampler = Callable[[Random], float]  # seconds
# for a batch, the seconds from the call of deliver to each event's post
Chains = Callable[[Random, int], list[float]]


def lognormal(median: float, p99: float) -> Sampler:
    """Return a sampler of long-tailed times with this median and 99th percentile."""
    mu, sigma = math.log(median), math.log(p99 / median) / 2.3263
    return lambda rng: rng.lognormvariate(mu, sigma)


def store_and_read(round_trip: Sampler, *, batch_cpu: float, event_cpu: float) -> Chains:
    """Return a sampler of the times at which the `deliver` function can post each event of a batch.

    The whole batch is stored in one request. Then the connections of each user are read.
    """

    def chains(rng: Random, size: int) -> list[float]:
        stored = batch_cpu + round_trip(rng)
        return [
            max(stored, batch_cpu + round_trip(rng)) + round_trip(rng) + number * event_cpu
            for number in range(1, size + 1)
        ]

    return chains


class Scaling:
    """The number of copies that Lambda's pollers may run: more while messages wait, then fewer."""

    def __init__(self, first: int, most: int, a_second: float) -> None:
        self._least = self._allowed = float(min(first, most))
        self._most = most
        self._a_second = a_second
        self._at = 0.0

    def allowed(self, now: float, *, waiting: int, busy: int) -> int:
        """Return the number of copies that may run now."""
        passed = (now - self._at) * self._a_second
        self._at = now
        if waiting > 1 or busy >= int(self._allowed):
            self._allowed = min(self._most, self._allowed + passed)
        else:
            self._allowed = max(self._least, self._allowed - passed)
        return int(self._allowed)


class Bucket:
    """API Gateway's token bucket, with a refill rate and a burst size."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = max(0.0, rate)
        self._burst = self._tokens = burst
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take a token; return False if there is none."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True)
class Path:
    """The parameters of an event's path. Times are in seconds, rates per second."""

    to_function: Sampler  # time from the webhook to the call of deliver, if a copy is idle
    chains: Chains
    post: Sampler
    cold: Sampler  # cold start, before a copy's first call
    copies: int  # at most
    batch: int = 10
    copies_at_first: int = 5
    copies_a_second: float = 5.0  # copies added per second while messages wait
    posts_per_second: float | None = None  # of one copy
    webhooks: tuple[float, float] = (NEVER, NEVER)  # rate and burst
    requests: tuple[float, float] = (NEVER, NEVER)  # of the account, minus client requests


@dataclass
class Outcome:
    """The outcome of the events, in order of arrival."""

    # seconds; NEVER if the event arrives only through a later retry or replay
    latencies: list[float]
    refused: int = 0  # attempts of webhooks that were answered with 429
    deferred: int = 0  # events whose webhook is retried only minutes later
    left: int = 0  # events whose post was throttled; the client recovers them with its cursor
    most_copies: int = 0
    batches: int = 0
    busy: float = 0.0  # seconds, over all copies


class _Copy:
    """One copy of deliver."""

    __slots__ = ("began", "bucket", "posts")

    def __init__(self, posts_per_second: float | None) -> None:
        self.bucket = TokenBucket(posts_per_second) if posts_per_second else None
        self.posts = 0  # posts of this batch that are not finished
        self.began = 0.0


_WEBHOOK, _READY, _POST, _POSTED = range(4)


class Simulation:
    """One simulation run for the given arrival times."""

    def __init__(self, arrivals: Sequence[float], path: Path, rng: Random) -> None:
        self._arrivals = arrivals
        self._path = path
        self._rng = rng
        self._heap: list[tuple[float, int, int, int, _Copy | None]] = []
        self._order = itertools.count()
        self._waiting: deque[int] = deque()
        self._idle: list[_Copy] = []  # a stack: the copy that became idle last is used first
        self._busy = 0
        self._made = 0
        self._scaling = Scaling(path.copies_at_first, path.copies, path.copies_a_second)
        self._tries = [0] * len(arrivals)
        self._webhooks = _bucket(path.webhooks)
        self._requests = _bucket(path.requests)
        self.outcome = Outcome([NEVER] * len(arrivals))

    def run(self) -> Outcome:
        """Run the simulation until every event has arrived or is left to a later retry or
        replay.
        """
        upcoming = iter(enumerate(self._arrivals))
        self._next_arrival(upcoming)
        while self._heap:
            now, _, kind, event, copy = heapq.heappop(self._heap)
            if kind == _WEBHOOK and not self._tries[event]:
                self._next_arrival(upcoming)
            self._step(now, kind, event, copy)
        return self.outcome

    def _step(self, now: float, kind: int, event: int, copy: _Copy | None) -> None:
        if kind == _WEBHOOK:
            self._webhook(now, event)
        elif kind == _READY:
            self._waiting.append(event)
            self._dispatch(now)
        elif copy is not None and kind == _POST:
            self._post(now, event, copy)
        elif copy is not None:
            self.outcome.latencies[event] = now - self._arrivals[event]
            self._settle(now, copy)

    def _push(self, when: float, kind: int, event: int, copy: _Copy | None = None) -> None:
        heapq.heappush(self._heap, (when, next(self._order), kind, event, copy))

    def _next_arrival(self, upcoming: Iterable[tuple[int, float]]) -> None:
        for event, when in upcoming:
            self._push(when, _WEBHOOK, event)
            return

    def _webhook(self, now: float, event: int) -> None:
        taken = self._webhooks is None or self._webhooks.take(now)
        if taken and (self._requests is None or self._requests.take(now)):
            self._tries[event] = 0
            self._published(now, event)
            return
        self.outcome.refused += 1
        if self._tries[event] == len(WEBHOOK_RETRIES):
            self.outcome.deferred += 1
            return
        pause = WEBHOOK_RETRIES[self._tries[event]] * self._rng.uniform(1, 1.2)
        self._tries[event] += 1
        self._push(now + pause, _WEBHOOK, event)

    def _published(self, now: float, event: int) -> None:
        """Pass an event, whose webhook was accepted, on to the queue."""
        self._push(now + self._path.to_function(self._rng), _READY, event)

    def _room(self) -> bool:
        """Return whether the account may run one more function."""
        return True

    def _dispatch(self, now: float) -> None:
        allowed = self._scaling.allowed(now, waiting=len(self._waiting), busy=self._busy)
        while self._waiting and self._busy < allowed and self._room():
            size = min(self._path.batch, len(self._waiting))
            events = [self._waiting.popleft() for _ in range(size)]
            self._call(now, events)

    def _call(self, now: float, events: list[int]) -> None:
        start = now
        if self._idle:
            copy = self._idle.pop()
        else:
            copy = _Copy(self._path.posts_per_second)
            self._made += 1
            start += self._path.cold(self._rng)
        self._busy += 1
        outcome = self.outcome
        outcome.most_copies = max(outcome.most_copies, self._busy)
        outcome.batches += 1
        copy.began, copy.posts = now, len(events)
        for event, chain in zip(events, self._path.chains(self._rng, len(events)), strict=True):
            self._push(start + chain, _POST, event, copy)

    def _post(self, now: float, event: int, copy: _Copy) -> None:
        if copy.bucket is not None and (delay := copy.bucket.take(now)):
            self._push(now + max(delay, SOONEST), _POST, event, copy)
            return
        granted = self._requests is None or self._requests.take(now)
        if copy.bucket is not None:
            copy.bucket.answered(refused=not granted)
        if granted:
            self._push(now + self._path.post(self._rng), _POSTED, event, copy)
            return
        self._tries[event] += 1
        if self._tries[event] >= ATTEMPTS:
            self.outcome.left += 1
            self._settle(now, copy)
            return
        pause = self._rng.uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2 ** self._tries[event]))
        self._push(now + pause, _POST, event, copy)

    def _settle(self, now: float, copy: _Copy) -> None:
        copy.posts -= 1
        if copy.posts:
            return
        self._busy -= 1
        self.outcome.busy += now - copy.began
        self._idle.append(copy)
        self._dispatch(now)


def _bucket(limit: tuple[float, float]) -> Bucket | None:
    return None if limit[0] == NEVER else Bucket(*limit)


def poisson(phases: Iterable[tuple[float, float]], rng: Random) -> list[float]:
    """Return the times of Poisson arrivals for phases of (seconds, rate)."""
    times: list[float] = []
    began = 0.0
    for seconds, rate in phases:
        now = began + rng.expovariate(rate)
        while now < began + seconds:
            times.append(now)
            now += rng.expovariate(rate)
        began += seconds
    return times


def percentile(values: Sequence[float], share: float) -> float:
    """Return the percentile: the value that the given share of the sorted values does not
    exceed.
    """
    return values[min(len(values) - 1, max(0, math.ceil(share * len(values)) - 1))]
