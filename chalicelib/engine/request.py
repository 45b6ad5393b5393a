"""A request to an endpoint, and the pool of connections that the request uses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.engine.http1 import Response

if TYPE_CHECKING:
    from chalicelib.engine.endpoint import Endpoint
    from chalicelib.engine.sigv4 import Headers
    from chalicelib.engine.transport import HttpConnection

ATTEMPTS = 3

Then = Callable[[Response], None]  # takes a request's result


class Request:
    """One HTTP request.

    Parameters
    ----------
    path
        The path below the endpoint's path, percent-encoded and without a query string.
    attempts
        The maximum number of attempts.
    idempotent
        Whether the request may be processed twice. A request that is not idempotent is retried only
        if the service certainly did not process it.
    """

    __slots__ = (
        "attempts",
        "body",
        "detours",
        "endpoint",
        "failures",
        "headers",
        "idempotent",
        "method",
        "path",
        "pool",
        "then",
    )
    # Set by the engine when the request is submitted.
    pool: Pool
    then: Then
    failures: int
    detours: int  # number of addresses that did not accept a connection

    def __init__(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Headers = (),
        attempts: int = ATTEMPTS,
        idempotent: bool = True,
    ) -> None:
        self.endpoint = endpoint
        self.method = method
        self.path = path
        self.body = body
        self.headers = headers
        self.attempts = attempts
        self.idempotent = idempotent


class Pool:
    """An endpoint's connections, and the requests that wait for a connection."""

    __slots__ = ("endpoint", "idle", "open", "waiting")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.open = 0
        self.idle: list[HttpConnection[Request]] = []
        self.waiting: deque[Request] = deque()
