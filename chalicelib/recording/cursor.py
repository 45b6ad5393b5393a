"""The cursor of a transaction in PostgreSQL, and the waiting for its answers.

Time limits are set in each transaction, and nothing is set on the session. A pooler in transaction
mode can therefore be used.
"""

from __future__ import annotations

import select
import time
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

import psycopg2
import psycopg2.extensions
from psycopg2.extensions import (
    POLL_OK,
    POLL_READ,
    TRANSACTION_STATUS_INERROR,
    TRANSACTION_STATUS_INTRANS,
)

from chalicelib.recording.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812 - its own name
    from psycopg2.sql import Composable

    Query = str | bytes | Composable
    Values = Sequence[object] | Mapping[str, object] | None
    Row = dict[str, Any]

STATEMENT_SECONDS = 3.0
IDLE_IN_TRANSACTION_SECONDS = 20.0  # a relay publishes within its transaction
_LIMIT = f"SET LOCAL statement_timeout = {int(STATEMENT_SECONDS * 1000)};".encode()
# Several statements in one query are a transaction of their own, which is never idle.
_IDLE_LIMIT = (
    f"SET LOCAL idle_in_transaction_session_timeout = {int(IDLE_IN_TRANSACTION_SECONDS * 1000)};"
).encode()
_NOT_DURABLE = b"SET LOCAL synchronous_commit = off;"
_IN_TRANSACTION = (TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_INERROR)
_NAME = itemgetter(0)  # of a column in a cursor's description


def wait_for(connection: PsycopgConnection, limit: float) -> None:
    """Wait until a connection is open or has its answer, but not longer than the time limit.

    The server enforces statement_timeout, but the client would not learn of it if the server or the
    network does not respond. This function therefore enforces the limit in the client.
    """
    while (state := connection.poll()) != POLL_OK:
        left = limit - time.monotonic()
        poller = select.poll()
        poller.register(connection, select.POLLIN if state == POLL_READ else select.POLLOUT)
        if left <= 0 or not poller.poll(left * 1000):
            raise psycopg2.OperationalError("PostgreSQL did not answer in time")


class Cursor(psycopg2.extensions.cursor):
    """The cursor of a transaction: rows are dictionaries; `tables` has the names for its SQL.

    The connection is asynchronous, and so in autocommit mode. BEGIN, the limits and COMMIT can
    therefore share a round trip with a statement: PostgreSQL takes several statements in one simple
    query. `limit` is the time limit of all operations, on the clock of time.monotonic().
    """

    tables = Tables()
    limit = 0.0

    def execute(self, query: Query, vars: Values = None) -> None:  # noqa: A002 - psycopg2's name
        """Execute a statement; the first one begins the transaction."""
        begin = b"" if _in_transaction(self.connection) else b"BEGIN;" + _LIMIT + _IDLE_LIMIT
        self._execute(begin + self.mogrify(query, vars))

    def _execute(self, query: Query, *, wait: bool = True) -> None:
        super().execute(query)
        if wait:
            wait_for(self.connection, self.limit)

    def execute_and_commit(
        self, query: Query, values: Values = None, *, durable: bool = True, wait: bool = True
    ) -> None:
        """Execute the last statement of a transaction and commit, in one round trip.

        If the transaction has other statements, the rows of the last one cannot be read.

        Parameters
        ----------
        durable
            Whether the commit waits until the change is on disk. Without it, a crash of PostgreSQL
            can undo the change, and the server writes to disk less often.
            https://www.postgresql.org/docs/current/wal-async-commit.html
        wait
            Whether to wait for the answer. Without it, the next transaction reads the answer, and a
            failure does not raise an error here.
        """
        statement = self.mogrify(query, values)
        if not durable:
            statement = _NOT_DURABLE + statement
        if _in_transaction(self.connection):
            statement += b";COMMIT"
        else:
            statement = _LIMIT + statement
        self._execute(statement, wait=wait)

    def last_row(self, query: Query, values: Values = None, *, durable: bool = True) -> Row | None:
        """Execute the last statement of a transaction, commit, and return the statement's row.

        This takes one round trip if it is the only statement, otherwise one more.
        """
        if _in_transaction(self.connection):
            self.execute(query, values)
            row = self.fetchone()
            self.end("COMMIT")
            return row
        self.execute_and_commit(query, values, durable=durable)
        return self.fetchone()

    def fetchone(self) -> Row | None:  # type: ignore[override]
        """Return the next row, or None."""
        row = super().fetchone()
        return None if row is None else self._named(row)

    def fetchall(self) -> list[Row]:  # type: ignore[override]
        """Return the remaining rows."""
        return [self._named(row) for row in super().fetchall()]

    def _named(self, row: tuple[object, ...]) -> Row:
        return dict(zip(map(_NAME, self.description or ()), row, strict=True))

    def end(self, command: Literal["COMMIT", "ROLLBACK"]) -> None:
        """End the transaction if it is still open."""
        if _in_transaction(self.connection):
            self._execute(command)


def _in_transaction(connection: PsycopgConnection) -> bool:
    return connection.get_transaction_status() in _IN_TRANSACTION
