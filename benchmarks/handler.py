"""Measures the whole warm handler with batches of SQS messages, and compares it with naive.py.

    python -m benchmarks.handler herald|naive 1|10|backlog TIMES
    python -m benchmarks.handler herald progress|progress1 TIMES
    python -m benchmarks.handler round_trips 0 TIMES

The benchmark runs in its own process and prints the cost as JSON. Every message is for a different
user with one open connection, which is the most expensive kind of batch. A backlog is ten full
batches in sequence. `progress` is a full batch of progress events, as they arrive when there are
fifty a second (docs/adr/0020), and `progress1` a single one.
"""

import importlib
import json
import os
import socket
import ssl
import statistics
import sys
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks import CLIENT_CORE, Context, events, pause
from benchmarks.peers import Measured

WARM = 3
SHAPES = {  # messages per batch, batches
    "1": (1, 1),
    "10": (10, 1),
    "backlog": (10, 10),
    "progress": (10, 1),
    "progress1": (1, 1),
}


def progress(invocation: int, number: int) -> str:
    """Return an event of progress of the user with the given number."""
    from chalicelib.recording import generation_events

    return generation_events.build_progress(
        f"5f5b7b30-0000-4000-8000-{invocation:08d}{number:04d}",
        f"user-{number}",
        stage="bench",
        now=datetime.now(UTC),
        fraction=0.4,
        step="step 14/28",
        preview_url=None,
    )


def batch(size: int, invocation: int, shape: str = "") -> dict[str, Any]:
    """Return an SQS event with messages that SNS sent with raw delivery."""
    records = []
    for number in range(size):
        generation = f"5f5b7b30-0000-4000-8000-{number:012d}"
        event = (
            progress(invocation, number)
            if shape.startswith("progress")
            else events.result(
                generation,
                f"user-{number}",
                event_id=generation,
                stage="bench",
                offset=invocation + 1,
            )
        )
        records.append(message(f"{invocation}-{number}", event))
    return {"Records": records}


def message(message_id: str, event: str) -> dict[str, Any]:
    """Return the record of a queue message with an event."""
    return {
        "messageId": message_id,
        "receiptHandle": "handle",
        "body": event,
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:generation-complete-queue",
        "awsRegion": "us-east-1",
    }


def measure(variant: str, shape: str, times: int) -> dict[str, float]:
    """Return the median wall time and the CPU time of all batches of one shape."""
    size, batches_each = SHAPES[shape]
    if variant == "herald":
        handle: Any = importlib.import_module("app").deliver
    else:
        from benchmarks.naive import handle
    for number in range(WARM):
        assert handle(batch(size, number, shape), Context()) == {"batchItemFailures": []}
    runs = [
        [batch(size, WARM + number * batches_each + each, shape) for each in range(batches_each)]
        for number in range(times)
    ]
    walls = []
    with Measured() as total:
        for batches in runs:
            pause()
            began = time.perf_counter()
            for measured in batches:
                assert handle(measured, Context()) == {"batchItemFailures": []}
            walls.append(time.perf_counter() - began)
    return {
        "wall_ms": statistics.median(walls) * 1e3,
        "cpu_ms": total.cpu / times * 1e3,
        "cpu_us_per_event": total.cpu / times / (size * batches_each) * 1e6,
    }


def round_trips(times: int) -> dict[str, float]:
    """Measure the minimum time of one store, one read and one post, on TLS connections that are
    already open.
    """
    query = "DynamoDB_20120810.Query"
    database = _round_trip(os.environ["AWS_ENDPOINT_URL_DYNAMODB"], query, times)
    gateway = _round_trip(os.environ["HERALD_MANAGEMENT_ENDPOINT"], "", times)
    return {"database_ms": database, "gateway_ms": gateway, "sum_ms": 2 * database + gateway}


def _round_trip(url: str, target: str, times: int) -> float:
    host, _, port = url.removeprefix("https://").partition("/")[0].partition(":")
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    request = f"POST / HTTP/1.1\r\nX-Amz-Target: {target}\r\nContent-Length: 365\r\n\r\n".encode()
    request += b"x" * 365
    walls = []
    with (
        socket.create_connection((host, int(port))) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        for _ in range(times):
            pause()
            began = time.perf_counter()
            connection.sendall(request)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            walls.append(time.perf_counter() - began)
    return statistics.median(walls) * 1e3


def main(variant: str, shape: str, times: int) -> None:
    os.sched_setaffinity(0, {CLIENT_CORE})
    result = round_trips(times) if variant == "round_trips" else measure(variant, shape, times)
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
