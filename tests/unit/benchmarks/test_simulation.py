"""Compares the simulation with queueing theory, with a simulation of single clients, and with
docs/scaling.md.
"""

from __future__ import annotations

import heapq
import math
import re
from dataclasses import fields, replace
from pathlib import Path as File
from random import Random
from xml.etree import ElementTree

import hcl2
import pytest

from benchmarks import plots, reconnects, scenarios, simulation
from benchmarks.capacity import (
    BATCH,
    SPREAD,
    Settings,
    Workload,
    burst,
    copies_of_deliver,
    raised,
    rounded,
    use,
)
from benchmarks.delivery_model import NEVER, Bucket, Path, Simulation, percentile, poisson
from benchmarks.reconnects import storm
from cli.cost.report import kept_table, markdown, memory_table

ROOT = File(__file__).parents[3]


def at_once(rng: Random) -> float:
    return 0.0


def no_chains(rng: Random, size: int) -> list[float]:
    return [0.0] * size


def path(copies: int, **more: object) -> Path:
    """A path whose only step is the post."""
    usual = Path(
        to_function=at_once, chains=no_chains, post=at_once, cold=at_once,
        copies=copies, copies_at_first=copies, batch=1,
    )  # fmt: skip
    return replace(usual, **more)  # type: ignore[arg-type]


# --- against queueing theory ---


def erlang_c(servers: int, load: float) -> float:
    """The share of arrivals that wait in an M/M/c queue."""
    waiting = load**servers / math.factorial(servers) * servers / (servers - load)
    return waiting / (sum(load**k / math.factorial(k) for k in range(servers)) + waiting)


@pytest.mark.parametrize(("servers", "used"), [(1, 0.6), (4, 0.8), (10, 0.85)])
def test_the_mean_time_matches_an_m_m_c_queue(servers: int, used: float) -> None:
    rate, service = used * servers / 0.02, 0.02
    rng = Random(7)
    arrivals = poisson([(40_000 / rate, rate)], rng)
    result = Simulation(
        arrivals, path(servers, post=lambda rng: rng.expovariate(1 / service)), rng
    ).run()
    expected = service + erlang_c(servers, rate * service) / (servers / service - rate)
    assert sum(result.latencies) / len(arrivals) == pytest.approx(expected, rel=0.05)


def test_the_mean_time_matches_an_m_d_1_queue() -> None:
    used, service = 0.8, 0.02
    rng = Random(7)
    arrivals = poisson([(40_000 * service / used, used / service)], rng)
    result = Simulation(arrivals, path(1, post=lambda rng: service), rng).run()
    expected = service + used * service / (2 * (1 - used))
    assert sum(result.latencies) / len(arrivals) == pytest.approx(expected, rel=0.05)


def test_arrivals_come_at_their_rates() -> None:
    times = poisson([(10, 100), (10, 1000)], Random(1))
    assert times == sorted(times)
    early = sum(when < 10 for when in times)
    assert early == pytest.approx(1000, rel=0.1)
    assert len(times) - early == pytest.approx(10_000, rel=0.05)


# --- batches, copies, tokens ---


def test_waiting_events_are_taken_in_full_batches() -> None:
    result = Simulation([0.0] * 1000, path(1, batch=10, post=lambda rng: 0.01), Random(1)).run()
    # The function's only instance is idle when the first event arrives: a batch of its own.
    assert result.batches == 101
    assert max(result.latencies) == pytest.approx(1.01)


def test_a_batch_lasts_as_long_as_its_slowest_chain() -> None:
    def chains(rng: Random, size: int) -> list[float]:
        return [0.1 * (number + 1) for number in range(size)]

    result = Simulation([0.0] * 11, path(1, batch=10, chains=chains), Random(1)).run()
    assert result.latencies[0] == pytest.approx(0.1)
    assert max(result.latencies) == pytest.approx(0.1 + 1.0)


def test_copies_are_added_while_messages_wait_and_never_above_the_maximum() -> None:
    slow = path(40, copies_at_first=5, copies_a_second=5.0, post=lambda rng: 1.0)
    few = Simulation([0.0] * 60, slow, Random(1)).run()
    assert few.latencies.count(1.0) == 5
    assert sum(latency <= 3.0 for latency in few.latencies) <= 5 + 10 + 15
    many = Simulation([0.0] * 4000, slow, Random(1)).run()
    assert many.most_copies == 40


def test_only_a_new_copy_starts_cold() -> None:
    result = Simulation([0.0, 100.0], path(1, cold=lambda rng: 0.5), Random(1)).run()
    assert result.latencies == [0.5, 0.0]


def test_a_bucket_allows_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(100, 50)
    assert sum(bucket.take(0.0) for _ in range(1000)) == 50
    assert sum(bucket.take(1 + step / 1000) for step in range(2000)) == pytest.approx(250, abs=2)


