"""Herald's one retry policy: a few tries, exponential backoff with full jitter, within a deadline.

Full jitter spreads the retries of many callers evenly; see "Exponential Backoff And Jitter" on the
AWS Architecture Blog.
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
    import random  # only when something failed: `deliver` must start quickly

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
    """Call the operation until it succeeds, `tries` times at most and never past the deadline.

    Parameters
    ----------
    on
        The errors worth another try; any other passes through at once.
    deadline
        On the clock of time.monotonic(), in seconds: no try starts after it.
    failed
        Called after each failed try with its number, from 1, and the error.
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
