"""The schedule depends only on its seed, and every message has at least one receive without a
fault.
"""

from __future__ import annotations

import pytest

from tests.faults.schedule import KINDS, TAKES_A_RECEIVE, plan

VISIBILITY = 6.0


def test_the_seed_reproduces_the_schedule() -> None:
    assert plan(7, 60, visibility=VISIBILITY) == plan(7, 60, visibility=VISIBILITY)
    assert plan(7, 60, visibility=VISIBILITY) != plan(8, 60, visibility=VISIBILITY)


def test_a_long_run_has_every_kind_of_fault() -> None:
    assert {fault.kind for fault in plan(1, 300, visibility=VISIBILITY)} == set(KINDS)


@pytest.mark.parametrize("seed", range(20))
def test_no_message_can_lose_all_its_receives_to_faults(seed: int) -> None:
    faults = plan(seed, 300, visibility=VISIBILITY)
    taking = [fault for fault in faults if fault.kind in TAKES_A_RECEIVE]
    assert len(taking) > 10
    for first, third in zip(taking, taking[2:], strict=False):
        assert third.at - (first.at + first.seconds) > 2 * VISIBILITY
    assert all(fault.seconds < VISIBILITY for fault in taking)


@pytest.mark.parametrize("seed", range(5))
def test_faults_end_within_the_run(seed: int) -> None:
    assert all(
        0 < fault.at < fault.at + fault.seconds <= 60 for fault in plan(seed, 60, visibility=6)
    )