def test_posts_beyond_the_quota_are_left_to_recovery() -> None:
    narrow = path(1000, post=lambda rng: 0.01, requests=(100.0, 50.0))
    result = Simulation([0.0] * 25 + [0.001] * 500, narrow, Random(1)).run()
    assert result.refused
    delivered = sum(latency != NEVER for latency in result.latencies)
    assert delivered + result.left + result.deferred == 525
    assert delivered < 525


def test_throttled_webhooks_are_retried_once_and_then_minutes_later() -> None:
    throttled = path(10, webhooks=(1.0, 10.0))
    result = Simulation([0.0] * 100, throttled, Random(1)).run()
    delivered = sorted(latency for latency in result.latencies if latency != NEVER)
    assert delivered[:10] == [0.0] * 10
    assert all(5 <= latency <= 6 for latency in delivered[10:])
    assert len(delivered) == pytest.approx(15, abs=1)
    assert result.deferred == 100 - len(delivered)


def test_a_copy_keeps_to_its_rate() -> None:
    paced = path(1, batch=10, posts_per_second=100.0)
    result = Simulation([0.0] * 550, paced, Random(1)).run()
    assert max(result.latencies) == pytest.approx((550 - 50) / 100, rel=0.05)


def test_percentiles_are_taken_from_the_values() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]


# --- storms ---


def followed(users: int, rate: float, rng: Random) -> list[float]:
    """Simulate a mass reconnect client by client, with a limit only for new connections. Return the
    times at which the clients are connected.
    """
    tries = [(rng.uniform(*reconnects.window(1)), number, 1) for number in range(users)]
    heapq.heapify(tries)
    bucket, back = Bucket(rate, rate), []
    while tries:
        now, number, attempt = heapq.heappop(tries)
        if bucket.take(now):
            back.append(now)
        else:
            pause = rng.uniform(*reconnects.window(attempt + 1))
            heapq.heappush(tries, (now + pause, number, attempt + 1))
    return back


def test_the_fluid_model_matches_single_clients() -> None:
    users, rate = 5_000, 100.0
    load = Workload(users, events_per_hour=0.001)
    wide = Settings(
        new_connections_per_second=rate,
        websocket_rate_limit=1e9,
        api_gateway_requests_per_second=1e9,
    )
    fluid, single = storm(load, wide), followed(users, rate, Random(1))
    for share in (0.25, 0.5, 0.9, 0.99):
        reached = fluid.seconds_until(share)
        assert reached is not None
        assert reached == pytest.approx(single[math.ceil(share * users) - 1], rel=0.05)


def test_without_limits_every_client_is_back_after_its_first_attempt() -> None:
    free = Settings(
        new_connections_per_second=1e9,
        websocket_rate_limit=1e9,
        api_gateway_requests_per_second=1e9,
    )
    result = storm(Workload(1000), free)
    assert result.seconds_until(0.999) == pytest.approx(1.0, abs=0.2)
    assert result.tries == pytest.approx(1000)


def test_clients_are_not_back_sooner_than_the_quota_allows() -> None:
    users = 100_000
    result = storm(Workload(users), Settings())
    reached = result.seconds_until(0.999)
    assert reached is not None
    assert reached >= (0.999 * users - 500) / 500
    assert result.back[-1] == pytest.approx(users, abs=1)


def test_throttled_pings_keep_clients_from_coming_back() -> None:
    load = Workload(2_000_000)
    result = storm(load, Settings())
    assert load.pings > Settings().websocket_rate_limit
    assert result.seconds_until(0.95) is None
    assert result.unanswered > 0


# --- settings ---


def test_the_defaults_match_terraform() -> None:
    found = {
        name.strip('"'): body.get("default")
        for block in hcl2.loads((ROOT / "infra" / "variables.tf").read_text())["variable"]
        for name, body in block.items()
    }
    usual = Settings()
    names = {item.name for item in fields(Settings)} & found.keys()
    assert names == {
        "callback_rate_limit",
        "websocket_rate_limit",
        "deliver_maximum_concurrency",
        "posts_per_second",
        "api_gateway_requests_per_second",
    }
    assert {name: getattr(usual, name) for name in names} == {name: found[name] for name in names}
    assert found["callback_burst_limit"] == usual.callback_burst
    assert found["websocket_burst_limit"] == usual.websocket_burst
    assert found["deliver_batch_size"] == BATCH


def test_the_delays_match_the_client() -> None:
    text = (ROOT / "clients" / "js" / "constants.js").read_text()
    assert f"RECONNECT_MIN_MS = {reconnects.FIRST_DELAY * 1000:_.0f};" in text
    assert f"RECONNECT_MAX_MS = {reconnects.LONGEST_DELAY * 1000:_.0f};" in text
    assert f" ANSWER_MS = {reconnects.NO_PONG * 1000:_.0f};" in text
    assert f"PING_AGAIN_MS = {reconnects.PING_AGAIN * 1000:_.0f};" in text
    assert "PING_TRIES = 2;" in text


def test_the_spread_of_renewals_matches_the_client() -> None:
    text = (ROOT / "clients" / "js" / "constants.js").read_text()
    assert f"ROTATION_SPREAD = {SPREAD};" in text


