"""Computes ratios from benchmark runs and writes tables and plots."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.posts import DELAY_MS
from benchmarks.targets import TARGETS

Runs = Sequence[Mapping[str, float]]


class Spread(NamedTuple):
    """The median, the minimum and the maximum of some rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        digits = 0 if self.median >= 100 else 1 if self.median >= 10 else 2
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f}…{self.most:,.{digits}f})"


def spread(runs: Runs, field: str) -> Spread:
    return Spread.of([run[field] for run in runs])


def ratios(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the ratios of medians, by the names of their targets."""
    result: dict[str, float] = {}

    def median(*path: str) -> float:
        runs: Any = found
        for part in path[:-1]:
            runs = runs[part]
        return spread(runs, path[-1]).median

    if "posts" in found:
        plain, tls = ("posts", "plain"), ("posts", "tls")
        ours, ours_tls = median(*plain, "herald", "cpu_us"), median(*tls, "herald", "cpu_us")
        rate_tls = median(*tls, "herald", "rate")
        result["post_cpu_vs_boto3_loop_plain"] = median(*plain, "boto3_loop", "cpu_us") / ours
        result["post_cpu_vs_boto3_threads_tls"] = median(*tls, "boto3_threads", "cpu_us") / ours_tls
        result["post_rate_vs_boto3_threads_tls"] = rate_tls / median(*tls, "boto3_threads", "rate")
        result["post_rate_vs_boto3_loop_tls"] = rate_tls / median(*tls, "boto3_loop", "rate")
        result["post_cpu_vs_c_floor"] = ours / median(*plain, "floor", "cpu_us")
    if "handler" in found:
        for shape, title in (("10", "batch10"), ("backlog", "backlog")):
            for what in ("wall", "cpu"):
                naive = median("handler", f"naive_{shape}", f"{what}_ms")
                herald = median("handler", f"herald_{shape}", f"{what}_ms")
                result[f"{title}_{what}_vs_naive"] = naive / herald
        result["batch10_wall_vs_round_trips"] = median("handler", "herald_10", "wall_ms") / median(
            "handler", "round_trips", "sum_ms"
        )
    if "door" in found:
        result |= _of_the_door(lambda run, field: median("door", run, field))
    if "imports" in found:
        walls = {name: statistics.median(times) for name, times in found["imports"].items()}
        over = {name: wall - walls["bare"] for name, wall in walls.items()}
        for name in ("deliver", "message", "connect", "authorize"):
            result[f"{name}_import_vs_typical"] = over[name] / over["typical"]
        result["deliver_import_ms_over_bare"] = over["deliver"]
    measured = found.get("path", {})  # by benchmarks.path, .progress and .contention
    result |= {name: value for name, value in measured.items() if name in TARGETS}
    return result


def _of_the_door(median: Callable[[str, str], float]) -> dict[str, float]:
    starts = {
        name: median(f"start_{name}", "ms") - median("start_bare", "ms")
        for name in ("callback_herald", "callback_naive", "relay_herald", "relay_naive")
    }
    delivered = median("deliver_result", "cpu_us_per_event")
    delivered_progress = median("deliver_progress", "cpu_us_per_event")
    ours, progress = median("herald_result", "cpu_us"), median("herald_progress", "cpu_us")
    return {
        "callback_start_vs_typical": starts["callback_herald"] / starts["callback_naive"],
        "relay_start_vs_typical": starts["relay_herald"] / starts["relay_naive"],
        "callback_start_ms_over_bare": starts["callback_herald"],
        "relay_start_ms_over_bare": starts["relay_herald"],
        "callback_cpu_vs_naive": median("naive_result", "cpu_us") / ours,
        # With delays: a process that waits also pays for waking up, with cold caches. Without them,
        # the stand-in answers `deliver` before it waits, but PostgreSQL takes longer.
        "callback_cpu_vs_deliver": median("distant_result", "cpu_us")
        / median("distant_deliver", "cpu_us_per_event"),
        "callback_wall_vs_round_trips": median("distant_result", "wall_ms")
        / median("round_trips", "sum_ms"),
        "progress_cost_vs_result": (progress + delivered_progress) / (ours + delivered),
    }


def tables(found: Mapping[str, Any], reached: Mapping[str, float], machine: str) -> str:
    """Return all results as Markdown."""
    parts = [f"The benchmark ran on {machine}.\n"]
    parts.append(
        "The tables show medians of all rounds, with the minimum and the maximum in parentheses."
        " *Typical* and *naive* are implementations with boto3 and pydantic that do the same work"
        " as Herald's functions. *Bare* is a Python process without imports. *Herald's engine* is"
        " the HTTP client with which `deliver` posts events to clients.\n"
    )
    parts.append(
        _table(
            ["ratio", "meaning", "measured", "target", "result"],
            [
                [
                    f"`{name}`",
                    TARGETS[name].meaning,
                    f"{value:.2f}",
                    str(TARGETS[name]),
                    "met" if TARGETS[name].reached(value) else "missed",
                ]
                for name, value in reached.items()
            ],
        )
    )
    for scenario, title in (
        ("plain", "POST requests over plain HTTP, without a delay"),
        ("tls", "POST requests over TLS 1.3, with a delay of 10 ms"),
    ):
        if runs := found.get("posts", {}).get(scenario):
            parts.append(f"## {title}\n")
            parts.append(_table(_POST_COLUMNS, [_post_row(each) for each in runs.values()]))
            if scenario == "tls":
                parts.append(
                    f"With a delay of {DELAY_MS:g} ms, one connection carries at most"
                    f" {1000 / DELAY_MS:g} POST requests per second, and 128 connections carry at"
                    f" most {128_000 / DELAY_MS:,.0f}. The number of connections therefore limits"
                    " the rate of Herald's engine in this table.\n"
                )
    if "handler" in found:
        parts.append("## Whole calls of `deliver`\n")
        parts.append(
            "A call stores the events, reads the connections of their users, and posts the events"
            " to the clients. All requests use TLS.\n"
        )
        parts.append(
            _table(
                ["implementation", "events", "duration, ms", "CPU, ms", "CPU per event, µs"],
                [
                    [
                        _HANDLERS[name],
                        _SHAPES[shape],
                        *(str(spread(runs, f)) for f in _HANDLER_FIELDS),
                    ]
                    for key, runs in sorted(found["handler"].items())
                    if key != "round_trips"
                    for name, shape in [key.split("_")]
                ],
            )
        )
        trips = found["handler"]["round_trips"]
        parts.append(
            "No implementation can avoid three round trips: two to DynamoDB and one to API Gateway."
            f" Together, they take {spread(trips, 'sum_ms')} ms.\n"
        )
    if "door" in found:
        parts.append("## The CPU time of one event\n")
        parts.append(
            "For the next table, PostgreSQL runs on the same machine as the functions. The"
            " stand-in for AWS answers over TLS, and adds no delay of its own.\n"
        )
        parts.append(
            _table(
                ["process", "CPU per event, µs", "CPU until the first event is published, ms"],
                [_door_row(found["door"], title, *keys) for title, *keys in _DOOR],
            )
        )
        trips, distant = (found["door"][name] for name in ("round_trips", "distant_result"))
        parts.append(
            "A second measurement adds the delays of a network: the shortest transaction takes"
            f" {spread(trips, 'commit_ms')} ms, and publishing an event takes"
            f" {spread(trips, 'publish_ms')} ms. A result waits for one transaction and for its"
            f" publication, which together take {spread(trips, 'sum_ms')} ms. The whole call of"
            f" `callback` takes {spread(distant, 'wall_ms')} ms. With these delays, a result needs"
            f" {spread(distant, 'cpu_us')} µs of CPU time in `callback`, and"
            f" {spread(found['door']['distant_deliver'], 'cpu_us_per_event')} µs in `deliver`.\n"
        )
    if "imports" in found:
        parts.append("## The CPU time of a start with all imports\n")
        parts.append(
            _table(
                ["process", "CPU of the whole process, ms"],
                [
                    [_STARTS.get(name, f"`{name}`"), str(Spread.of(walls))]
                    for name, walls in found["imports"].items()
                ],
            )
        )
    return "\n".join(parts)


_DOOR = [  # title, key and field of the CPU, key of the start
    ("callback, result", "herald_result", "cpu_us", "start_callback_herald"),
    ("callback, progress", "herald_progress", "cpu_us", ""),
    ("callback, typical, result", "naive_result", "cpu_us", "start_callback_naive"),
    ("deliver, result", "deliver_result", "cpu_us_per_event", ""),
    ("deliver, progress in batches of ten", "deliver_progress", "cpu_us_per_event", ""),
    ("deliver, progress alone", "deliver_progress1", "cpu_us_per_event", ""),
    ("relay", "", "", "start_relay_herald"),
    ("relay, typical", "", "", "start_relay_naive"),
    ("bare Python", "", "", "start_bare"),
]


def _door_row(runs: Mapping[str, Runs], title: str, key: str, field: str, start: str) -> list[str]:
    cpu = str(spread(runs[key], field)) if key else ""
    return [title, cpu, str(spread(runs[start], "ms")) if start else ""]


_POST_COLUMNS = [
    "client",
    "connections",
    "CPU per request, µs",
    "requests per second",
    "memory, MB",
]
_HANDLERS = {"herald": "Herald's `deliver`", "naive": "naive, with boto3"}
_STARTS = {"bare": "Python without imports (bare)", "typical": "typical, with boto3"}
_SHAPES = {"1": "1", "10": "10", "backlog": "100 in ten calls"}
_HANDLER_FIELDS = ("wall_ms", "cpu_ms", "cpu_us_per_event")


def _post_row(runs: Runs) -> list[str]:
    memory = str(spread(runs, "memory_mb")) if "memory_mb" in runs[0] else ""
    rates = [str(spread(runs, "cpu_us")), str(spread(runs, "rate"))]
    return [str(runs[0]["title"]), f"{runs[0]['connections']:.0f}", *rates, memory]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def plots(found: Mapping[str, Any], folder: Path) -> None:
    """Write bar charts with a logarithmic scale, one file per chart."""
    folder.mkdir(parents=True, exist_ok=True)
    for scenario, title in (("plain", "plain HTTP, no delay"), ("tls", "TLS 1.3, 10 ms delay")):
        if runs := found.get("posts", {}).get(scenario):
            for field, unit in (("cpu_us", "µs of CPU per post"), ("rate", "posts per second")):
                bars = {str(each[0]["title"]): spread(each, field) for each in runs.values()}
                path = folder / f"posts-{scenario}-{field.removesuffix('_us')}.svg"
                path.write_text(_bars(f"{unit}, {title}", bars, lambda s: f"{s.median:,.0f}"))
    if "handler" in found:
        bars = {
            f"{name}, {_SHAPES[shape]}": spread(found["handler"][f"{name}_{shape}"], "wall_ms")
            for shape in _SHAPES
            for name in ("herald", "naive")
        }
        path = folder / "handler-wall.svg"
        path.write_text(_bars("ms of a whole invocation", bars, lambda s: f"{s.median:,.1f}"))
    if "imports" in found:
        bars = {name: Spread.of(walls) for name, walls in found["imports"].items()}
        path = folder / "imports.svg"
        path.write_text(_bars("CPU ms to start and import", bars, lambda s: f"{s.median:,.0f}"))


def _bars(title: str, bars: Mapping[str, Spread], label: Callable[[Spread], str]) -> str:
    left, width, height = 220, 460, 28
    floor = 10 ** int(math.log10(min(bar.least for bar in bars.values())) // 1)
    decades = math.log10(max(bar.most for bar in bars.values()) / floor)

    def at(value: float) -> float:
        return left + width * math.log10(value / floor) / decades

    size = f'width="{left + width + 90}" height="{height * len(bars) + 56}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="12" y="24" font-size="15" font-weight="600">{title} (log scale)</text>',
    ]
    for row, (name, bar) in enumerate(bars.items()):
        y = 44 + row * height
        color = "#2563eb" if name.lower().startswith("herald") or name in OURS else "#94a3b8"
        box = f'x="{left}" y="{y}" width="{max(1.0, at(bar.median) - left):.1f}" height="18"'
        lines += [
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{name}</text>',
            f'<rect {box} fill="{color}"/>',
            f'<path d="M{at(bar.least):.1f} {y + 9}H{at(bar.most):.1f}" stroke="#0f172a"/>',
            f'<text x="{at(bar.most) + 6:.1f}" y="{y + 14}">{label(bar)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


OURS = ("deliver", "message", "connect", "authorize")
