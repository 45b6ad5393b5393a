"""Sends many signed requests at once, from one thread over kept-alive connections.

One loop waits for whichever socket is ready, so no slow, hung or broken request delays another.
Connections outlive a run: the next invocation finds them open.
"""

import heapq
import itertools
import select
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, cast

from chalicelib.endpoint import Endpoint
from chalicelib.http1 import Response
from chalicelib.retry import backoff
from chalicelib.sigv4 import Credentials, Headers, credentials
from chalicelib.transport import Broken, Connection

__all__ = ["Endpoint", "Engine", "Request", "Result"]

IDLE_LIFE = 50.0  # seconds; load balancers commonly close an idle connection after 60
LONGEST_RETRY_AFTER = 20.0  # seconds
TICK = 0.05  # seconds; how exactly timeouts are kept


class Request(NamedTuple):
    """A request; `path` is percent-encoded and may carry a query.

    It is tried `attempts` times at most; if it is not `idempotent`, again only where the service
    certainly did not act on it.
    """

    endpoint: Endpoint
    method: str
    path: str
    body: bytes = b""
    headers: Headers = ()
    attempts: int = 3
    idempotent: bool = True


class Result(NamedTuple):
    """What came of a request after all its tries.

    `status` 0 means no answer; `reason` then is "timeout", "deadline", or one of "refused",
    "reset", "unresolved", "untrusted", "malformed" with a colon and the particulars.
    """

    status: int
    body: bytes = b""
    reason: str = ""


Then = Callable[[Result], None]


class _Exchange:
    """A request until its result is final."""

    __slots__ = ("detours", "failures", "request", "then")

    def __init__(self, request: Request, then: Then) -> None:
        self.request = request
        self.then = then
        self.failures = 0
        self.detours = 0  # connections to addresses that did not accept


class _Pool:
    """The connections of an endpoint and the exchanges that wait for one."""

    __slots__ = ("endpoint", "idle", "open", "waiting")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.open = 0
        self.idle: list[Connection] = []
        self.waiting: deque[_Exchange] = deque()


