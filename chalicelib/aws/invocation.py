"""Helpers for a Lambda invocation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.aws.lambda_events import HttpEvent, LambdaContext, WebSocketEvent


def lower_headers(event: HttpEvent | WebSocketEvent) -> dict[str, str]:
    """Return an event's headers with lower-case names; API Gateway keeps the client's spelling."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def deadline_of(context: LambdaContext, margin: float = 1.0) -> float:
    """Return the deadline for the work, on the clock of time.monotonic(). It is `margin` seconds
    before Lambda stops the function.
    """
    return time.monotonic() + context.get_remaining_time_in_millis() / 1000 - margin
