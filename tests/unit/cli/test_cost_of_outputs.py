"""The costs of kept outputs and look-ups: amounts calculated by hand, and options."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.aws.s3 import PART_BYTES
from cli.cost.bill import bill, summary
from cli.cost.inputs import Inputs
from cli.cost.lines import GROUPS
from cli.cost.outputs import copy_seconds
from cli.cost.prices import PRICES, cost
from cli.cost.quantities import (
    KEEPING,
    RARE_SHARE,
    WAIT_SECONDS,
)
from cli.cost.volumes import MINUTES, volumes
from tests.command_line import herald

ROOT = Path(__file__).parents[3]
MILLION = Inputs(users=10_000, notifications=100, keep_outputs=True, cold_share=0)


def amount(given: Inputs, what: str, group: str = "outputs") -> float:
    (line,) = [line for line in bill(given) if line.what == what and line.group == group]
    return line.amount


def test_a_million_results_line_by_line() -> None:
    gigabytes = 1e6 * 2 / 1e3
    assert amount(MILLION, "results for keep") == pytest.approx(3 * 0.40)
    assert amount(MILLION, "keep: calls") == pytest.approx(0.20)
    seconds = 1e6 * (MILLION.durations["keep"] / 1000 + 2 / 20)
    assert amount(MILLION, "keep: time") == pytest.approx(seconds * 0.5 * 13.3334e-6)
    assert amount(MILLION, "sources read") == pytest.approx(0.125)
    assert amount(MILLION, "sources and copies written") == pytest.approx(2 * 0.625)
    assert amount(MILLION, "copies written") == pytest.approx(5.00)
    assert amount(MILLION, "copies kept") == pytest.approx(gigabytes * 0.023)
    assert amount(MILLION, "links") == pytest.approx(2.00)
    assert amount(MILLION, "link: calls") == pytest.approx(0.40)
    assert amount(MILLION, "links read") == pytest.approx(2 * 0.125)
    assert amount(MILLION, "copies read") == pytest.approx(2 * 0.40)
    assert amount(MILLION, "copies to clients") == pytest.approx(2 * gigabytes * 0.09, rel=1e-3)


def test_a_large_file_is_billed_in_parts() -> None:
    large = replace(MILLION, output_megabytes=100)
    parts = math.ceil(100e6 / PART_BYTES)
    assert amount(large, "copies written") == pytest.approx((parts + 3) * 5.00)
    assert amount(large, "sources and copies written") == pytest.approx(3 * 0.625)


def test_outputs_multiply_copies_and_links_but_not_messages() -> None:
    four = replace(MILLION, outputs=4)
    for what in ("copies written", "copies kept", "copies read", "links"):
        assert amount(four, what) == pytest.approx(4 * amount(MILLION, what))
    assert amount(four, "results for keep") == amount(MILLION, "results for keep")
    assert copy_seconds(four) == pytest.approx(4 * copy_seconds(MILLION))


def test_copies_are_stored_for_the_retention() -> None:
    week = replace(MILLION, output_retention_days=7)
    for what in ("copies kept", "table of outputs"):
        assert amount(week, what) == pytest.approx(7 / 30 * amount(MILLION, what))


def test_outputs_change_no_other_quantity() -> None:
    def others(given: Inputs) -> list[tuple[str, float]]:
        groups = ("notifications", "connections")
        return [(line.what, line.quantity) for line in bill(given) if line.group in groups]

    without = replace(MILLION, keep_outputs=False)
    assert others(MILLION) == others(without)
    assert not [line for line in bill(without) if line.group in ("outputs", "lookups")]
    assert {line.group for line in bill(replace(MILLION, looked_up=0.5))} == set(GROUPS)


def test_a_stage_that_keeps_outputs_has_a_further_key_secret_queue_and_alarms() -> None:
    def added(what: str) -> float:
        with_, without = (
            next(line.quantity for line in bill(given) if line.what == what)
            for given in (MILLION, replace(MILLION, keep_outputs=False))
        )
        return with_ - without

    assert added("keys") == added("secrets") == 1
    assert added("polls of idle queues") == 15 * MINUTES
    assert added("metrics under alarm") == KEEPING.alarm_metrics
    assert added("metrics of Herald's own") == pytest.approx(1 - RARE_SHARE)
    assert added("data keys and decryptions") == MINUTES / 5 * KEEPING.key_requests


def test_cloudfront_replaces_the_transfer() -> None:
    front = replace(MILLION, cloudfront=True)
    assert amount(front, "copies to clients") == pytest.approx(4000 * 0.085)
    assert amount(front, "links and copies") == pytest.approx(4.00)
    assert amount(front, "redirects changed") == pytest.approx(0.20)


@pytest.mark.parametrize(
    ("name", "quantity", "amount"),
    [
        ("transfer-out", 61_440, 10_240 * 0.09 + 40_960 * 0.085 + 10_240 * 0.07),
        ("s3-storage", 61_440, 51_200 * 0.023 + 10_240 * 0.022),
        ("cloudfront-out", 20_480, 10_240 * (0.085 + 0.08)),
    ],
)
def test_large_amounts_of_data_have_tiers(name: str, quantity: float, amount: float) -> None:
    assert cost(dict(PRICES), name, quantity) == pytest.approx(amount)


def test_look_ups_take_time_of_runs_that_happen_anyway() -> None:
    given = Inputs(looked_up=0.01, polls=3, lookup_providers=2)
    counts = volumes(given)
    assert counts.lookups == pytest.approx(30_000)
    of_lookups = {line.what: line for line in bill(given) if line.group == "lookups"}
    seconds = 30_000 * given.durations["reconcile-lookup"] / 1000
    assert of_lookups["reconcile: time of look-ups"].quantity == pytest.approx(seconds / 2)
    assert of_lookups["metrics of look-ups"].quantity == pytest.approx(3 * 3 - 3 * RARE_SHARE)
    assert "reconcile: waiting" not in of_lookups
    calls = [line for line in bill(given) if line.what == "reconcile: calls"]
    assert [line.quantity for line in calls] == [MINUTES]
    total = summary(given)
    assert total.per_million_lookups == pytest.approx(
        sum(line.amount for line in of_lookups.values()) / 0.03
    )


def test_providers_without_webhooks_keep_reconcile_waiting() -> None:
    busy = Inputs(looked_up=1, poll_only=True, users=1000)
    lines = [line for line in bill(busy) if line.what.startswith("reconcile: ")]
    seconds = sum(line.quantity for line in lines if line.group == "lookups") * 2
    assert seconds == pytest.approx(max(
        MINUTES * WAIT_SECONDS * -math.expm1(-100_000 / MINUTES),
        200_000 * busy.durations["reconcile-lookup"] / 1000,
    ))  # fmt: skip


# --- options ---


def test_the_options_reach_the_bill() -> None:
    argv = "--keep-outputs --outputs 2 --output-megabytes 30 --links-followed 5 --looked-up 0.1"
    argv += " --output-retention-days 90 --polls 4 --lookup-providers 3 --copy-speed 10"
    result = herald("cost", *argv.split(), "--cloudfront", "--poll-only", "--json")
    assert result.exit_code == 0
    given = Inputs(keep_outputs=True, outputs=2, output_megabytes=30, links_followed=5,
                   looked_up=0.1, output_retention_days=90, polls=4, lookup_providers=3,
                   copy_speed=10, cloudfront=True, poll_only=True)  # fmt: skip
    assert json.loads(result.stdout)["summary"] == summary(given)._asdict()


def test_the_tables_show_outputs_and_look_ups() -> None:
    shown = herald("cost", "--keep-outputs", "--looked-up", "0.01").stdout
    assert "With kept outputs" in shown
    assert "With look-ups" in shown
    assert "With kept outputs" not in herald("cost").stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--outputs", "0"),
        ("--output-megabytes", "-1"),
        ("--links-followed", "nan"),
        ("--output-retention-days", "0"),
        ("--copy-speed", "0"),
        ("--looked-up", "1.1"),
        ("--polls", "0"),
        ("--lookup-providers", "0"),
    ],
)
def test_an_invalid_input_is_named(option: str, value: str) -> None:
    result = herald("cost", "--keep-outputs", option, value)
    assert result.exit_code == 2
    assert option in result.stderr


def test_the_documented_figures_match_the_bill() -> None:
    text = " ".join((ROOT / "docs" / "scaling.md").read_text().split())
    added = summary(MILLION).deployment - summary(replace(MILLION, keep_outputs=False)).deployment
    assert f"The fixed cost of the stage is ${added:.2f} a month higher" in text
    assert f"occupies one concurrent execution of `keep` for {copy_seconds(MILLION):.2f} s" in text
    waiting = MINUTES * WAIT_SECONDS / 2 * PRICES["lambda-gb-second-arm"].amount / 1e6
    assert f"at most ${waiting:.2f} a month" in text
