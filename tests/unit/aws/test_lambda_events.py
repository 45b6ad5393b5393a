"""The parts of Lambda's events and context that Herald reads."""

import time

from chalicelib.aws.lambda_events import deadline_of, lower_headers


def test_the_deadline_leaves_a_margin() -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 10_000

    assert 6.9 < deadline_of(Context(), 3.0) - time.monotonic() <= 7.0


def test_header_names_are_lower_cased_and_may_be_missing() -> None:
    assert lower_headers({"headers": {"X-Api-Key": "K"}}) == {"x-api-key": "K"}
    assert lower_headers({"headers": None}) == lower_headers({}) == {}
