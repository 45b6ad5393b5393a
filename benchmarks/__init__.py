"""Compares the delivery engine with other clients: `make bench`."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
PATH_RESULTS = BUILD / "path.json"  # what was measured on a running stack
CLIENT_CORE = 0
SERVER_CORE = 1
REGION = "us-east-1"
TOKEN = "T" * 920  # length of a role's session token, which is signed and sent with every request
FRAME = (  # length of a typical event frame
    b'{"type":"event","epoch":"0197e3f0-6c1e-7d53-8a44-2f0c5c0f7a11","offset":42,"replayed":false,'
    b'"event":{"specversion":"1.0","type":"herald.generation.complete","data":{"prompt":"'
    + b"a lighthouse " * 15
    + b'"}}}'
)


def connection_id(number: int) -> str:
    """Return a connection id in API Gateway's format, which must be percent-encoded."""
    return f"L0SM9cOF{number % 10_000_000:07d}="


def path_results() -> dict[str, Any]:
    """Return what the benchmarks of a running stack have measured so far."""
    found: dict[str, Any] = {}
    if PATH_RESULTS.is_file():
        found = json.loads(PATH_RESULTS.read_text())
    return found


def add_path_results(results: Mapping[str, object]) -> None:
    """Add what one benchmark of a running stack has measured; its earlier results are replaced."""
    BUILD.mkdir(parents=True, exist_ok=True)
    PATH_RESULTS.write_text(json.dumps({**path_results(), **results}, indent=2) + "\n")


def pause() -> None:
    """Wait as long as BENCH_PAUSE_MS says, as a function waits for its next event."""
    if milliseconds := os.environ.get("BENCH_PAUSE_MS"):
        time.sleep(float(milliseconds) / 1000)


class Context:
    """A Lambda context with enough remaining time."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"
    function_name = "herald-bench"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000
