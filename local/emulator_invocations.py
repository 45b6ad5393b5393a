"""Records the invocations of functions, in the same file as the AWS requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime

if TYPE_CHECKING:
    from local.emulator_record import Recorder


def record_invocations(recorder: Recorder) -> None:
    """Record each invocation: the function, its WebSocket connection, and the size of its log."""
    invoke = lambda_runtime.Worker.invoke

    def recorded(worker: Any, event: Any, *arguments: Any, **keywords: Any) -> Any:
        result = invoke(worker, event, *arguments, **keywords)
        context = event.get("requestContext") if isinstance(event, dict) else None
        recorder.note(
            {
                "at": round(time.time(), 3),
                "invocation": worker.func_name,
                "connection": (context or {}).get("connectionId"),
                "logged": len((result.get("log") or "").encode()),
            }
        )
        return result

    lambda_runtime.Worker.invoke = recorded
