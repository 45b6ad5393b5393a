"""Simulates latency, limits and reconnects for a thousand to a million connected users.

    python -m benchmarks.simulation [--users N]... [--seed N] [--write]

The script prints the tables of docs/scaling.md. With --write, it updates the tables in this
document, including those of the costs, and draws the plots. The same seed gives the same tables.
The document says which numbers are measured, published or assumed.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from benchmarks import copies, cpu_share, plots
from benchmarks.capacity import BATCH, NAMES, Settings, Workload, use
from benchmarks.reconnects import Storm, storm
from benchmarks.scenarios import (
    BATCH_CPU,
    CPU_SHARE,
    EVENT_CPU,
    SEED,
    batch_seconds,
    better,
    bursts,
    quiet,
    share_text,
    time_text,
    variants,
)

SIZES = (1_000, 10_000, 100_000, 1_000_000)
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "scaling.md"

# --- tables ---


def limits_table(sizes: Sequence[float]) -> str:
    """Return the share of each default limit that a burst uses, starting with the most used
    limit.
    """
    shares = {size: use(Workload(size), Settings(), batch_seconds()) for size in sizes}
    names = sorted(NAMES, key=lambda name: -shares[sizes[-1]][name])
    rows = [f"| limit | default | {' | '.join(f'used by {size:,} users' for size in sizes)} |"]
    rows.append("|---|---:" + "|---:" * len(sizes) + "|")
    for name in names:
        cells = [share_text(shares[size][name]) for size in sizes]
        rows.append(f"| {NAMES[name]} | {getattr(Settings(), name):,.0f} | {' | '.join(cells)} |")
    return "\n".join(rows)


def copy_table() -> str:
    """Return the capacity of one copy of deliver that is always busy with batches of a given
    size.
    """
    columns = ("events per call", "duration of a call", "events per second",
               "share of the duration that is CPU time")  # fmt: skip
    rows = [f"| {' | '.join(columns)} |", "|---:|---:|---:|---:|"]
    for size in (1, 2, 5, BATCH):
        seconds = batch_seconds(size)
        busy = (BATCH_CPU + size * EVENT_CPU) / CPU_SHARE / seconds
        rows.append(f"| {size} | {time_text(seconds)} | {size / seconds:,.0f} | {busy:.0%} |")
    return "\n".join(rows)


def changes(load: Workload) -> dict[str, tuple[float, float]]:
    """Return the limits to raise, with their old and new values, starting with the most used
    limit.
    """
    before, after = Settings(), better(load)
    shares = use(load, before, batch_seconds())
    changed = {
        item.name: (getattr(before, item.name), getattr(after, item.name))
        for item in fields(Settings)
        if getattr(before, item.name) != getattr(after, item.name)
    }
    return dict(sorted(changed.items(), key=lambda item: -shares[item[0]]))


def raise_table(sizes: Sequence[float]) -> str:
    """Return the first bottleneck and all limits to raise for each number of users."""
    rows = ["| users | most used limit at the defaults | limits to raise |", "|---:|---|---|"]
    for size in sizes:
        shares = use(Workload(size), Settings(), batch_seconds())
        first = max(shares, key=lambda name: shares[name])
        wanted = [
            f"{NAMES[name]}: {before:,.0f} → {after:,.0f}"
            for name, (before, after) in changes(Workload(size)).items()
        ]
        fullest = f"{NAMES[first]}, {share_text(shares[first])}"
        rows.append(f"| {size:,} | {fullest} | {'<br>'.join(wanted) or 'nothing'} |")
    return "\n".join(rows)


def latency_rows(size: float, seed: int = SEED) -> list[str]:
    """Return the rows for one number of users: one with the defaults, and one for each variant of
    raised limits that differs.
    """
    load = Workload(size)
    rows = []
    for name, settings in variants(load):
        calm, busy = quiet(load, settings, seed), bursts(load, settings, seed)
        cells = [
            f"{size:,}",
            name,
            f"{load.events:,.1f}" if load.events < 100 else f"{load.events:,.0f}",
            *map(time_text, calm.percentiles()),
            *map(time_text, busy.percentiles()),
            share_text(busy.late) if busy.late else "—",
            str(busy.outcome.most_copies),
            f"{busy.batch:.1f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def latency_table(sizes: Sequence[float], seed: int = SEED) -> str:
    """Return the latencies from the webhook to the client."""
    columns = ["users", "settings", "events per second on average", "p50, quiet", "p95, quiet",
               "p99, quiet", "p50, burst", "p95, burst", "p99, burst", "late events in a burst",
               "most concurrent executions of `deliver`", "events per call"]  # fmt: skip
    rows = [f"| {' | '.join(columns)} |", "|---:|---" + "|---:" * (len(columns) - 2) + "|"]
    for size in sizes:
        rows += latency_rows(size, seed)
    return "\n".join(rows)


def storm_table(sizes: Sequence[float]) -> str:
    """Return the times until all clients are connected again."""
    columns = ["users", "settings", "50% reconnected", "95% reconnected",
               "99% reconnected", "99.9% reconnected",
               "attempts per client", "throttled `hello` and `ping` frames"]  # fmt: skip
    rows = [f"| {' | '.join(columns)} |", "|---:|---" + "|---:" * (len(columns) - 2) + "|"]
    for size in sizes:
        load = Workload(size)
        for name, settings in variants(load):
            result = storm(load, settings)
            times = [result.seconds_until(share) for share in (0.5, 0.95, 0.99, 0.999)]
            cells = [f"{size:,}", name]
            cells += [f"{when:,.0f} s" if when is not None else "never" for when in times]
            cells += [f"{result.tries / size:.1f}", f"{result.unanswered:,.0f}"]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


# --- plots ---

_USERS = plots.Axis("connected users", [(size, f"{size:,}") for size in SIZES], logarithmic=True)


def latency_plot(seed: int = SEED) -> str:
    """Return a plot of latency by number of users, with raised limits and, for a burst, also with
    the defaults.
    """
    names = ("p50", "p95", "p99")
    drawn: dict[str, list[tuple[float, float]]] = {}
    for size in SIZES:
        load = Workload(size)
        runs = {
            "quiet": quiet(load, better(load), seed),
            "burst": bursts(load, better(load), seed),
            "burst, defaults": bursts(load, Settings(), seed),
        }
        for scene, run in runs.items():
            for name, seconds in zip(names, run.percentiles(), strict=True):
                drawn.setdefault(f"{scene}, {name}", []).append((size, seconds * 1000))
    shown = ("quiet, p50", "quiet, p99", "burst, p50", "burst, p95", "burst, p99")
    lines = [plots.Series(name, drawn[name]) for name in shown]
    lines.append(plots.Series("burst, p99, defaults", drawn["burst, defaults, p99"], dashed=True))
    ticks = [(value, str(value)) for value in (50, 100, 200, 500, 1000)]
    up = plots.Axis("milliseconds", ticks, logarithmic=True)
    return plots.chart("From the webhook to the client, limits raised", _USERS, up, lines)


def storm_plot() -> str:
    """Return a plot of the share of connected users, by time after all connections were closed."""
    lines = []
    for size in SIZES:
        load = Workload(size)
        for name, settings in variants(load) if size == SIZES[-1] else variants(load)[:1]:
            label = f"{size:,}" if name == "defaults" else f"{size:,}, {name}"
            points = _thinned(storm(load, settings))
            lines.append(plots.Series(label, points, dashed=name != "defaults"))
    ticks = [(1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min"), (3600, "1 h")]
    across = plots.Axis("after all clients were disconnected", ticks, logarithmic=True)
    up = plots.Axis("reconnected clients", [(part / 4, f"{part * 25} %") for part in range(5)])
    return plots.chart("Mass reconnect", across, up, lines)


def _thinned(result: Storm) -> list[tuple[float, float]]:
    points = [(1.0, 0.0)]
    for when, back in zip(result.times, result.back, strict=True):
        if when >= points[-1][0] * 1.03:
            points.append((when, back / result.users))
    return [*points, (3600.0, result.back[-1] / result.users)]


# --- the document ---


def tables(sizes: Sequence[float], seed: int = SEED) -> dict[str, str]:
    """Return the tables by their names in the document."""
    return {
        "copy": copy_table(),
        "limits": limits_table(sizes),
        "raise": raise_table(sizes),
        "latency": latency_table(sizes, seed),
        "storms": storm_table(sizes),
        "cpu": cpu_share.table(),
    } | copies.tables(sizes, seed)


def place(name: str) -> tuple[str, str]:
    """Return the comment lines around a table in the document."""
    return (
        f"<!-- {name}: made by `python -m benchmarks.simulation --write` -->",
        f"<!-- end of {name} -->",
    )


def written(text: str, made: dict[str, str]) -> str:
    """Return a document with updated tables."""
    for name, table in made.items():
        opening, closing = place(name)
        pattern = re.escape(opening) + ".*?" + re.escape(closing)
        if len(re.findall(pattern, text, re.DOTALL)) != 1:
            raise SystemExit(f"{DOCUMENT.name} must hold {opening} … {closing} once.")
        before, after = re.split(pattern, text, flags=re.DOTALL)
        text = f"{before}{opening}\n{table}\n{closing}{after}"
    return text


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables or write them to the document."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulation",
        description="The delivery path simulated: latency, limits, reconnects.",
    )
    parser.add_argument(
        "--users", type=int, action="append", metavar="N", help="connected users; repeatable"
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the arrivals ({SEED})")
    parser.add_argument(
        "--write", action="store_true", help="make the document's tables and plots anew"
    )
    arguments = parser.parse_args(argv)
    if arguments.write and (arguments.users or arguments.seed != SEED):
        parser.error("--write uses the document's own sizes and seed: omit --users and --seed")
    if any(users < 1 for users in arguments.users or ()):
        parser.error("--users must be at least 1")
    if not arguments.write:
        for table in tables(arguments.users or SIZES, arguments.seed).values():
            print(table, end="\n\n")
        return
    from cli.cost.report import kept_table, markdown, memory_table

    made = tables(SIZES) | {
        "cost": markdown(SIZES),
        "kept": kept_table(SIZES),
        "memory": memory_table(),
    }
    DOCUMENT.write_text(written(DOCUMENT.read_text(), made))
    DOCUMENT.with_name("scaling-latency.svg").write_text(latency_plot())
    DOCUMENT.with_name("scaling-storms.svg").write_text(storm_plot())


if __name__ == "__main__":
    main()
