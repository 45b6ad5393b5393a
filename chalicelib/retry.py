"""Herald's retry policy: a few attempts with exponential backoff and full jitter, and a deadline.

Full jitter distributes the retries of many callers evenly over time. See "Exponential Backoff And
Jitter" on the AWS Architecture Blog.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

TRIES = 3
BASE_SECONDS = 0.1
CAP_SECONDS = 2.0


def backoff(tries: int, *, base: float = BASE_SECONDS, cap: float = CAP_SECONDS) -> float:
    """Return the seconds to wait after some failures: uniform in 0 … min(cap, base · 2^tries)."""
    import random  # imported only after a failure, because `deliver` must start quickly

    return random.uniform(0, min(cap, base * 2**tries))


def retry(
    operation: Callable[[], T],
    *,
    on: type[Exception] | tuple[type[Exception], ...],
    deadline: float,
    tries: int = TRIES,
    failed: Callable[[int, Exception], None] = lambda tries, exc: None,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call the operation until it succeeds, at most `tries` times and not after the deadline.

    Parameters
    ----------
    on
        The errors that are retried. All others are raised immediately.
    deadline
        The latest start of an attempt, as a value of time.monotonic().
    failed
        Called after each failed attempt with its number, starting at 1, and the error.
    """
    for attempt in range(1, tries + 1):
        try:
            return operation()
        except on as exc:
            failed(attempt, exc)
            pause = backoff(attempt)
            if attempt == tries or time.monotonic() + pause >= deadline:
                raise
            sleep(pause)
    raise AssertionError("unreachable: tries is at least 1")
