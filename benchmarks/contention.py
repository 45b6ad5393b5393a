"""Measures how much progress delays results in Herald's functions alone, without the emulator.

    python -m benchmarks.contention [--rounds N] [--results N] [--rate R]

Real PostgreSQL, with the delay of a network; stand-ins for AWS with the delay of AWS, over TLS. As
on AWS, results and progress are handled by different copies of `callback` and `deliver`, here by
two processes. A result is timed from the call of `callback` until `deliver` has posted the event.
In every second round, R reports of progress a second arrive, and are delivered in batches of ten.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg2

from benchmarks import (
    CLIENT_CORE,
    SERVER_CORE,
    Context,
    add_path_results,
    callback,
    front_door,
    handler,
    stand,
)
from benchmarks.path import percentiles

RATIO = "results_p95_under_progress"
WARM = 20


def results(count: int) -> list[float]:
    """Handle `count` results, one at a time; return the milliseconds that each takes."""
    import app

    os.sched_setaffinity(0, {CLIENT_CORE})
    taken = []
    dsn = os.environ["BENCH_DATABASE_URL"]
    with psycopg2.connect(dsn) as database:
        database.autocommit = True
        for number, generation in enumerate(callback.insert(dsn, WARM + count)):
            webhook = callback.webhook(generation, "result")
            began = time.perf_counter()
            answer = app.callback(webhook, Context())
            called = time.perf_counter() - began
            with database.cursor() as cursor:
                event_id = json.loads(answer["body"])["eventId"]
                cursor.execute("SELECT event::text FROM herald.outbox WHERE id = %s", (event_id,))
                [(event,)] = cursor.fetchall()
            batch = {"Records": [handler.message(f"{number}", event)]}
            began = time.perf_counter()
            assert app.deliver(batch, Context()) == {"batchItemFailures": []}
            taken.append((called + time.perf_counter() - began) * 1000)
    return taken[WARM:]


def progress(rate: float) -> None:
    """Handle `rate` reports of progress a second, until this process is stopped."""
    import app

    os.sched_setaffinity(0, {SERVER_CORE})
    generations = callback.insert(os.environ["BENCH_DATABASE_URL"], int(2 * rate))
    began, number = time.monotonic(), 0
    while True:
        webhook = callback.webhook(generations[number % len(generations)], "progress")
        answer = app.callback(webhook, Context())
        assert json.loads(answer["body"])["outcome"] == "progress", answer
        number += 1
        if number % 10 == 0:
            batch = handler.batch(10, number, "progress")
            assert app.deliver(batch, Context()) == {"batchItemFailures": []}
        if number == rate:
            print("steady", flush=True)
        time.sleep(max(0.0, began + number / rate - time.monotonic()))


@contextlib.contextmanager
def _load(rate: int, environment: dict[str, Any]) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.contention", "progress", str(rate)]
    with subprocess.Popen(
        command, env=stand.client_environment(**environment), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise stand.BenchmarkError("the process with the progress has failed")
        try:
            yield
            if process.poll() is not None:
                raise stand.BenchmarkError("the process with the progress has failed")
        finally:
            process.terminate()


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"alone": [], "with progress": []}
    command = [sys.executable, "-m", "benchmarks.contention", "results", str(options.results)]
    with front_door.distant() as environment:
        for number in range(options.rounds):
            found["alone"] += stand.run(command, **environment)
            with _load(options.rate, environment):
                found["with progress"] += stand.run(command, **environment)
            print(f"→ round {number + 1}/{options.rounds}", flush=True)
    return found


def main() -> None:
    if sys.argv[1:2] == ["results"]:
        print(json.dumps(results(int(sys.argv[2]))))
        return
    if sys.argv[1:2] == ["progress"]:
        progress(float(sys.argv[2]))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contention", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=int, default=200, help="results per round")
    parser.add_argument("--rate", type=int, default=50, help="reports of progress a second")
    options = parser.parse_args()
    stand.build()
    rows = {name: percentiles(values) for name, values in measure(options).items()}
    for name, row in rows.items():
        print(f"  {name:14} p50 {row['p50']:7.1f}   p95 {row['p95']:7.1f}   p99 {row['p99']:7.1f}")
    ratio = round(rows["with progress"]["p95"] / rows["alone"]["p95"], 3)
    print(f"{RATIO} = {ratio}")
    add_path_results({"functions_ms": rows, RATIO: ratio})


if __name__ == "__main__":
    main()
