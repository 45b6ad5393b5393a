"""A seeded random schedule of faults: the same seed and length give the same schedule."""

from __future__ import annotations

import random
from typing import NamedTuple

# Faults that make one of a message's three receives fail. They are spaced so that no message can
# fail in all three, so a dead letter indicates a bug.
TAKES_A_RECEIVE = (
    "deliver killed before it stores",
    "deliver killed before it posts",
    "DynamoDB throttling",
    "posts answered 403",
)
BEFORE_THE_QUEUE = (
    "database down",
    "database refusing connections",
    "database connections killed",
    "COMMIT applied, answer lost",
    "callback killed after COMMIT",
    "SNS refusing",
    "SNS throttling",
    "SNS slow, events overtake",
    "SNS published, answer lost",
    "relay stopped",
)
AFTER_THE_QUEUE = (
    "messages duplicated",
    "messages poisoned",
    "posts answered 410",
    "posts answered 429",
    "posts answered 500",
    "posts cut",
    "clients cut",
    "clients offline",
)
KINDS = TAKES_A_RECEIVE + BEFORE_THE_QUEUE + AFTER_THE_QUEUE

SHORTEST, LONGEST = 1.0, 4.0  # duration of a fault in seconds


class Fault(NamedTuple):
    """One fault: its start and duration in seconds, its kind, and a seed for its injection."""

    at: float
    seconds: float
    kind: str
    salt: int


def plan(seed: int, seconds: float, *, visibility: float) -> list[Fault]:
    """Return the faults of a run of that length, ordered by time.

    Three sequences of faults (lanes) run in parallel. `visibility` is the queue's visibility
    timeout. Each fault that makes a receive fail is shorter than this timeout, and no three of them
    occur within twice the timeout.
    """
    source = random.Random(seed)
    faults = [
        *_lane(source, BEFORE_THE_QUEUE, seconds, pause=(0.3, 1.5), longest=LONGEST),
        *_lane(source, AFTER_THE_QUEUE, seconds, pause=(0.3, 1.5), longest=LONGEST),
        *_lane(
            source,
            TAKES_A_RECEIVE,
            seconds,
            pause=(1.5 * visibility, 1.5 * visibility),
            longest=0.6 * visibility,
        ),
    ]
    return sorted(faults)


def _lane(
    source: random.Random,
    kinds: tuple[str, ...],
    seconds: float,
    *,
    pause: tuple[float, float],
    longest: float,
) -> list[Fault]:
    """Return a sequence of faults. Every kind occurs once before any kind is repeated."""
    faults: list[Fault] = []
    deck: list[str] = []
    at = source.uniform(0.5, 2.0)
    while True:
        deck = deck or source.sample(kinds, len(kinds))
        lasts = source.uniform(SHORTEST, longest)
        if at + lasts > seconds:
            return faults
        faults.append(Fault(round(at, 2), round(lasts, 2), deck.pop(), source.getrandbits(32)))
        at += lasts + source.uniform(*pause)