@pytest.mark.parametrize("users", simulation.SIZES)
def test_raised_settings_have_headroom_and_are_valid(users: int) -> None:
    load = Workload(users)
    settings = scenarios.better(load)
    assert max(use(load, settings, scenarios.batch_seconds()).values()) <= 0.7 + 1e-9
    posts = copies_of_deliver(settings) * settings.posts_per_second
    assert posts <= settings.api_gateway_requests_per_second
    assert settings.deliver_maximum_concurrency <= 1000
    back = storm(load, settings).seconds_until(0.999)
    assert back is not None
    assert back <= scenarios.BACK_WITHIN


def test_nothing_is_raised_without_need() -> None:
    assert raised(Workload(1000), Settings(), 0.04, back_within=300) == Settings()


def test_a_burst_has_the_stated_rates() -> None:
    rates = burst(Workload(3600, events_per_hour=2, burst=4, reloads_per_hour=0))
    assert rates.events == 8
    mean = 510 * 0.95  # seconds between keepalives
    assert rates.keepalives == pytest.approx(3600 / mean)
    assert rates.pings == pytest.approx(3600 / mean / 2)
    assert rates.connects == pytest.approx(3600 / 6270)


@pytest.mark.parametrize(("number", "up"), [(1, 1), (101, 150), (1600, 2000), (71, 100)])
def test_numbers_are_rounded_up(number: float, up: float) -> None:
    assert rounded(number) == up


# --- the document ---


def table(name: str) -> list[str]:
    """Return the lines of a table of docs/scaling.md."""
    opening, closing = simulation.place(name)
    text = simulation.DOCUMENT.read_text()
    assert text.count(opening) == text.count(closing) == 1
    return text.split(opening)[1].split(closing)[0].strip().splitlines()


def test_the_same_seed_gives_the_same_run() -> None:
    load = Workload(1000)
    one, again = (scenarios.bursts(load, Settings()).latencies for _ in range(2))
    assert one == again
    assert one != scenarios.bursts(load, Settings(), seed=2).latencies


@pytest.mark.parametrize("users", [1_000, 10_000])
def test_the_documented_latencies_match_the_simulation(users: int) -> None:
    rows = [row for row in table("latency") if row.startswith(f"| {users:,} |")]
    assert rows == simulation.latency_rows(users)


def test_the_other_documented_tables_match_the_simulation() -> None:
    assert table("copy") == simulation.copy_table().splitlines()
    assert table("limits") == simulation.limits_table(simulation.SIZES).splitlines()
    assert table("raise") == simulation.raise_table(simulation.SIZES).splitlines()
    assert table("storms") == simulation.storm_table(simulation.SIZES).splitlines()
    assert table("kept") == kept_table(simulation.SIZES).splitlines()
    assert table("cost") == markdown(simulation.SIZES).splitlines()
    assert table("memory") == memory_table().splitlines()


def test_the_capacity_of_an_account_is_documented() -> None:
    usual, one = Settings(), Workload(1)
    other_requests = burst(one).other_requests
    quota = usual.api_gateway_requests_per_second
    carried = {
        quota / (other_requests + 2 * one.events),
        quota / (other_requests + 2 * one.burst * one.events),
        usual.new_connections_per_second / one.connects,
    }
    text = " ".join(simulation.DOCUMENT.read_text().split())
    for users in carried:
        assert f"{round(users, -4):,.0f}" in text
    assert f"one request every {round(1 / other_requests, -1):.0f} seconds" in text


def test_the_documented_plots_match_the_simulation() -> None:
    drawn = {name: (ROOT / "docs" / f"scaling-{name}.svg").read_text() for name in
             ("latency", "storms")}  # fmt: skip
    assert drawn["storms"] == simulation.storm_plot()
    for name, text in drawn.items():
        assert ElementTree.fromstring(text).tag.endswith("svg")  # noqa: S314 - our own file
        assert f"scaling-{name}.svg" in simulation.DOCUMENT.read_text()


def test_a_table_is_written_between_its_marks() -> None:
    opening, closing = simulation.place("copy")
    before = f"one\n{opening}\nold\n{closing}\ntwo\n"
    assert simulation.written(before, {"copy": "new"}) == before.replace("old", "new")
    with pytest.raises(SystemExit, match="must hold"):
        simulation.written("no place", {"copy": "new"})


@pytest.mark.parametrize("argv", [["--write", "--users", "5"], ["--users", "0"], ["--users", "x"]])
def test_an_invalid_argument_is_named(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        simulation.main(argv)
    assert "--users" in capsys.readouterr().err


def test_a_chart_places_its_points() -> None:
    across = plots.Axis("x", [(1, "1"), (100, "100")], logarithmic=True)
    up = plots.Axis("y", [(0, "0"), (10, "10")])
    text = plots.chart("a < b", across, up, [plots.Series("line", [(1, 0), (10, 5), (100, 10)])])
    points = re.findall(r'points="([^"]+)"', text)[0].split()
    (x0, y0), (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in points)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert "a &lt; b" in text
