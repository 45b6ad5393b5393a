"""The smoke test's rows in PostgreSQL: a generation of a synthetic user, and what becomes of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from chalicelib.protocol.events import event_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

CONNECT_SECONDS = 10
PROMPT = "Herald's smoke test"


def insert(dsn: str, generation: str, user: str) -> None:
    """Insert a PENDING generation, as the integrator does; raises psycopg2.Error."""
    with _transaction(dsn) as cursor:
        cursor.execute(
            "INSERT INTO generations (id, user_id, prompt) VALUES (%s, %s, %s)",
            (generation, user, PROMPT),
        )


def delete(dsn: str, generation: str, user: str, webhook_id: str) -> None:
    """Delete everything that a generation's result left behind; raises psycopg2.Error."""
    with _transaction(dsn) as cursor:
        cursor.execute("DELETE FROM generations WHERE id = %s RETURNING version", (generation,))
        events = [event_id(generation, version) for (version,) in cursor.fetchall()]
        cursor.execute("DELETE FROM outbox WHERE id = ANY(%s::uuid[])", (events,))
        cursor.execute("DELETE FROM webhook_receipts WHERE id = %s", (webhook_id,))
        cursor.execute("DELETE FROM streams WHERE user_id = %s", (user,))


@contextmanager
def _transaction(dsn: str) -> Iterator[Cursor]:
    import psycopg2

    connection = psycopg2.connect(dsn, connect_timeout=CONNECT_SECONDS)
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
