"""PostgreSQL: a connection that cannot hang, kept across invocations, replaced when it breaks."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import psycopg2
import psycopg2.extensions

from chalicelib.errors import DatabaseRejected, DatabaseUnavailable, InvalidDsn, ServiceError
from chalicelib.recording import dsn
from chalicelib.recording.cursor import STATEMENT_SECONDS, Cursor, wait_for
from chalicelib.recording.tables import DEFAULT_SCHEMA, Tables
from chalicelib.retry import retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812 - its own name

    from chalicelib.errors import DatabaseError

T = TypeVar("T")

# SQLSTATE classes of errors caused by the data: data exception, integrity constraint, a trigger's
# RAISE, WITH CHECK OPTION, program limit exceeded (a row or a key that is too large).
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BLAME_DATA = ("22", "23", "P0", "44", "54")


class _Open(NamedTuple):
    """A connection with its cursor, and the DSN that it was opened with."""

    connection: PsycopgConnection
    cursor: Cursor
    dsn: str


class Database:
    """A PostgreSQL database, used through one connection at a time.

    Parameters
    ----------
    dsn
        Returns the DSN; called before each transaction. If the DSN has changed, the transaction
        runs on a new connection.
    failed
        Called after each failed attempt with its number, starting at 1, and the error. The number
        is 0 for a statement of the previous transaction whose answer was not awaited.
    sleep
        Waits between attempts, in seconds.
    schema
        The schema of Herald's tables.
    """

    def __init__(
        self,
        dsn: Callable[[], str],
        failed: Callable[[int, Exception], None] = lambda tries, exc: None,
        sleep: Callable[[float], None] = time.sleep,
        *,
        schema: str = DEFAULT_SCHEMA,
    ) -> None:
        self._dsn = dsn
        self._tables = Tables(schema)
        self._failed = failed
        self._sleep = sleep
        self._open: _Open | None = None
        self._turn = 0

    def run(
        self,
        transaction: Callable[[Cursor], T],
        *,
        deadline: float,
        seconds: float = STATEMENT_SECONDS,
    ) -> T:
        """Run a transaction in at most three attempts of `seconds` each.

        It is committed when it returns, unless its last statement has done so, and rolled back when
        it raises. It must be safe to run again, because the answer to a COMMIT can be lost.

        Raises
        ------
        DatabaseUnavailable
            Every attempt failed, in PostgreSQL or while reading the secret with the DSN, or the
            deadline passed.
        DatabaseRejected
            PostgreSQL rejected the transaction's data; there is only one attempt.
        """

        def attempt() -> T:
            try:
                wanted = self._wanted_dsn()
                limit = min(time.monotonic() + seconds, deadline)
                return _committed(self._cursor(wanted, limit), transaction)
            except (psycopg2.Error, InvalidDsn, ServiceError, UnicodeError) as exc:
                self.close()
                # `from None`: the text of `exc` contains PostgreSQL's DETAIL, which quotes the row.
                raise _translated(exc) from None

        failed, sleep = self._failed, self._sleep
        return retry(attempt, on=DatabaseUnavailable, deadline=deadline, failed=failed, sleep=sleep)

    def send(self, statement: Callable[[Cursor], None]) -> None:
        """Send a statement on the open connection, in one attempt, and do not wait for its answer.

        The next transaction reads the answer. A failure is then reported to `failed`.

        Raises
        ------
        DatabaseUnavailable
            There is no open connection, or it broke.
        """
        if self._open is None or self._open.connection.isexecuting():
            raise DatabaseUnavailable("no connection is ready")
        try:
            statement(self._open.cursor)
        except psycopg2.Error as exc:
            self.close()
            raise _translated(exc) from None

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        kept, self._open = self._open, None
        if kept is not None:
            kept.connection.close()

    def _cursor(self, wanted: str, limit: float) -> Cursor:
        if self._open:
            self._read_answer(self._open, limit)
        if self._open and (self._open.connection.closed or self._open.dsn != wanted):
            self.close()
        if self._open is None:
            try:
                connection = _connect(wanted, self._turn, limit)
            except psycopg2.Error:
                self._turn += 1  # an unresponsive host uses up the whole attempt
                raise
            cursor = connection.cursor(cursor_factory=Cursor)
            cursor.tables = self._tables
            self._open = _Open(connection, cursor, wanted)
        self._open.cursor.limit = limit
        return self._open.cursor

    def _read_answer(self, kept: _Open, limit: float) -> None:
        """Read the answer to a statement that was sent without waiting.

        If the statement has failed, this is reported, and the transaction gets a new connection.
        """
        try:
            wait_for(kept.connection, limit)
        except psycopg2.Error as exc:
            self.close()
            self._failed(0, _translated(exc))

    def _wanted_dsn(self) -> str:
        try:
            return self._dsn()
        except ServiceError:
            if self._open is None:
                raise
            return self._open.dsn  # an open connection does not depend on Secrets Manager


def _committed(cursor: Cursor, transaction: Callable[[Cursor], T]) -> T:
    try:
        result = transaction(cursor)
        cursor.end("COMMIT")
    except BaseException:
        with suppress(psycopg2.Error):  # after a time-out, it still executes: that is the cause
            cursor.end("ROLLBACK")
        raise
    return result


def _connect(text: str, turn: int, limit: float) -> PsycopgConnection:
    found = dsn.rotated(dsn.parse(text), turn)
    parameters = {"application_name": "herald", **found, "client_encoding": "UTF8"}
    connection = psycopg2.connect(psycopg2.extensions.make_dsn(**parameters), async_=True)
    wait_for(connection, limit)
    return connection


def _translated(exc: Exception) -> DatabaseError:
    if isinstance(exc, psycopg2.Error):
        blames_data = (exc.pgcode or "").startswith(_BLAME_DATA)
        return (DatabaseRejected if blames_data else DatabaseUnavailable)(_described(exc))
    if isinstance(exc, UnicodeError):  # a lone surrogate, or stored bytes that are not UTF-8
        return DatabaseRejected(f"{type(exc).__name__}: text that PostgreSQL cannot hold")
    return DatabaseUnavailable(f"{type(exc).__name__}: {exc}")


def _described(exc: psycopg2.Error) -> str:
    if exc.pgcode is None:  # an error of the client: no connection, or no response
        return " ".join(f"{type(exc).__name__}: {exc}".split())
    found = (type(exc).__name__, exc.pgcode, exc.diag.constraint_name)
    return f"{' '.join(filter(None, found))}: {exc.diag.message_primary}"
