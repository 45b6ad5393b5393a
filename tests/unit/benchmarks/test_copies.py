"""The simulation with both subscribers: `keep` copies, and `deliver` does not wait for it."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path as File
from random import Random
from typing import TYPE_CHECKING

import hcl2
import pytest

from benchmarks import copies, simulation
from benchmarks.capacity import Settings, Workload, burst
from benchmarks.delivery_model import NEVER, Path, Simulation, poisson
from benchmarks.keep_model import Copying, TwoSubscribers, lognormal_of_mean
from benchmarks.scenarios import path_of
from chalicelib.outputs.keep import PAUSES
from cli.cost.outputs import copy_seconds
from tests.unit.benchmarks.test_simulation import at_once, erlang_c, path, table

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = File(__file__).parents[3]


def keep(copies: int, **more: object) -> Copying:
    """`keep` whose attempts take a second and succeed."""
    usual = Copying(
        to_function=at_once, seconds=lambda rng: 1.0, fails=lambda rng, now: False, cold=at_once,
        copies=copies, receives=5, copies_at_first=copies,
    )  # fmt: skip
    return replace(usual, **more)  # type: ignore[arg-type]


def run(
    arrivals: Sequence[float], copying: Copying, delivery: Path | None = None, limit: float = NEVER
) -> TwoSubscribers:
    made = TwoSubscribers(arrivals, delivery or path(1), Random(1), copying, Random(2), limit)
    made.run()
    return made


def test_one_copy_takes_one_result_at_a_time() -> None:
    found = run([0.0] * 7, keep(3)).copies
    assert sorted(found.waits) == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0]
    assert (found.most_copies, found.most_waiting, found.busy) == (3, 4, 7.0)


def test_copies_are_added_while_results_wait() -> None:
    found = run([0.0] * 200, keep(20, copies_at_first=5, copies_a_second=5.0)).copies
    assert found.waits.count(1.0) == 5
    assert found.most_copies == 20


def test_only_a_new_copy_of_keep_starts_cold() -> None:
    assert run([0.0, 100.0], keep(1, cold=lambda rng: 0.5)).copies.waits == [1.5, 1.0]


def test_the_mean_wait_matches_an_m_m_c_queue() -> None:
    servers, used, service = 4, 0.8, 0.26
    rate = used * servers / service
    arrivals = poisson([(20_000 / rate, rate)], Random(7))
    copying = keep(servers, seconds=lambda rng: rng.expovariate(1 / service))
    found = run(arrivals, copying, path(1000)).copies
    expected = service + erlang_c(servers, rate * service) / (servers / service - rate)
    assert statistics.fmean(found.waits) == pytest.approx(expected, rel=0.05)


def test_a_failed_attempt_is_repeated_after_its_pause() -> None:
    """The pauses are those of the function; meanwhile, its copy works on other results."""
    found = run([0.0, 0.0], keep(1, fails=lambda rng, now: now == 1.0)).copies
    assert found.waits == [1 + PAUSES[0] + 1, 2.0]
    assert (found.failed, found.attempts, found.dead_letters) == (1, [2, 1], 0)


def test_a_result_is_a_dead_letter_after_its_last_attempt() -> None:
    found = run([0.0], keep(1, fails=lambda rng, now: True)).copies
    assert found.waits == [NEVER]
    assert (found.attempts, found.failed, found.dead_letters) == ([5], 5, 1)


@pytest.mark.parametrize("spare", [-1.0, 1.0])
def test_an_outage_shorter_than_all_pauses_costs_no_copy(spare: float) -> None:
    ends = sum(PAUSES) + PAUSES[-1] + 5 + spare  # five attempts of a second, four pauses
    found = run([0.0], keep(1, fails=lambda rng, now: now < ends)).copies
    assert found.dead_letters == (spare > 0)


def test_deliver_does_not_wait_for_keep() -> None:
    """Every latency is the same, however long the copies wait."""
    delivery = path_of(Settings(), burst(Workload(10_000)).other_requests)
    arrivals = poisson([(20.0, 150.0)], Random(3))
    alone = Simulation(arrivals, delivery, Random(1)).run().latencies
    made = run(arrivals, keep(1, copies_at_first=1), delivery)
    assert made.outcome.latencies == alone
    assert max(made.copies.waits) > 1000
    failing = run(arrivals, keep(10, fails=lambda rng, now: True), delivery)
    assert failing.outcome.latencies == alone


def test_a_full_account_delays_both() -> None:
    """What the two share is the account's concurrency. The model shows it if that is too small."""
    delivery = path(10, batch=1, post=lambda rng: 0.02)
    arrivals = poisson([(20.0, 100.0)], Random(3))
    alone = Simulation(arrivals, delivery, Random(1)).run().latencies
    enough = run(arrivals, keep(10), delivery, limit=20.0)
    assert enough.outcome.latencies == alone
    small = run(arrivals, keep(10), delivery, limit=10.0)
    assert statistics.fmean(small.outcome.latencies) > 2 * statistics.fmean(alone)
    assert small.copies.dead_letters == 0
    assert NEVER not in [*small.outcome.latencies, *small.copies.waits]


def test_a_distribution_has_its_mean_and_percentile() -> None:
    sample, rng = lognormal_of_mean(2.0, 10.0), Random(1)
    values = sorted(sample(rng) for _ in range(100_000))
    assert statistics.fmean(values) == pytest.approx(2.0, rel=0.02)
    assert values[99_000] == pytest.approx(10.0, rel=0.05)


def test_a_copy_takes_as_long_as_in_the_bill() -> None:
    sample, rng = copies.copying().seconds, Random(1)
    mean = statistics.fmean(sample(rng) for _ in range(50_000))
    assert mean == pytest.approx(copy_seconds(copies.GIVEN), rel=0.02)


def test_the_defaults_match_terraform() -> None:
    blocks = hcl2.loads((ROOT / "infra" / "kept_outputs.tf").read_text())["variable"]
    found = {
        name.strip('"'): body.get("default") for block in blocks for name, body in block.items()
    }
    assert found["keep_maximum_concurrency"] == copies.KEEP_COPIES
    assert found["keep_max_receive_count"] == copies.RECEIVES
    assert found["link_rate_limit"] == copies.LINK_RATE
    assert found["output_retention_days"] == copies.GIVEN.output_retention_days


@pytest.mark.parametrize("results", copies.RESULTS)
def test_in_the_document_events_do_not_wait_for_copies(results: int) -> None:
    found = copies.burst_of(results)
    assert found.with_keep == found.without
    assert len(found.waits) == len(found.without) == results


def test_the_documented_tables_match_the_simulation() -> None:
    assert table("keep") == copies.keep_table(simulation.SIZES).splitlines()
    assert table("keep-bursts") == copies.bursts_table().splitlines()
    made = copies.users_table((1_000, 10_000)).splitlines()
    assert [row for row in table("keep-users") if not row.startswith("| 100,000 |")] == made


def test_the_documented_outage_matches_the_simulation() -> None:
    text = " ".join(simulation.DOCUMENT.read_text().split())
    found = copies.outage(15)
    assert f"{found.dead_letters:,} of {len(found.waits):,} results" in text
    assert copies.outage(9).dead_letters == 0  # the sum of the pauses is 9 minutes and 15 s
