"""API Gateway's @connections API, which posts to a WebSocket connection or closes it."""

from collections.abc import Mapping
from enum import Enum

from chalicelib.engine.engine import Endpoint, Request, Response
from chalicelib.engine.sigv4 import quote


class Outcome(Enum):
    """The outcome of a post."""

    DELIVERED = "delivered"
    GONE = "gone"  # the connection no longer exists
    THROTTLED = "throttled"  # not retried here; the client recovers the events
    RETRYABLE = "retryable"  # 5xx or no answer; not retried here either
    FORBIDDEN = "forbidden"  # the function lacks a permission


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
        The stage's management endpoint. It comes from a setting, never from an event.
    rate
        The maximum number of posts per second of this process; None for no limit.
    """

    def __init__(self, url: str, environ: Mapping[str, str], *, rate: float | None = None) -> None:
        base = f"{url.rstrip('/')}/@connections"
        self.endpoint = Endpoint(base, "execute-api", environ["AWS_REGION"], rate=rate)

    def post(self, connection_id: str, frame: bytes) -> Request:
        """Return the request that sends one frame."""
        # connection ids end in "=", which must be encoded
        return Request(self.endpoint, "POST", f"/{quote(connection_id)}", frame)

    def close(self, connection_id: str) -> Request:
        """Return the request that closes a connection."""
        return Request(self.endpoint, "DELETE", f"/{quote(connection_id)}")


def outcome(result: Response) -> Outcome:
    """Return the outcome of a post."""
    return _OUTCOMES.get(result.status, Outcome.RETRYABLE)
