"""The ratios that the benchmarks compute, their meanings and their target values."""

from typing import NamedTuple


class Target(NamedTuple):
    """The target value of a ratio. `meaning` completes the table of results."""

    meaning: str
    bound: float
    at_most: bool = False

    def reached(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"


_POST = "CPU time per POST request"
_RATE = "POST requests per second over TLS"
_BATCH = "of a call with ten events: naive ÷ Herald's `deliver`"
_BACKLOG = "of ten calls with ten events each: naive ÷ Herald's `deliver`"
_START = "CPU time from the start of a process until it publishes its first event"
_UNDER_PROGRESS = "p95 latency of results: with 50 progress reports per second ÷ without"


def _imports(function: str) -> str:
    return f"CPU time of imports: `{function}` ÷ typical"


TARGETS = {
    "post_cpu_vs_boto3_loop_plain": Target(
        f"{_POST} over plain HTTP: boto3 in a loop ÷ Herald's engine", 50
    ),
    "post_cpu_vs_boto3_threads_tls": Target(
        f"{_POST} over TLS: boto3 with 64 threads ÷ Herald's engine", 30
    ),
    "post_rate_vs_boto3_threads_tls": Target(
        f"{_RATE}: Herald's engine ÷ boto3 with 64 threads", 12
    ),
    "post_rate_vs_boto3_loop_tls": Target(f"{_RATE}: Herald's engine ÷ boto3 in a loop", 100),
    "post_cpu_vs_c_floor": Target(
        f"{_POST} over plain HTTP: Herald's engine ÷ the client in C", 1.8, at_most=True
    ),
    "batch10_wall_vs_naive": Target(f"duration {_BATCH}", 10),
    "batch10_cpu_vs_naive": Target(f"CPU time {_BATCH}", 30),
    "backlog_wall_vs_naive": Target(f"duration {_BACKLOG}", 10),
    "backlog_cpu_vs_naive": Target(f"CPU time {_BACKLOG}", 30),
    "batch10_wall_vs_round_trips": Target(
        "duration of a call of `deliver` with ten events ÷ duration of its unavoidable round trips",
        1.35,
        at_most=True,
    ),
    "deliver_import_vs_typical": Target(_imports("deliver"), 0.1, at_most=True),
    "deliver_import_ms_over_bare": Target(
        "CPU time of imports of `deliver`, in ms", 60, at_most=True
    ),
    "message_import_vs_typical": Target(_imports("message"), 0.25, at_most=True),
    "connect_import_vs_typical": Target(_imports("connect"), 0.25, at_most=True),
    "authorize_import_vs_typical": Target(_imports("authorize"), 0.25, at_most=True),
    "callback_start_vs_typical": Target(
        f"{_START}, minus that of bare Python: Herald's `callback` ÷ typical", 0.4, at_most=True
    ),
    "relay_start_vs_typical": Target(
        f"{_START}, minus that of bare Python: Herald's `relay` ÷ typical", 0.4, at_most=True
    ),
    "callback_start_ms_over_bare": Target(
        f"{_START}, minus that of bare Python: `callback`, in ms", 170, at_most=True
    ),
    "relay_start_ms_over_bare": Target(
        f"{_START}, minus that of bare Python: `relay`, in ms", 170, at_most=True
    ),
    "callback_cpu_vs_naive": Target("CPU time per result: typical ÷ Herald's `callback`", 4),
    "callback_cpu_vs_deliver": Target(
        "CPU time per result: `callback` ÷ `deliver`", 1.0, at_most=True
    ),
    "callback_wall_vs_round_trips": Target(
        "duration of a call of `callback` ÷ duration of the round trips that a result waits for",
        1.3,
        at_most=True,
    ),
    "progress_cost_vs_result": Target(
        "CPU time of `callback` and `deliver` together: per progress event ÷ per result",
        0.6,
        at_most=True,
    ),
    "path_p50_vs_minimal": Target(
        "median latency from SNS to the client: Herald ÷ a function that only posts with boto3",
        1.3,
        at_most=True,
    ),
    "burst500_vs_minimal": Target(
        "time from SNS until the last of 500 events reaches its client: Herald ÷ a function that"
        " only posts with boto3",
        1.0,
        at_most=True,
    ),
    "results_p95_under_progress": Target(_UNDER_PROGRESS, 1.2, at_most=True),
}
