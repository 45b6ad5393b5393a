"""The retry policy."""

import time

import pytest

from chalicelib.retry import backoff, retry


class Flaky:
    """An operation that fails the given number of times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise ConnectionError(f"failure {self.calls}")
        return "done"


def far() -> float:
    return time.monotonic() + 60


def test_a_failing_call_is_tried_three_times_with_pauses() -> None:
    pauses: list[float] = []
    reported: list[int] = []
    flaky = Flaky(2)
    result = retry(
        flaky,
        on=ConnectionError,
        deadline=far(),
        sleep=pauses.append,
        failed=lambda tries, exc: reported.append(tries),
    )
    assert (result, flaky.calls, reported, len(pauses)) == ("done", 3, [1, 2], 2)


def test_the_last_error_is_raised() -> None:
    with pytest.raises(ConnectionError, match="failure 3"):
        retry(Flaky(9), on=ConnectionError, deadline=far(), sleep=lambda _: None)


def test_other_errors_are_not_retried() -> None:
    flaky = Flaky(1)
    with pytest.raises(ConnectionError):
        retry(flaky, on=KeyError, deadline=far(), sleep=lambda _: None)
    assert flaky.calls == 1


def test_no_attempt_starts_after_the_deadline() -> None:
    flaky = Flaky(9)
    with pytest.raises(ConnectionError):
        retry(flaky, on=ConnectionError, deadline=time.monotonic(), sleep=lambda _: None)
    assert flaky.calls == 1


def test_backoff_is_full_jitter_under_a_growing_cap() -> None:
    for tries, most in ((1, 0.2), (2, 0.4), (3, 0.8), (20, 2.0)):
        drawn = [backoff(tries) for _ in range(500)]
        assert 0 <= min(drawn) < most * 0.1
        assert most * 0.9 < max(drawn) <= most
