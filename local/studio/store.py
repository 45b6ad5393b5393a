"""The application's own state, stored in the `generations` table."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from psycopg2.extensions import connection

_COLUMNS = (
    "id, prompt, status, image_url, image_height, image_width, core_model, error,"
    " created_at, updated_at"
)
_NAMES = (
    "id",
    "prompt",
    "status",
    "imageUrl",
    "imageHeight",
    "imageWidth",
    "coreModel",
    "error",
    "createdAt",
    "updatedAt",
)
_LATEST = 60


class Job(NamedTuple):
    """A generation as its provider knows it."""

    provider: str
    provider_id: str


class StoreError(Exception):
    """The database did not answer. The same call may succeed later."""


class Store(Protocol):
    """The interface of the store for generations. Its methods block, so call them in a thread."""

    def insert(self, generation_id: UUID, user: str, prompt: str, job: Job) -> dict[str, Any]:
        """Add a PENDING generation that a provider works on, and return it."""

    def latest(self, user: str) -> list[dict[str, Any]]:
        """Return the user's latest generations, newest first."""


class PostgresStore:
    """The `generations` table in PostgreSQL. The integrator inserts PENDING rows, and Herald adds
    the results.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def insert(self, generation_id: UUID, user: str, prompt: str, job: Job) -> dict[str, Any]:
        """Add a PENDING generation and return it; raises StoreError."""
        statement = (
            "INSERT INTO herald.generations"  # noqa: S608
            " (id, user_id, status, prompt, provider, provider_id)"
            f" VALUES (%s, %s, 'PENDING', %s, %s, %s) RETURNING {_COLUMNS}"
        )
        # Your own generator needs no provider in the row.
        provider = None if job.provider == "generations" else job.provider
        values = (str(generation_id), user, prompt, provider, job.provider_id)
        return self._rows(statement, values)[0]

    def latest(self, user: str) -> list[dict[str, Any]]:
        """Return the user's latest 60 generations, newest first; raises StoreError."""
        statement = (
            f"SELECT {_COLUMNS} FROM herald.generations WHERE user_id = %s"  # noqa: S608
            " ORDER BY created_at DESC, id LIMIT %s"
        )
        return self._rows(statement, (user, _LATEST))

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[dict[str, Any]]:
        import psycopg2

        try:
            # Each call opens a connection, so that restarts of the database need no special
            # handling.
            with closing(self._connect()) as database, database, database.cursor() as cursor:
                cursor.execute(statement, values)
                return [_public(row) for row in cursor.fetchall()]
        except psycopg2.OperationalError as exc:
            raise StoreError(f"the database does not answer: {exc}".strip()) from exc

    def _connect(self) -> connection:
        import psycopg2

        return psycopg2.connect(
            self._dsn, connect_timeout=5, options="-c statement_timeout=5000 -c timezone=UTC"
        )


def _public(row: tuple[Any, ...]) -> dict[str, Any]:
    generation = dict(zip(_NAMES, row, strict=True))
    generation["createdAt"] = timestamp(generation["createdAt"])
    generation["updatedAt"] = timestamp(generation["updatedAt"])
    return generation


def timestamp(moment: datetime) -> str:
    """Return a time in the format of Herald's events: RFC 3339 in UTC with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
