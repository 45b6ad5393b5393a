"""API Gateway's @connections: posting to a WebSocket and closing it.

Each delivery ends as delivered, gone or retryable (429, 5xx, no answer: left to the client's
recovery), or as forbidden, which is a fault of the deployment.
"""

import os
from typing import Literal

from chalicelib.engine.engine import Endpoint, Request, Response
from chalicelib.engine.sigv4 import quote

Outcome = Literal["delivered", "gone", "throttled", "retryable", "forbidden"]

_OUTCOMES: dict[int, Outcome] = {
    200: "delivered",
    204: "delivered",
    403: "forbidden",
    410: "gone",
    429: "throttled",
}


def management_endpoint(url: str, *, rate: float | None = None) -> Endpoint:
    """Return the @connections endpoint of a WebSocket API's stage: a setting, never taken from an
    event.

    `rate` is posts per second at most, of this process.
    """
    base = f"{url.rstrip('/')}/@connections"
    return Endpoint(base, "execute-api", os.environ["AWS_REGION"], rate=rate)


def post(endpoint: Endpoint, connection_id: str, frame: bytes) -> Request:
    """Return the request that sends one frame."""
    return Request(endpoint, "POST", f"/{quote(connection_id)}", frame)  # ids end in '='


def close(endpoint: Endpoint, connection_id: str) -> Request:
    """Return the request that ends a connection."""
    return Request(endpoint, "DELETE", f"/{quote(connection_id)}")


def outcome(result: Response) -> Outcome:
    """Say how a delivery ended."""
    return _OUTCOMES.get(result.status, "retryable")
