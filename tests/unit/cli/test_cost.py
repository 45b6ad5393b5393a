"""The bill: amounts calculated by hand, tiers, metering, options, and defaults that match those of
Terraform.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cli.cost import report
from cli.cost.bill import bill, summary
from cli.cost.inputs import DURATIONS, FULL_CORE_MB, MEMORY, WORK, InputError, Inputs, durations
from cli.cost.peers import peers
from cli.cost.prices import ABLY, PRICES, PUSHER, fitting
from cli.cost.quantities import KEEPALIVE
from cli.cost.volumes import volumes
from tests.command_line import herald

ROOT = Path(__file__).parents[3]


def amount(given: Inputs, what: str) -> float:
    (line,) = [line for line in bill(given) if line.what == what]
    return line.amount


def printed(*words: str) -> Any:
    result = herald("cost", *words, "--json")
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_ten_thousand_open_connections_cost_what_the_price_list_says() -> None:
    given = Inputs(users=10_000, hours=24)
    assert volumes(given).minutes == 432e6
    assert amount(given, "connection-minutes") == pytest.approx(108.0)


def test_a_silent_connection_sends_a_keepalive_and_a_ping_by_turns() -> None:
    given = Inputs(users=1000, hours=24, notifications=0, reconnects=0, token_minutes=1e6)
    counts = volumes(given)
    turns = counts.minutes / KEEPALIVE.ping_minutes
    assert counts.connects < 0.2 * turns  # each begins a new silence
    assert counts.keepalives == pytest.approx(turns, rel=0.1)
    assert counts.pings == pytest.approx(turns, rel=0.1)
    assert amount(given, "keepalives") == pytest.approx(counts.keepalives / 1e6)
    assert amount(given, "pings and pongs") == pytest.approx(2 * counts.pings / 1e6)


def test_every_event_postpones_the_keepalive_and_the_ping() -> None:
    rng = Random(1)
    given = Inputs(users=1, hours=24, notifications=7200, online=1, reconnects=0, token_minutes=1e6)
    counts, at, keepalives, pings = volumes(given), 0.0, 0, 0
    rate = (counts.posts + counts.connects) / counts.minutes
    while at < 100 * counts.minutes:
        pause = rng.expovariate(rate)
        turns, left = divmod(pause, KEEPALIVE.ping_minutes)
        pings += int(turns)
        keepalives += int(turns) + (left > KEEPALIVE.minutes)
        at += pause
    assert counts.keepalives == pytest.approx(keepalives / 100, rel=0.02)
    assert counts.pings == pytest.approx(pings / 100, rel=0.02)


def test_a_reconnect_makes_the_connection_young_again() -> None:
    rng = Random(1)
    given = Inputs(users=1, hours=24, reconnects=1, token_minutes=60)
    ages = [min(rng.expovariate(1 / 60), 0.95 * 110) for _ in range(100_000)]
    counts = volumes(given)
    assert counts.connects == pytest.approx(counts.minutes * len(ages) / sum(ages), rel=0.01)
    renewed = sum(age > 57 for age in ages) / len(ages)
    assert counts.auths == pytest.approx(renewed * counts.connects, rel=0.01)


def test_a_short_token_is_renewed_as_often_as_its_connection_needs_it() -> None:
    counts = volumes(Inputs(reconnects=0, token_minutes=15))
    # at 12, 24, …, 96 minutes: the token of the last renewal outlives the connection
    assert counts.auths == pytest.approx(8 * counts.connects)


def test_a_token_that_outlives_its_connection_is_not_renewed() -> None:
    assert volumes(Inputs(token_minutes=24 * 60)).auths == 0


def test_the_head_of_a_stream_is_written_only_if_the_stream_becomes_silent() -> None:
    busy, rare = volumes(Inputs(notifications=100)), volumes(Inputs(notifications=2))
    assert busy.marks < 1
    assert rare.marks == pytest.approx(rare.notifications * math.exp(-2 / 30 * 7))


def test_a_call_waits_and_gets_its_share_of_a_core() -> None:
    whole = {name: float(FULL_CORE_MB) for name in MEMORY}
    for name, work in WORK.items():
        assert durations(whole)[name] == pytest.approx(work.cpu + work.waits)
        half = durations(dict.fromkeys(MEMORY, FULL_CORE_MB / 2))[name]
        assert half == pytest.approx(2 * work.cpu + work.waits)


def test_a_function_url_saves_the_requests_and_the_access_log() -> None:
    gateway, url = summary(Inputs()), summary(Inputs(function_url=True))
    saved = gateway.per_million_notifications - url.per_million_notifications
    assert 1.0 < saved < 1.2


def test_arm_is_billed_at_its_own_price() -> None:
    arm, x86 = (summary(Inputs(architecture=name)).total for name in ("arm64", "x86_64"))
    assert arm < x86


def test_a_million_notifications_line_by_line() -> None:
    given = Inputs(users=10_000, notifications=100, online=1, batch=1, cold_share=0)
    assert amount(given, "webhooks") == pytest.approx(1.00)
    assert amount(given, "publishes") == pytest.approx(0.50)
    assert amount(given, "deliveries from SNS") == pytest.approx(0.40)
    assert amount(given, "receives and deletes by batch") == pytest.approx(0.80)
    assert amount(given, "events into the inbox") == pytest.approx(0.625)
    assert amount(given, "events posted") == pytest.approx(1.00)
    seconds = 1e6 * math.ceil(DURATIONS["deliver"]) / 1000
    gigabytes = MEMORY["deliver"] / 1024
    assert amount(given, "deliver: time") == pytest.approx(seconds * gigabytes * 13.3334e-6)


def test_traces_are_billed_when_they_are_sent() -> None:
    quiet = Inputs(users=1, notifications=100, tracing=True)
    traced = [line for line in bill(quiet) if line.service == "X-Ray"]
    calls = [line for line in bill(quiet) if line.what.endswith(": calls")]
    assert [line.quantity for line in traced] == [pytest.approx(sum(c.quantity for c in calls))]
    assert traced[0].amount == pytest.approx(traced[0].quantity * 5e-6)
    busy = replace(quiet, users=1_000_000)
    (line,) = [line for line in bill(busy) if line.service == "X-Ray"]
    callback = 60 * 60 * 24 * 30 * 0.95 + 0.05 * 100e6
    assert (
        callback
        < line.quantity
        < 0.2 * sum(c.quantity for c in bill(busy) if c.what.endswith(": calls"))
    )
    assert not [line for line in bill(Inputs()) if line.service == "X-Ray"]


def test_the_summary_is_the_sum_of_the_lines() -> None:
    given = Inputs()
    lines, counts = bill(given), volumes(given)
    total = summary(given, lines)
    assert total.total == pytest.approx(sum(line.amount for line in lines))
    parts = (
        total.per_million_notifications * counts.notifications / 1e6
        + total.per_million_minutes * counts.minutes / 1e6
        + total.deployment
    )
    assert parts == pytest.approx(total.total)


def test_a_batch_costs_one_call_and_two_requests() -> None:
    alone, together = Inputs(batch=1), Inputs(batch=10)
    for what in ("receives and deletes by batch", "deliver: calls", "deliver: time"):
        assert amount(together, what) == pytest.approx(amount(alone, what) / 10)


def test_events_of_one_user_in_a_batch_share_head_read_and_frame() -> None:
    counts = volumes(Inputs(users=1, notifications=1000, batch=10, online=1))
    assert counts.users_in_batches == counts.posts == counts.batches == 100
    many = volumes(Inputs(users=1e6, batch=10))
    assert many.users_in_batches == pytest.approx(many.notifications, rel=1e-4)


def test_large_events_are_metered_by_their_pieces() -> None:
    small, large = Inputs(event_bytes=700), Inputs(event_bytes=40_000)
    assert amount(large, "events posted") == pytest.approx(2 * amount(small, "events posted"))
    written = amount(large, "events into the inbox") / amount(small, "events into the inbox")
    assert written == pytest.approx(40)  # an item of 40,106 bytes, in KB


def test_prices_fall_with_their_tiers() -> None:
    given = replace(Inputs(), users=1e6, hours=24)
    messages = [line for line in bill(given) if line.price == "websocket-message"]
    sent = sum(line.quantity for line in messages)
    assert sent > 1e9
    expected = 1e9 * 1e-6 + (sent - 1e9) * 0.8e-6
    assert sum(line.amount for line in messages) == pytest.approx(expected)


def test_only_absent_users_cause_replays() -> None:
    assert volumes(Inputs(online=1)).replayed == 0
    assert volumes(Inputs(online=0)).posts == 0


@pytest.mark.parametrize("nothing", [{"hours": 0.0}, {"notifications": 0.0}, {"users": 1.0}])
def test_an_idle_month_still_has_a_price(nothing: dict[str, float]) -> None:
    given = replace(Inputs(), **nothing)  # type: ignore[arg-type]
    assert summary(given).total >= summary(given).deployment > 0
    assert len(peers(given)) == 5


def test_appsync_and_iot_by_hand() -> None:
    given = Inputs(users=1000, hours=1, notifications=100, online=1)
    counts = volumes(given)
    by_name = {peer.name: peer for peer in peers(given)}
    appsync = (2 * counts.notifications + 2 * counts.connects) * 1e-6 + counts.minutes * 0.08e-6
    assert by_name["AppSync Events"].total == pytest.approx(appsync)
    assert by_name["IoT Core"].total == pytest.approx(appsync + counts.notifications * 1e-6)


def test_the_documented_comparison_matches_the_bill() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text()
    for peer in peers(Inputs()):
        metered = (peer.per_million_notifications, peer.per_million_minutes)
        each = ["included in a plan" if cost is None else f"${cost:.2f}" for cost in metered]
        name = {"Herald: API Gateway": "API Gateway, as Herald uses it"}.get(
            peer.name, peer.name.removesuffix(" Standard").replace("Premium", "Channels")
        )
        assert f"| {name} | ${peer.total:.2f} | {' | '.join(each)} |" in text
    whole, own = summary(Inputs()).total, peers(Inputs())[0].total
    assert own is not None
    assert f"${whole - own:.0f} of the ${whole:.0f} a month" in " ".join(text.split())


def test_the_documented_deployments_match_the_bill() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text()
    usual, lean = summary(Inputs()), summary(Inputs(lean=True))
    assert f"| ${usual.deployment:.2f} |" in text
    assert f"has a fixed cost of ${lean.deployment:.2f}" in " ".join(text.split())
    assert f"| **${usual.total:.2f}** | |" in text
    assert (usual.deployment <= 14, lean.deployment <= 7, usual.total <= 41) == (True, True, True)


def test_the_smallest_sufficient_plan_is_chosen() -> None:
    def name(connections: float, messages: float) -> str | None:
        plan = fitting(PUSHER, connections, messages)
        return plan.name if plan else None

    assert name(500, 1e6) == "Startup"
    assert name(501, 1e6) == name(500, 1e6 + 1) == "Pro"
    assert name(30_001, 0) is None
    assert fitting(ABLY, 10_001, 0) == ABLY[1]
    assert [peer.total for peer in peers(Inputs(users=1e6))[3:]] == [None, None]


# --- options ---


def test_options_reach_the_bill() -> None:
    usual = printed()
    assert usual["inputs"]["users"] == Inputs().users
    usual_ms = DURATIONS["deliver"]
    options = ("--memory", "deliver=1024", "--duration", f"deliver={usual_ms}")
    changed = printed("--users", "2e4", *options, "--price", "sns-publish=1.5")
    assert changed["inputs"]["users"] == 2e4

    def line(what: str, month: Any) -> Any:
        return next(line for line in month["lines"] if line["what"] == what)

    assert line("deliver: time", changed)["quantity"] == pytest.approx(
        2 * 1024 / MEMORY["deliver"] * line("deliver: time", usual)["quantity"]
    )
    assert line("publishes", changed)["amount"] == pytest.approx(
        6 * line("publishes", usual)["amount"]
    )


def test_more_memory_shortens_a_call() -> None:
    more = printed("--memory", "deliver=1769")["inputs"]["durations"]["deliver"]
    assert more == pytest.approx(WORK["deliver"].milliseconds(1769))
    assert more < DURATIONS["deliver"]


def test_the_variants_reach_the_bill() -> None:
    variants = printed("--function-url", "--lean", "--architecture", "x86_64")
    services = {line["service"] for line in variants["lines"]}
    assert "HTTP API" not in services
    assert (
        variants["summary"]
        == summary(Inputs(function_url=True, lean=True, architecture="x86_64"))._asdict()
    )


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--users", "0"], "--users"),
        (["--hours", "25"], "--hours"),
        (["--batch", "11"], "--batch"),
        (["--online", "1.5"], "--online"),
        (["--token-minutes", "0"], "--token-minutes"),
        (["--users", "inf"], "--users"),
        (["--notifications", "nan"], "--notifications"),
        (["--duration", "delivery=3"], "--duration delivery=3"),
        (["--memory", "deliver"], "--memory deliver"),
        (["--price", "secret=-1"], "--price secret=-1"),
    ],
)
def test_an_input_that_makes_no_sense_is_named(argv: list[str], named: str) -> None:
    result = herald("cost", *argv)
    assert result.exit_code == 2
    assert named in result.stderr
    assert not result.stdout


def test_an_option_that_is_not_a_number_is_named() -> None:
    result = herald("cost", "--users", "many")
    assert result.exit_code == 2
    assert "--users" in result.stderr


def test_the_tables_agree_with_the_json() -> None:
    month = printed()
    result = herald("cost")
    assert result.exit_code == 0
    shown = result.stdout
    assert report.money(month["summary"]["total"]) in shown
    for line in month["lines"]:
        assert re.search(
            rf"{re.escape(line['what'])}.*{re.escape(report.money(line['amount']))}", shown
        )
    for peer in month["transports"]:
        assert peer["name"] in shown


def test_each_price_has_its_page() -> None:
    result = herald("cost", "--prices")
    assert result.exit_code == 0
    shown = result.stdout
    for name, price in PRICES.items():
        assert price.page.startswith("https://")
        assert re.search(rf"{name} .*{price.page}", shown)


def test_the_makefile_passes_its_variables_on() -> None:
    text = (ROOT / "Makefile").read_text()
    assert "--users $(USERS)" in text
    assert "--notifications $(NOTIFICATIONS)" in text


# --- defaults ---


def test_the_memory_matches_terraforms() -> None:
    text = (ROOT / "infra" / "variables.tf").read_text()
    found = re.findall(
        r"(\w+) += optional\(object\(\{ memory_size = optional\(number, (\d+)\)", text
    )
    assert {name: int(size) for name, size in found} == MEMORY


def test_each_function_has_a_duration() -> None:
    assert {name.partition("-")[0] for name in DURATIONS} == set(MEMORY)


def test_inputs_are_checked_where_they_are_made() -> None:
    with pytest.raises(InputError, match="--connections"):
        Inputs(connections=0.5)
