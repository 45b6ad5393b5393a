"""Runs transactions in PostgreSQL.

The connection is kept between invocations and replaced after a failure. Every operation has a time
limit.
"""

from __future__ import annotations

import math
import select
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

import psycopg2
import psycopg2.extensions
from psycopg2.extras import RealDictCursor

from chalicelib.errors import DatabaseUnavailable, ServiceError
from chalicelib.retry import retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812 - its own name


T = TypeVar("T")

ATTEMPT_SECONDS = 3.0
# long enough for a relay, which publishes within its transaction
IDLE_IN_TRANSACTION_SECONDS = 20.0
_FOREVER = 86_400.0  # seconds; the wait for connections without a time limit
_FAILURES = (psycopg2.Error, ServiceError)
_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Limit the time of all PostgreSQL operations of this thread within the block, including
    connecting.
    """
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def _wait(connection: PsycopgConnection) -> None:
    """Wait for the socket of a connection, but not longer than the time limit.

    The server enforces statement_timeout, but the client would not learn of it if the server or the
    network does not respond. This function therefore enforces the limit in the client.
    """
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        left = min(_deadline.get() - time.monotonic(), _FOREVER)
        reading = [connection] if state == psycopg2.extensions.POLL_READ else []
        writing = [connection] if state == psycopg2.extensions.POLL_WRITE else []
        if left <= 0 or not any(select.select(reading, writing, [], left)):
            raise psycopg2.OperationalError("PostgreSQL did not answer in time")


psycopg2.extensions.set_wait_callback(_wait)


class Database:
    """A PostgreSQL database, used through one connection at a time.

    Parameters
    ----------
    dsn
        Returns the DSN. It is called whenever a connection is opened.
    failed
        Called after each failed attempt with its number, starting at 1, and the error.
    sleep
        Waits between attempts, in seconds.
    """

    def __init__(
        self,
        dsn: Callable[[], str],
        failed: Callable[[int, Exception], None] = lambda tries, exc: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._dsn = dsn
        self._failed = failed
        self._sleep = sleep
        self._connection: PsycopgConnection | None = None

    def run(
        self,
        transaction: Callable[[RealDictCursor], T],
        *,
        deadline: float,
        seconds: float = ATTEMPT_SECONDS,
    ) -> T:
        """Run a transaction in at most three attempts of `seconds` each.

        After a failure, the next attempt uses a new connection.

        `transaction` gets a cursor whose rows are dictionaries. The transaction is committed when
        the function returns and rolled back when it raises an error. It must be safe to run it
        again after it was committed, because the response to a COMMIT can be lost.

        Raises
        ------
        DatabaseUnavailable
            PostgreSQL, or reading the secret with the DSN, failed in every attempt, or the deadline
            was reached.
        """

        def attempt() -> T:
            with time_limit(max(0.0, min(seconds, deadline - time.monotonic()))):
                try:
                    with (
                        self._connected() as connection,
                        connection.cursor(cursor_factory=RealDictCursor) as cursor,
                    ):
                        return transaction(cursor)
                except psycopg2.Error:
                    self.close()
                    raise

        try:
            return retry(
                attempt, on=_FAILURES, deadline=deadline, failed=self._failed, sleep=self._sleep
            )
        except _FAILURES as exc:
            raise DatabaseUnavailable(f"{type(exc).__name__}: {str(exc).strip()}") from exc

    def close(self) -> None:
        """Close the connection. The next transaction opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> PsycopgConnection:
        if self._connection is None or self._connection.closed:
            limits = {
                "statement_timeout": ATTEMPT_SECONDS,
                "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS,
            }
            self._connection = psycopg2.connect(
                self._dsn(),
                application_name="herald",
                options=" ".join(
                    f"-c {name}={int(limit * 1000)}" for name, limit in limits.items()
                ),
            )
        return self._connection