class Engine:
    """Runs requests to any number of long-lived endpoints; one per process, not for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._poller = _poller()
        self._pools: dict[Endpoint, _Pool] = {}
        self._connections: dict[int, Connection] = {}
        self._busy: dict[Connection, _Exchange] = {}
        self._retries: list[tuple[float, int, _Exchange]] = []
        self._order = itertools.count()
        self._outstanding = 0
        self._running = False
        self._now = self._deadline = self._tick = 0.0
        self._credentials = Credentials("", "", None)  # read at each run

    def submit(self, request: Request, then: Then) -> None:
        """Queue a request; `run` sends it and calls `then`, which may submit more."""
        pool = self._pools.get(request.endpoint)
        if pool is None:
            pool = self._pools[request.endpoint] = _Pool(request.endpoint)
        pool.waiting.append(_Exchange(request, then))
        self._outstanding += 1

    def call(self, request: Request, timeout: float) -> Result:
        """Run one request and return its result, within the seconds given."""
        results: list[Result] = []
        self.submit(request, results.append)
        self.run(self._clock() + timeout)
        return results[0]

    def run(self, deadline: float) -> None:
        """Work until nothing is outstanding or the clock (time.monotonic) reaches the deadline.

        What is left then ends with the reason "deadline". An exception in a callback ends the run:
        what was outstanding is dropped, and the exception goes to the caller.
        """
        if self._running:
            raise RuntimeError("run() was called by a callback of the same run; submit() instead")
        self._running, self._deadline = True, deadline
        try:
            self._credentials = credentials()
            self._tick = 0.0
            wait = 0.0  # before anything is sent, look at what became of the idle connections
            while self._outstanding:
                ready = self._poller.poll(wait)
                self._now = self._clock()
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
        """Do what is due; return the seconds until something may be due again."""
        now = self._now
        if now >= self._deadline:
            for exchange in self._drop():
                exchange.then(Result(0, b"", "deadline"))
            return 0.0
        if now >= self._tick:
            self._tick = now + TICK
            self._expire(now)
        while self._retries and self._retries[0][0] <= now:
            exchange = heapq.heappop(self._retries)[2]
            self._pools[exchange.request.endpoint].waiting.append(exchange)
        wait = min(self._tick, self._deadline) - now
        if self._retries:
            wait = min(wait, self._retries[0][0] - now)
        for pool in self._pools.values():
            if pool.waiting:
                wait = min(wait, self._dispatch(pool))
        return wait

    def _dispatch(self, pool: _Pool) -> float:
        """Send what waits as far as connections and pace allow; return the seconds to try again in.

        Only this opens connections, between polls: a descriptor closed and opened again amid the
        events of one poll would be mistaken for ready.
        """
        endpoint = pool.endpoint
        while pool.waiting and (pool.idle or pool.open < endpoint.max_connections):
            if endpoint.bucket is not None and (delay := endpoint.bucket.take(self._now)):
                return delay
            exchange = pool.waiting.popleft()
            if pool.idle:
                self._send(exchange, pool.idle.pop())
                continue
            try:
                connection = Connection(endpoint, self._poller, self._now)
            except OSError as exc:
                if not self._again(exchange):
                    self._settle(exchange, Result(0, b"", f"unresolved: {exc}"))
                continue
            pool.open += 1
            self._connections[connection.fd] = connection
            self._send(exchange, connection)
        return TICK

    def _send(self, exchange: _Exchange, connection: Connection) -> None:
        self._busy[connection] = exchange
        _, method, path, body, headers, _, _ = exchange.request
        connection.send(
            connection.endpoint.wire(method, path, headers, body, self._credentials, time.time()),
            self._now,
        )

    def _proceed(self, connection: Connection) -> None:
        """The connection is ready for the next step of what it does."""
        exchange = self._busy.get(connection)
        if exchange is None:
            if not connection.quiet():
                self._close(connection)
            return
        try:
            if not connection.advance(self._now):
                return
        except Broken as broken:
            self._broken(connection, broken.reason)
            return
        del self._busy[connection]
        pool = self._pools[connection.endpoint]
        if connection.finish(self._now + IDLE_LIFE):
            pool.idle.append(connection)
        else:
            self._close(connection)
        self._answered(exchange, connection.response)
        bucket = pool.endpoint.bucket
        if pool.waiting and pool.idle and (bucket is None or not bucket.take(self._now)):
            self._send(pool.waiting.popleft(), pool.idle.pop())

    def _answered(self, exchange: _Exchange, response: Response) -> None:
        request, status, body = exchange.request, response.status, response.body
        endpoint = request.endpoint
        if endpoint.bucket is not None:
            endpoint.bucket.answered(refused=status == 429)
        if (
            endpoint.retryable(status, body)
            and (request.idempotent or status < 500 or status == 503)
            and self._again(exchange, response.header("retry-after"))
        ):
            return
        self._settle(exchange, Result(status, body))

    def _broken(self, connection: Connection, reason: str) -> None:
        """No complete answer will come over this connection."""
        exchange = self._busy.pop(connection)
        request, endpoint = exchange.request, connection.endpoint
        pool = self._pools[endpoint]
        self._close(connection)
        answering = connection.response.started
        if not connection.established:
            endpoint.avoid(connection.address)
            if exchange.detours + 1 < len(endpoint.addresses(self._now)):
                exchange.detours += 1
                pool.waiting.appendleft(exchange)
                return
        elif connection.reused and not answering:
            for sibling in pool.idle[:]:  # kept for as long, and probably as dead
                self._close(sibling)
            if request.idempotent and reason != "timeout":  # the connection failed, not the try
                pool.waiting.appendleft(exchange)
                return
        unprocessed = not connection.established or (request.idempotent and not answering)
        hopeless = reason.startswith("untrusted")
        if not unprocessed or hopeless or not self._again(exchange):
            self._settle(exchange, Result(0, b"", reason))

    def _again(self, exchange: _Exchange, retry_after: str | None = None) -> bool:
        """Plan another try, if one is left and can begin before the deadline."""
        exchange.failures += 1
        if exchange.failures >= exchange.request.attempts:
            return False
        pause = backoff(exchange.failures)
        if retry_after is not None and retry_after.isdigit():
            pause = max(pause, min(float(retry_after), LONGEST_RETRY_AFTER))
        due = self._now + pause
        if due >= self._deadline:
            return False
        heapq.heappush(self._retries, (due, next(self._order), exchange))
        return True

    def _settle(self, exchange: _Exchange, result: Result) -> None:
        self._outstanding -= 1
        exchange.then(result)

    def _expire(self, now: float) -> None:
        """Give up what took too long, and idle connections that a peer may be about to close."""
        for connection in list(self._connections.values()):
            if now < connection.expires:
                continue
            if connection in self._busy:
                self._broken(connection, "timeout")
            elif connection.fd in self._connections:
                self._close(connection)

    def _drop(self) -> list[_Exchange]:
        """Forget all that is outstanding, with the connections in use, and return it."""
        dropped = list(self._busy.values())
        for connection in list(self._busy):
            self._close(connection)
        self._busy.clear()
        for pool in self._pools.values():
            dropped += pool.waiting
            pool.waiting.clear()
        dropped += [exchange for _, _, exchange in self._retries]
        self._retries.clear()
        self._outstanding = 0
        return dropped

    def _close(self, connection: Connection) -> None:
        pool = self._pools[connection.endpoint]
        if connection in pool.idle:
            pool.idle.remove(connection)
        pool.open -= 1
        del self._connections[connection.fd]
        connection.close()


def _poller() -> "select.epoll":
    return cast("select.epoll", select.epoll() if hasattr(select, "epoll") else _Poll())


class _Poll:
    """select.poll with epoll's seconds, for systems without epoll."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register = self._poll.register
        self.modify = self._poll.modify
        self.unregister = self._poll.unregister

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        return self._poll.poll(timeout * 1000)
