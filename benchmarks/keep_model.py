"""The simulation of the delivery path with both subscribers of the topic: `deliver` and `keep`.

The topic sends each result to both queues. The subscribers share nothing but the account's limit of
concurrent functions. `keep` has a random generator of its own, so that a run with `keep` and one
without it have the same arrivals and the same times of `deliver`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.delivery_model import NEVER, Sampler, Scaling, Simulation
from chalicelib.outputs.keep import PAUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from benchmarks.delivery_model import Path, _Copy

_QUEUED, _DONE = 10, 11  # steps of `keep`, besides those of `deliver`


@dataclass(frozen=True)
class Copying:
    """The parameters of `keep`. Times are in seconds."""

    to_function: Sampler  # time from the webhook to the call of keep, if a copy of it is idle
    seconds: Sampler  # of one attempt to copy the outputs of a result
    fails: Callable[[Random, float], bool]  # whether the attempt that ends at this time fails
    cold: Sampler
    copies: int  # concurrent executions of `keep`, at most
    receives: int  # attempts, before the message becomes a dead letter
    copies_at_first: int = 5
    copies_a_second: float = 5.0


@dataclass
class Copies:
    """The outcome of the copies, in order of the results' arrival."""

    # seconds from the webhook until all outputs of a result are copied; NEVER for a dead letter
    waits: list[float]
    failed: int = 0  # attempts
    dead_letters: int = 0
    most_copies: int = 0
    most_waiting: int = 0
    busy: float = 0.0  # seconds, over all copies of `keep`
    attempts: list[int] = field(default_factory=list)


class TwoSubscribers(Simulation):
    """One run with both subscribers. `concurrency` is the account's limit for the two functions."""

    def __init__(
        self,
        arrivals: Sequence[float],
        path: Path,
        rng: Random,
        copying: Copying,
        copy_rng: Random,
        concurrency: float = NEVER,
    ) -> None:
        super().__init__(arrivals, path, rng)
        self._copying = copying
        self._copy_rng = copy_rng
        self._concurrency = concurrency
        self._copy_scaling = Scaling(
            copying.copies_at_first, copying.copies, copying.copies_a_second
        )
        self._queued: deque[int] = deque()
        self._keeping = 0  # copies of `keep` that are busy
        self._warm = 0  # copies of `keep` that are idle
        self.copies = Copies([NEVER] * len(arrivals), attempts=[0] * len(arrivals))

    def _published(self, now: float, event: int) -> None:
        super()._published(now, event)
        self._push(now + self._copying.to_function(self._copy_rng), _QUEUED, event)

    def _step(self, now: float, kind: int, event: int, copy: _Copy | None) -> None:
        if kind == _QUEUED:
            self._queued.append(event)
            self._copy_waiting(now)
            self.copies.most_waiting = max(self.copies.most_waiting, len(self._queued))
        elif kind == _DONE:
            self._done(now, event)
        else:
            super()._step(now, kind, event, copy)

    def _room(self) -> bool:
        return self._busy + self._keeping < self._concurrency

    def _settle(self, now: float, copy: _Copy) -> None:
        full = not self._room()
        super()._settle(now, copy)
        if full:
            self._copy_waiting(now)

    def _copy_waiting(self, now: float) -> None:
        """Call `keep` for the messages that wait, as far as limits allow."""
        copying, found = self._copying, self.copies
        allowed = self._copy_scaling.allowed(now, waiting=len(self._queued), busy=self._keeping)
        while self._queued and self._keeping < allowed and self._room():
            event = self._queued.popleft()
            seconds = copying.seconds(self._copy_rng)
            if self._warm:
                self._warm -= 1
            else:
                seconds += copying.cold(self._copy_rng)
            self._keeping += 1
            found.most_copies = max(found.most_copies, self._keeping)
            found.busy += seconds
            self._push(now + seconds, _DONE, event)

    def _done(self, now: float, event: int) -> None:
        full = not self._room()
        self._keeping -= 1
        self._warm += 1
        found = self.copies
        found.attempts[event] += 1
        if not self._copying.fails(self._copy_rng, now):
            found.waits[event] = now - self._arrivals[event]
        else:
            found.failed += 1
            tried = found.attempts[event]
            if tried < self._copying.receives:
                self._push(now + PAUSES[min(tried, len(PAUSES)) - 1], _QUEUED, event)
            else:
                found.dead_letters += 1
        if full and self._copy_rng.random() < 0.5:  # one of the two takes the free place
            self._dispatch(now)
        self._copy_waiting(now)
        if full:
            self._dispatch(now)


def lognormal_of_mean(mean: float, p99: float) -> Sampler:
    """Return a sampler of long-tailed values with this mean and 99th percentile.

    The mean of a lognormal is exp(mu + sigma**2 / 2), and its percentile exp(mu + 2.3263 sigma).
    """
    sigma = 2.3263 - math.sqrt(2.3263**2 - 2 * math.log(p99 / mean))
    mu = math.log(mean) - sigma**2 / 2
    return lambda rng: rng.lognormvariate(mu, sigma)
