"""API Gateway's @connections: posting to a WebSocket connection and closing it."""

from collections.abc import Mapping
from enum import Enum

from chalicelib.engine.engine import Endpoint, Request, Response
from chalicelib.engine.sigv4 import quote


class Outcome(Enum):
    """How a post ended."""

    DELIVERED = "delivered"
    GONE = "gone"  # the connection no longer exists
    THROTTLED = "throttled"  # left to the client's recovery, as is the next
    RETRYABLE = "retryable"  # 5xx or no answer
    FORBIDDEN = "forbidden"  # a fault of the deployment


_OUTCOMES = {
    200: Outcome.DELIVERED,
    204: Outcome.DELIVERED,
    403: Outcome.FORBIDDEN,
    410: Outcome.GONE,
    429: Outcome.THROTTLED,
}


class Gateway:
    """The @connections API of one WebSocket stage.

    Parameters
    ----------
    url
        The stage's management endpoint: a setting, never taken from an event.
    rate
        Posts per second at most, of this process; None for no limit.
    """

    def __init__(self, url: str, environ: Mapping[str, str], *, rate: float | None = None) -> None:
        base = f"{url.rstrip('/')}/@connections"
        self.endpoint = Endpoint(base, "execute-api", environ["AWS_REGION"], rate=rate)

    def post(self, connection_id: str, frame: bytes) -> Request:
        """Return the request that sends one frame."""
        return Request(self.endpoint, "POST", f"/{quote(connection_id)}", frame)  # ids end in '='

    def close(self, connection_id: str) -> Request:
        """Return the request that closes a connection."""
        return Request(self.endpoint, "DELETE", f"/{quote(connection_id)}")


def outcome(result: Response) -> Outcome:
    """Return how a post ended."""
    return _OUTCOMES.get(result.status, Outcome.RETRYABLE)
