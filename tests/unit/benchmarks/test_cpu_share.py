"""What a call takes with a share of a core, by both models."""

from __future__ import annotations

import pytest

from benchmarks import cpu_share
from benchmarks.cpu_share import PERIOD, found, in_periods, stretched
from benchmarks.scenarios import BATCH_CPU, EVENT_CPU
from benchmarks.targets import TARGETS
from cli.cost.inputs import FULL_CORE_MB, MEMORY
from tests.unit.benchmarks.test_simulation import table


def test_stretched_cpu_time_takes_longer_by_the_share() -> None:
    assert stretched([(0.001, 0.010), (0.002, 0.0)], 0.25) == pytest.approx(0.012 + 0.010)


@pytest.mark.parametrize(
    ("cpu", "share", "offset", "seconds"),
    [
        (0.002, 0.2, 0.000, 0.002),  # within the budget of 4 ms
        (0.006, 0.2, 0.000, 0.022),  # 4 ms, then 2 ms of the next period
        (0.006, 0.2, 0.015, 0.007),  # 4 ms, 1 ms of waiting, 2 ms of the next period
        (0.006, 0.2, 0.018, 0.006),  # 2 ms, and 4 ms of the next period
        (0.012, 0.2, 0.000, 0.044),  # the budgets of three periods
        (0.050, 1.0, 0.007, 0.050),  # a full core never waits
    ],
)
def test_a_period_limits_the_cpu_time(
    cpu: float, share: float, offset: float, seconds: float
) -> None:
    assert in_periods([(cpu, 0.0)], share, offset) == pytest.approx(seconds)


def test_a_wait_into_a_later_period_brings_a_new_budget() -> None:
    steps = [(0.004, 0.030), (0.004, 0.0)]
    assert in_periods(steps, 0.2) == pytest.approx(0.038)


def test_at_the_memory_of_deliver_no_call_waits_for_cpu_time() -> None:
    share = MEMORY["deliver"] / FULL_CORE_MB
    assert share * PERIOD > BATCH_CPU + 10 * EVENT_CPU
    limited, full = found(share, periods=True), found(1.0, periods=True)
    assert limited.full == pytest.approx(full.full, rel=0.01)


@pytest.mark.parametrize("memory", [256, 512, FULL_CORE_MB])
@pytest.mark.parametrize("periods", [False, True])
def test_the_path_keeps_its_ratio_at_every_memory_size(memory: float, periods: bool) -> None:
    ratio = found(memory / FULL_CORE_MB, periods=periods).vs_minimal
    assert TARGETS["path_p50_vs_minimal"].reached(ratio)


@pytest.mark.parametrize(("memory", "periods"), [(256, True), (512, True), (512, False)])
def test_a_batch_keeps_its_ratio(memory: float, periods: bool) -> None:
    ratio = found(memory / FULL_CORE_MB, periods=periods).vs_round_trips
    assert TARGETS["batch10_wall_vs_round_trips"].reached(ratio)


def test_the_documented_table_matches_the_models() -> None:
    assert table("cpu") == cpu_share.table().splitlines()
