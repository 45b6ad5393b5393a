"""Emulates the batching window with which Lambda reads a queue. MiniStack never waits."""

from __future__ import annotations

import threading
import time
from typing import Any

from ministack.services import lambda_svc


def wait_for_full_batches() -> None:
    """Let a mapping wait up to its MaximumBatchingWindowInSeconds for a batch to fill."""
    concurrency = lambda_svc._sqs_esm_concurrency
    windows = _Windows()

    def limited(esm: Any, function: Any, config: Any, queue: Any = None) -> int:
        if queue is not None and windows.filling(esm, queue):
            return 0  # MiniStack then takes no messages in this pass
        return int(concurrency(esm, function, config, queue))

    lambda_svc._sqs_esm_concurrency = limited


class _Windows:
    """The windows that are open. MiniStack polls when it is woken, so each window wakes it."""

    def __init__(self) -> None:
        self._waking: set[str] = set()

    def filling(self, esm: Any, queue: Any) -> bool:
        """Whether a window is open: its first message is younger, and the batch is not full."""
        seconds = esm.get("MaximumBatchingWindowInSeconds", 0)
        if not seconds:
            return False
        now = time.time()
        visible = [each["visible_at"] for each in queue["messages"] if each["visible_at"] <= now]
        if not visible or len(visible) >= esm.get("BatchSize", 10):
            return False
        left = min(visible) + seconds - now
        if left > 0:
            self._wake_after(left, esm["UUID"])
        return bool(left > 0)

    def _wake_after(self, seconds: float, mapping: str) -> None:
        if mapping not in self._waking:
            self._waking.add(mapping)
            timer = threading.Timer(seconds, self._wake, [mapping])
            timer.daemon = True
            timer.start()

    def _wake(self, mapping: str) -> None:
        self._waking.discard(mapping)
        lambda_svc._esm_wake.set()
