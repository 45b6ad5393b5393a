"""The smoke test's rows in PostgreSQL: a synthetic generation, and the rows of its result."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from chalicelib.protocol.event_writer import event_id
from chalicelib.recording import dsn
from chalicelib.recording.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from cli.target import DatabaseTarget

CONNECT_SECONDS = 10
PROMPT = "Herald's smoke test"


def insert(where: DatabaseTarget, generation: str, user: str) -> None:
    """Insert a PENDING generation, as the integrator does; raises psycopg2.Error."""
    tables = Tables(where.schema)
    with _transaction(where.dsn) as cursor:
        cursor.execute(
            f"INSERT INTO {tables.generations} (id, user_id, prompt) VALUES (%s, %s, %s)",
            (generation, user, PROMPT),
        )


def delete(where: DatabaseTarget, generation: str, user: str, webhook_id: str) -> None:
    """Delete a generation and all rows of its result; raises psycopg2.Error."""
    tables = Tables(where.schema)
    with _transaction(where.dsn) as cursor:
        cursor.execute(
            f"DELETE FROM {tables.generations} WHERE id = %s RETURNING version", (generation,)
        )
        events = [event_id(generation, version) for (version,) in cursor.fetchall()]
        cursor.execute(f"DELETE FROM {tables.outbox} WHERE id = ANY(%s::uuid[])", (events,))
        cursor.execute(f"DELETE FROM {tables.webhook_receipts} WHERE id = %s", (webhook_id,))
        cursor.execute(f"DELETE FROM {tables.streams} WHERE user_id = %s", (user,))


@contextmanager
def _transaction(text: str) -> Iterator[Cursor]:
    import psycopg2
    from psycopg2.extensions import make_dsn

    found = {"connect_timeout": str(CONNECT_SECONDS), **dsn.parse(text)}
    connection = psycopg2.connect(make_dsn(**found))
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
