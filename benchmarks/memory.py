"""Measures each function with the share of a core that Lambda gives it at a memory size.

    python -m benchmarks.memory [--times N]

Lambda limits the CPU time of a function in each period of the scheduler, in proportion to its
memory: one full core at 1769 MB. Linux does the same with a quota of a control group, which this
benchmark sets for the measured process. It needs root and the controller `cpu`. DynamoDB,
@connections and Secrets Manager are substitutes with a fixed delay, so that the functions wait as
they do on AWS. The table is for docs/scaling.md; `cli/cost/inputs.py` has the CPU times.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import CLIENT_CORE, ROOT, Context, stand
from cli.cost.inputs import FULL_CORE_MB
from cli.cost.prices import PRICES

SIZES = (128, 192, 256, 384, 512, 1024, FULL_CORE_MB)
PERIOD_US = 20_000  # published measurements of Lambda, not documented by AWS
DATABASE_MS, GATEWAY_MS = 4.0, 10.0
WARM = 30
GROUP = Path("/sys/fs/cgroup/cpu/herald-bench")  # version 1 of control groups
FUNCTIONS = ("deliver", "deliver-10", "authorize", "connect", "ping", "hello", "auth", "disconnect")
SECRET = "s" * 40


# --- the measured process ---


def call(function: str) -> Callable[[int], Any]:
    """Return a call of a handler; its argument numbers the calls."""
    import app
    from benchmarks.handler import batch

    if function.startswith("deliver"):
        size = 10 if function.endswith("10") else 1
        return lambda number: app.deliver(batch(size, number), Context())
    name = function if function in ("authorize", "connect", "disconnect") else "message"
    event, handle = _event(name, function), getattr(app, name)
    return lambda number: handle(event, Context())


def _event(name: str, function: str) -> dict[str, Any]:
    import jwt

    files = {"authorize": "authorizer_request", "message": "websocket_default"}
    file = files.get(name, f"websocket_{name}")
    event: dict[str, Any] = json.loads((ROOT / "tests" / "events" / f"{file}.json").read_text())
    now = int(time.time())
    claims = {"sub": "alice", "iss": "issuer", "aud": "herald", "iat": now, "exp": now + 3600}
    token = jwt.encode(claims, SECRET, "HS256")
    if name == "authorize":
        event["headers"]["Sec-WebSocket-Protocol"] = f"herald.v1, bearer.{token}"
        event["headers"].pop("Origin", None)
    elif name == "message":
        event["body"] = json.dumps(_frame(function, token))
    return event


def _frame(action: str, token: str) -> dict[str, Any]:
    frame: dict[str, Any] = {"action": action, "id": 7}
    return frame | ({"token": token} if action == "auth" else {})


def measure(function: str, times: int) -> dict[str, float]:
    """Return the CPU time and the wall times of one warm call, in milliseconds."""
    from benchmarks.peers import Measured

    handle = call(function)
    for number in range(WARM):
        _accepted(handle(number))
    walls = []
    with Measured() as total:
        for number in range(WARM, WARM + times):
            began = time.perf_counter()
            _accepted(handle(number))
            walls.append((time.perf_counter() - began) * 1e3)
    return {
        "cpu": total.cpu / times * 1e3,
        "mean": statistics.fmean(walls),
        "p99": sorted(walls)[int(0.99 * len(walls))],
    }


def _accepted(answer: dict[str, Any]) -> None:
    good = answer.get("batchItemFailures") == [] or answer.get("statusCode") == 200
    if not (good or "policyDocument" in answer) or '"error"' in str(answer.get("body")):
        raise SystemExit(f"unexpected answer: {answer}")


# --- the quota ---


@contextlib.contextmanager
def share(memory: float) -> Iterator[list[Path]]:
    """Make a control group with the CPU share of a memory size; yield the file of its tasks."""
    try:
        GROUP.mkdir(exist_ok=True)
        (GROUP / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        quota = round(PERIOD_US * min(1.0, memory / FULL_CORE_MB))
        (GROUP / "cpu.cfs_quota_us").write_text(str(quota))
    except OSError as exc:
        raise stand.BenchmarkError(f"{GROUP} cannot be used ({exc}); run as root.") from exc
    try:
        yield [GROUP / "tasks"]
    finally:
        GROUP.rmdir()


def table(times: int) -> list[str]:
    """Measure all functions at all sizes; return the rows of the table."""
    stand.build()
    rows = ["| function | memory | CPU | time, mean | p99 | $ per million | $ times ms |"]
    rows.append("|---|---:|---:|---:|---:|---:|---:|")
    secrets = {"jwt": SECRET}
    with (
        stand.standin(delay_ms=GATEWAY_MS, tls=True) as gateway,
        stand.standin(delay_ms=DATABASE_MS, tls=True, secrets=secrets) as database,
    ):
        names = ("DYNAMODB", "SECRETS_MANAGER")
        environment = stand.FUNCTION | {f"AWS_ENDPOINT_URL_{name}": database for name in names}
        environment["HERALD_MANAGEMENT_ENDPOINT"] = f"{gateway}/prod"
        for function in FUNCTIONS:
            for memory in SIZES:
                found = _limited(function, memory, times, environment)
                rows.append(_row(function, memory, found))
                print(rows[-1], flush=True)
    return rows


def _limited(
    function: str, memory: float, times: int, environment: Mapping[str, str]
) -> dict[str, float]:
    variables: Any = environment
    command = [sys.executable, "-m", "benchmarks.memory", "--function", function]
    with share(memory) as tasks:
        command += ["--times", str(times), "--tasks", str(tasks[0])]
        found: dict[str, float] = stand.run(command, **variables)
    return found


def _row(function: str, memory: float, found: Mapping[str, float]) -> str:
    price = PRICES["lambda-gb-second"]
    time_price = memory / 1024 * found["mean"] / 1000 * price.amount
    dollars = PRICES["lambda-request"].amount + time_price
    cells = [function, f"{memory:,} MB", f"{found['cpu']:.2f} ms", f"{found['mean']:.1f} ms"]
    cells += [f"{found['p99']:.1f} ms", f"{dollars:.3f}", f"{dollars * found['mean']:.2f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, or measure one function in this process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory")
    parser.add_argument("--times", type=int, default=200, help="calls of each function and size")
    parser.add_argument("--function", choices=FUNCTIONS, help="measure this one, in this process")
    parser.add_argument("--tasks", type=Path, help="the control group of the measured process")
    options = parser.parse_args()
    if options.function:
        os.sched_setaffinity(0, {CLIENT_CORE})
        import app  # noqa: F401 - a function starts with a full core

        if options.tasks:
            options.tasks.write_text(str(os.getpid()))
        print(json.dumps(measure(options.function, options.times)))
        return
    table(options.times)


if __name__ == "__main__":
    main()
