"""Compares `callback` and `relay` with typical ones, in interleaved rounds and new processes."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from benchmarks import SERVER_CORE
from benchmarks.callback import SECRET, insert, webhook
from benchmarks.stand import FUNCTION, BenchmarkError, client_environment, run, standin
from local import postgres
from tooling import migrations

QUERY_MS, PUBLISH_MS = 2.0, 4.0  # delays, for what includes waiting
PAUSE_MS = 5.0  # between webhooks with delays: they seldom reach a copy back to back
WEBHOOKS = (300, 100)  # of Herald's handler and of the typical one, in one run
DISTANT = 150  # webhooks in one run with delays
STARTS = [("bare", "bare"), *((f, v) for f in ("callback", "relay") for v in ("herald", "naive"))]


def measure(rounds: int, scale: float, say: Callable[[str], None]) -> dict[str, list[Any]]:
    """Measure CPU per webhook, wall time and its round trips, and starts."""
    found: dict[str, list[Any]] = {}
    with _database() as dsn, _delayed(dsn) as slow:
        fast = {"database": dsn, "providers": "{}", "webhook": SECRET}
        with (
            standin(tls=True, secrets=fast) as near,
            standin(tls=True, delay_ms=PUBLISH_MS, secrets={**fast, "database": slow}) as far,
        ):
            for number in range(rounds):
                for key, result in _round(dsn, slow, near, far, scale, number):
                    found.setdefault(key, []).append(result)
                    values = "".join(f" {name} {value:.2f}" for name, value in result.items())
                    say(f"round {number + 1} {key:16}{values}")
    return found


def _round(
    dsn: str, slow: str, near: str, far: str, scale: float, number: int
) -> Iterator[tuple[str, dict[str, float]]]:
    quick = _environment(near, BENCH_DATABASE_URL=dsn)
    distant = quick | _environment(far, BENCH_FUNCTION_DSN=slow, BENCH_PAUSE_MS=f"{PAUSE_MS}")
    ours, usual, far_away = (max(20, int(count * scale)) for count in (*WEBHOOKS, DISTANT))
    runs: list[tuple[str, list[str], Any]] = [
        ("herald_result", ["callback", "herald", "result", str(ours)], quick),
        ("naive_result", ["callback", "naive", "result", str(usual)], quick),
        ("herald_progress", ["callback", "herald", "progress", str(ours)], quick),
        ("deliver_result", ["handler", "herald", "1", str(ours)], quick),
        ("deliver_progress", ["handler", "herald", "progress", str(ours)], quick),
        ("deliver_progress1", ["handler", "herald", "progress1", str(ours)], quick),
        ("round_trips", ["callback", "round_trips", "-", "40"], distant),
        ("distant_result", ["callback", "herald", "result", str(far_away)], distant),
        ("distant_deliver", ["handler", "herald", "1", str(far_away)], distant),
    ]
    for key, (module, *arguments), environment in runs[:: -1 if number % 2 else 1]:
        yield key, run([sys.executable, "-m", f"benchmarks.{module}", *arguments], **environment)
    for function, variant in STARTS[:: -1 if number % 2 else 1]:
        cpu = _start(dsn, function, variant, quick)
        yield (f"start_{function}_{variant}" if function != "bare" else "start_bare"), {"ms": cpu}


def _start(dsn: str, function: str, variant: str, environment: dict[str, str]) -> float:
    """Return the CPU milliseconds of a new process up to its first publish."""
    command = [sys.executable, "-m", "benchmarks.callback", "start", function, variant]
    event: dict[str, Any] = {}
    if function == "bare":
        command = [sys.executable, "-c", ""]
    elif function == "callback":
        event = webhook(insert(dsn, 1)[0], "result")
    else:
        _unpublish(dsn)
        event = {"version": "0", "detail-type": "", "detail": {}, "source": "", "account": ""}
        event |= {"time": "", "region": "", "resources": [], "id": ""}
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=client_environment(**environment, _HANDLER=f"app.{function}"),
        text=True,
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(event))
        process.stdin.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchmarkError(f"starting {function} ({variant}) failed")
    return (used.ru_utime + used.ru_stime) * 1e3


def _unpublish(dsn: str) -> None:
    """Give the relay one event to publish."""
    import psycopg2

    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM herald.outbox WHERE published_at IS NULL")
        cursor.execute(
            "UPDATE herald.outbox SET published_at = NULL,"
            " created_at = clock_timestamp() - interval '1 minute'"
            " WHERE id = (SELECT id FROM herald.outbox LIMIT 1)"
        )
        assert cursor.rowcount == 1
    connection.close()


@contextlib.contextmanager
def distant() -> Iterator[dict[str, Any]]:
    """Run PostgreSQL and a substitute for AWS with the delays; yield a function's environment."""
    with (
        _database() as dsn,
        _delayed(dsn) as slow,
        standin(
            tls=True,
            delay_ms=PUBLISH_MS,
            secrets={"database": slow, "providers": "{}", "webhook": SECRET},
        ) as far,
    ):
        yield _environment(far, BENCH_DATABASE_URL=dsn, BENCH_FUNCTION_DSN=slow)


def _environment(aws: str, **more: str) -> dict[str, str]:
    services = ("DYNAMODB", "SECRETS_MANAGER", "SNS")
    endpoints = {f"AWS_ENDPOINT_URL_{name}": aws for name in services}
    return FUNCTION | endpoints | {"HERALD_MANAGEMENT_ENDPOINT": f"{aws}/prod", **more}


@contextlib.contextmanager
def _database() -> Iterator[str]:
    """Run PostgreSQL on the server's core; yield its DSN."""
    server = postgres.plan()
    own = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {SERVER_CORE})  # inherited by the server
        try:
            server.initialise()
        finally:
            os.sched_setaffinity(0, own)
        migrations.upgrade(server.dsn())
        yield server.dsn()
    finally:
        server.remove()


@contextlib.contextmanager
def _delayed(dsn: str) -> Iterator[str]:
    """Run a proxy that delays the database; yield the DSN through it."""
    port = urlsplit(dsn).port
    command = [sys.executable, "-m", "benchmarks.delay", str(port), str(QUERY_MS / 2)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield dsn.replace(f":{port}/", f":{process.stdout.readline().strip()}/")
        process.stdin.close()
