"""Measures the warm `callback` with webhooks, and compares it with naive_callback.py.

    python -m benchmarks.callback herald|naive result|progress TIMES
    python -m benchmarks.callback round_trips - TIMES
    python -m benchmarks.callback start FUNCTION VARIANT

Each webhook is about another generation, which is inserted before the measurement. The benchmark
runs in its own process and prints the cost as JSON. `start` handles one event in a new process, for
the cost from the start to the first publish; FUNCTION is callback or relay, VARIANT herald or
naive, and the event comes from standard input.
"""

import base64
import importlib
import json
import os
import statistics
import sys
import time
import uuid
from typing import Any

from benchmarks import CLIENT_CORE, Context, pause

WARM = 30  # until the interpreter has specialized its bytecode
USERS = 20
SECRET = "whsec_" + base64.b64encode(b"a webhook secret of the benchmark").decode()


def insert(dsn: str, count: int) -> list[str]:
    """Insert PENDING generations; return their ids."""
    import psycopg2

    ids = [str(uuid.uuid4()) for _ in range(count)]
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        for number, generation_id in enumerate(ids):
            cursor.execute(
                "INSERT INTO herald.generations (id, user_id, prompt) VALUES (%s, %s, %s)",
                (generation_id, f"user-{number % USERS}", "a lighthouse on a cliff at dawn"),
            )
    connection.close()
    return ids


def webhook(generation_id: str, kind: str) -> dict[str, Any]:
    """Return an event of the HTTP API with a signed webhook."""
    from tooling.providers import signing  # not imported by the processes whose start is measured

    result: dict[str, Any] = {
        "generationId": generation_id,
        "status": "COMPLETE",
        "imageUrl": f"https://images.example.com/{generation_id}.png",
        "imageHeight": 1024,
        "imageWidth": 1024,
        "coreModel": "a-model-v1",
    }
    progress = {"generationId": generation_id, "status": "PENDING", "progress": 0.4, "step": "14"}
    body = json.dumps(progress if kind == "progress" else result)
    signed = signing.sign(
        "generations",
        body.encode(),
        {"secret": SECRET},
        generation_id=generation_id,
        delivery_id=f"msg_{uuid.uuid4().hex}",
        now=time.time(),
    )
    return {
        "version": "2.0",
        "routeKey": "POST /callbacks/{provider}",
        "rawPath": "/callbacks/generations",
        "headers": {"content-type": "application/json", **signed.headers},
        "pathParameters": {"provider": "generations"},
        "requestContext": {"http": {"method": "POST"}},
        "body": body,
        "isBase64Encoded": False,
    }


def measure(variant: str, kind: str, times: int) -> dict[str, float]:
    """Return the median wall time and the CPU time of one webhook."""
    from benchmarks.peers import Measured

    ids = insert(os.environ["BENCH_DATABASE_URL"], WARM + times)
    events = [webhook(generation_id, kind) for generation_id in ids]
    handle = _handler("callback", variant)
    for event in events[:WARM]:
        _accepted(handle(event, Context()))
    walls = []
    with Measured() as total:
        for event in events[WARM:]:
            pause()
            began = time.perf_counter()
            _accepted(handle(event, Context()))
            walls.append(time.perf_counter() - began)
    return {"wall_ms": statistics.median(walls) * 1e3, "cpu_us": total.cpu / times * 1e6}


def round_trips(times: int) -> dict[str, float]:
    """Measure the minimum time of what a result waits for, on connections that are open: one
    transaction, which inserts one short row, and one publish.
    """
    import psycopg2

    from benchmarks.handler import _round_trip

    connection = psycopg2.connect(os.environ["BENCH_FUNCTION_DSN"])
    connection.autocommit = True
    walls = []
    with connection.cursor() as cursor:
        for _ in range(times):
            pause()
            began = time.perf_counter()
            cursor.execute("INSERT INTO herald.webhook_receipts (id) VALUES (gen_random_uuid())")
            walls.append(time.perf_counter() - began)
    connection.close()
    commit = statistics.median(walls) * 1e3
    publish = _round_trip(os.environ["AWS_ENDPOINT_URL_SNS"], "", times)
    return {"commit_ms": commit, "publish_ms": publish, "sum_ms": commit + publish}


def start(function: str, variant: str) -> None:
    """Handle the event from standard input."""
    answer = _handler(function, variant)(json.load(sys.stdin), Context())
    if function == "callback":
        _accepted(answer)
    elif answer["relayed"] < 1:
        raise SystemExit("nothing was relayed")


def _handler(function: str, variant: str) -> Any:
    if variant == "herald":
        import app

        return getattr(app, function)
    for name in ("chalice", "aws_lambda_powertools"):  # most functions begin with them
        importlib.import_module(name)
    from benchmarks import naive_callback

    return {"callback": naive_callback.handle, "relay": naive_callback.relay}[function]


def _accepted(answer: dict[str, Any]) -> None:
    if answer["statusCode"] != 200 or json.loads(answer["body"])["outcome"] == "unchanged":
        raise SystemExit(f"unexpected answer: {answer}")


def main(variant: str, kind: str, last: str) -> None:
    if variant == "start":
        start(kind, last)
        return
    os.sched_setaffinity(0, {CLIENT_CORE})
    times = int(last)
    result = round_trips(times) if variant == "round_trips" else measure(variant, kind, times)
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
