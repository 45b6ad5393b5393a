"""Sends many signed requests concurrently, from one thread over keep-alive connections.

One loop handles every socket as soon as it is ready, so a slow or failed request does not delay the
others. Connections stay open after a run, and the next invocation of the function uses them again.
"""

import heapq
import itertools
import time
from collections.abc import Callable, Iterable
from functools import partial

from chalicelib.engine.endpoint import Endpoint
from chalicelib.engine.http1 import Failure, Response
from chalicelib.engine.request import Pool, Request, Then
from chalicelib.engine.sigv4 import Credentials, credentials
from chalicelib.engine.transport import Broken, HttpConnection, new_poller
from chalicelib.retry import backoff

__all__ = ["Endpoint", "Engine", "Failure", "Request", "Response"]

IDLE_LIFE = 50.0  # seconds; load balancers often close idle connections after 60
LONGEST_RETRY_AFTER = 20.0  # seconds
TICK = 0.05  # seconds between checks for timeouts


class Engine:
    """Runs requests to any number of endpoints. Each process has one engine. It is not
    thread-safe.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        backoff: Callable[[int], float] = backoff,
    ) -> None:
        self._clock = clock
        self._backoff = backoff
        self._poller = new_poller()
        self._pools: dict[Endpoint, Pool] = {}
        self._connections: dict[int, HttpConnection[Request]] = {}
        self._retries: list[tuple[float, int, Request]] = []
        self._order = itertools.count()
        self._outstanding = 0
        self._running = False
        self._now = self._deadline = self._tick = 0.0
        self._second = 0
        self._credentials = Credentials("", "", None)  # read at each run

    def submit(self, request: Request, then: Then) -> None:
        """Queue a request. `run` sends it and calls `then` with the result; `then` may submit more
        requests.
        """
        pool = self._pools.get(request.endpoint)
        if pool is None:
            pool = self._pools[request.endpoint] = Pool(request.endpoint)
        request.pool, request.then = pool, then
        request.failures = request.detours = 0
        pool.waiting.append(request)
        self._outstanding += 1

    def call(self, request: Request, timeout: float) -> Response:
        """Run one request and return its result; `timeout` is in seconds."""
        return self.call_all([request], self._clock() + timeout)[0]

    def call_all(self, requests: Iterable[Request], deadline: float) -> list[Response]:
        """Run requests concurrently and return their results in the same order."""
        results: dict[Request, Response] = {}
        submitted = list(requests)
        for request in submitted:
            self.submit(request, partial(results.__setitem__, request))
        self.run(deadline)
        return [results[request] for request in submitted]

    def run(self, deadline: float) -> None:
        """Run all queued requests until they are complete or time.monotonic() reaches the deadline.

        Requests that are incomplete at the deadline fail with Failure.DEADLINE. An exception in a
        callback stops the run, drops all outstanding requests and is raised to the caller.
        """
        if self._running:
            raise RuntimeError("run() was called by a callback of the same run; submit() instead")
        self._running, self._deadline = True, deadline
        try:
            self._credentials = credentials(self._credentials)
            self._tick = 0.0
            # the first poll does not wait: it only detects idle connections that were closed
            wait = 0.0
            while self._outstanding:
                ready = self._poller.poll(wait)
                self._now, self._second = self._clock(), int(time.time())
                for fd, _ in ready:
                    if connection := self._connections.get(fd):
                        self._proceed(connection)
                wait = self._schedule()
        except BaseException:
            self._drop()
            raise
        finally:
            self._running = False

    def close(self) -> None:
        """Close every connection; the engine can still be used."""
        self._drop()
        for connection in list(self._connections.values()):
            self._close(connection)

    def _schedule(self) -> float:
        """Handle timeouts, due retries and waiting requests; return the seconds until the next such
        action.
        """
        now = self._now
        if now >= self._deadline:
            for request in self._drop():
                request.then(Response.failed(Failure.DEADLINE))
            return 0.0
        if now >= self._tick:
            self._tick = now + TICK
            self._expire(now)
        while self._retries and self._retries[0][0] <= now:
            request = heapq.heappop(self._retries)[2]
            request.pool.waiting.append(request)
        wait = min(self._tick, self._deadline) - now
        if self._retries:
            wait = min(wait, self._retries[0][0] - now)
        for pool in self._pools.values():
            if pool.waiting:
                wait = min(wait, self._dispatch(pool))
        return wait

    def _dispatch(self, pool: Pool) -> float:
        """Send waiting requests while a connection and a permit are available.

        Returns the seconds until more requests may be sent.

        All requests are signed before the first is sent. They then arrive close together, so that
        the receiver wakes up only once. New connections are opened only here, between two polls.
        Otherwise a new connection could get the file descriptor of a closed connection whose poll
        result is still pending, and be treated as ready.
        """
        wait = TICK
        signed: list[tuple[HttpConnection[Request], bytes]] = []
        endpoint, waiting, idle = pool.endpoint, pool.waiting, pool.idle
        bucket, sign = endpoint.bucket, endpoint.signer.request
        while waiting and (idle or pool.open < endpoint.max_connections):
            if bucket is not None and (delay := bucket.take(self._now)):
                wait = delay
                break
            request = waiting.popleft()
            connection = idle.pop() if idle else self._connect(request)
            if connection is not None:
                connection.carries = request
                data = sign(
                    request.method,
                    request.path,
                    request.headers,
                    request.body,
                    self._credentials,
                    self._second,
                )
                signed.append((connection, data))
        for connection, data in signed:
            connection.send(data, self._now)
        return wait

    def _connect(self, request: Request) -> HttpConnection[Request] | None:
        """Start to open a connection for a request.

        Returns None on failure. In this case, the request has already been scheduled for a retry or
        completed as failed.
        """
        try:
            connection: HttpConnection[Request] = HttpConnection(
                request.endpoint, self._poller, self._now
            )
        except OSError as exc:
            if not self._again(request):
                self._settle(request, Response.failed(Failure.UNRESOLVED, str(exc)))
            return None
        request.pool.open += 1
        self._connections[connection.fd] = connection
        return connection

    def _proceed(self, connection: HttpConnection[Request]) -> None:
        """Perform the next step of a connection whose socket is ready."""
        request = connection.carries
        if request is None:
            if not connection.quiet():
                self._close(connection)
            return
        try:
            response = connection.advance(self._now)
        except Broken as broken:
            self._broken(connection, request, broken.failure, broken.detail)
            return
        if response is None:
            return
        connection.carries = None
        if response.reusable:
            connection.expires = self._now + IDLE_LIFE
            request.pool.idle.append(connection)
        else:
            self._close(connection)
        endpoint, status = request.endpoint, response.status
        if endpoint.bucket is not None:
            endpoint.bucket.answered(refused=status == 429)
        if not endpoint.retryable(status, response.body) or not self._retry(request, response):
            self._settle(request, response)

    def _retry(self, request: Request, response: Response) -> bool:
        """Schedule a retry after a retryable response, if the request may be retried."""
        certainly_not_done = response.status < 500 or response.status == 503
        return (request.idempotent or certainly_not_done) and self._again(
            request, response.header("retry-after")
        )

    def _broken(
        self,
        connection: HttpConnection[Request],
        request: Request,
        failure: Failure,
        detail: str = "",
    ) -> None:
        """Handle a connection that failed before the response was complete."""
        connection.carries = None
        endpoint, pool = request.endpoint, request.pool
        self._close(connection)
        answering = connection.answering
        if not connection.established:
            endpoint.avoid(connection.address)
            if request.detours + 1 < len(endpoint.addresses(self._now)):
                request.detours += 1
                pool.waiting.appendleft(request)
                return
        elif connection.reused and not answering:
            # an idle connection turned out to be closed; the others probably are too
            for sibling in pool.idle[:]:
                self._close(sibling)
            # resent at once; not counted as an attempt
            if request.idempotent and failure is not Failure.TIMEOUT:
                pool.waiting.appendleft(request)
                return
        unprocessed = not connection.established or (request.idempotent and not answering)
        hopeless = failure is Failure.UNTRUSTED
        if not unprocessed or hopeless or not self._again(request):
            self._settle(request, Response.failed(failure, detail))

    def _again(self, request: Request, retry_after: str | None = None) -> bool:
        """Schedule a retry, if an attempt is left and can start before the deadline."""
        request.failures += 1
        if request.failures >= request.attempts:
            return False
        pause = self._backoff(request.failures)
        if retry_after is not None and retry_after.isdigit():
            pause = max(pause, min(float(retry_after), LONGEST_RETRY_AFTER))
        due = self._now + pause
        if due >= self._deadline:
            return False
        heapq.heappush(self._retries, (due, next(self._order), request))
        return True

    def _settle(self, request: Request, result: Response) -> None:
        self._outstanding -= 1
        request.then(result)

    def _expire(self, now: float) -> None:
        """Fail requests that took too long, and close connections that have been idle for
        IDLE_LIFE.
        """
        for connection in list(self._connections.values()):
            if now < connection.expires:
                continue
            if connection.carries is not None:
                self._broken(connection, connection.carries, Failure.TIMEOUT)
            elif connection.fd in self._connections:
                self._close(connection)

    def _drop(self) -> list[Request]:
        """Close the connections in use, and remove and return all outstanding requests."""
        dropped = []
        for connection in list(self._connections.values()):
            if connection.carries is not None:
                dropped.append(connection.carries)
                self._close(connection)
        for pool in self._pools.values():
            dropped += pool.waiting
            pool.waiting.clear()
        dropped += [request for _, _, request in self._retries]
        self._retries.clear()
        self._outstanding = 0
        return dropped

    def _close(self, connection: HttpConnection[Request]) -> None:
        pool = self._pools[connection.endpoint]
        if connection in pool.idle:
            pool.idle.remove(connection)
        pool.open -= 1
        del self._connections[connection.fd]
        connection.close()
