"""Starts the copies of a function one after the other.

Lambda starts a copy for every request that finds no free one, and so does MiniStack. On AWS the new
copies have cores of their own. Here all of them share the cores of this machine: twenty that start
together take twenty times as long, meanwhile further requests find no free copy, and even more are
started. So while one copy of a function starts, a request waits for that one, or for one that
becomes free.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

# After this time, a request gets a copy of its own, so that a function that invokes itself does not
# wait forever. It is longer than a start takes on a busy machine. With two seconds, all requests
# that waited for a slow start gave up together, and started 17 copies.
_PATIENCE_SECONDS = 10.0


def start_one_copy_at_a_time() -> None:
    """Let requests wait for a free copy while another copy of the function starts."""
    acquire, release = lambda_svc.acquire_worker, lambda_svc.release_worker
    changed = threading.Condition()

    def acquired(name: str, config: Any, code: bytes, qualifier: str = "$LATEST") -> Any:
        key = lambda_runtime._worker_key(name, config, qualifier)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with changed:
            while _starting(key) and (left := deadline - time.monotonic()) > 0:
                changed.wait(left)
            return acquire(name, config, code, qualifier=qualifier)

    def released(worker: Any) -> None:
        release(worker)
        with changed:
            changed.notify_all()

    lambda_svc.acquire_worker, lambda_svc.release_worker = acquired, released


def _starting(key: str) -> bool:
    """Whether no copy is free, and one has not started yet."""
    with lambda_runtime._lock:
        copies = list(lambda_runtime._workers.get(key, ()))
    return all(copy.in_use for copy in copies) and any(copy._start_time is None for copy in copies)
