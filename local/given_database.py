"""A developer's own PostgreSQL, given as DATABASE. Herald's schema is created in it by the
migrations, and never dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import InvalidDsn
from chalicelib.recording import dsn
from chalicelib.recording.tables import DEFAULT_SCHEMA
from tooling import SetupError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

_CONNECT_SECONDS = 5


class GivenDatabase(NamedTuple):
    """The database of a DSN."""

    text: str

    def dsn(self) -> str:
        return self.text

    @property
    def place(self) -> str:
        """Return the DSN's host, port and database, without the password."""
        return dsn.place(self.text)

    def running(self) -> bool:
        """Whether the database accepts a connection."""
        import psycopg2

        try:
            psycopg2.connect(self.text, connect_timeout=_CONNECT_SECONDS).close()
        except psycopg2.Error:
            return False
        return True

    def left(self) -> str:
        """Return a sentence about what remains in the database when the stack is deleted."""
        return (
            f"The schema {DEFAULT_SCHEMA} in {self.place} was left as it is."
            f" To remove it with all generations: DROP SCHEMA {DEFAULT_SCHEMA} CASCADE;"
        )

    def check(self) -> None:
        """Raise SetupError, which says what to do, if Herald's migrations could not run here."""
        import psycopg2

        try:
            connection = psycopg2.connect(self.text, connect_timeout=_CONNECT_SECONDS)
        except psycopg2.OperationalError as exc:
            raise SetupError(
                f"DATABASE: {self.place} accepts no connection: {str(exc).strip()}\nIs PostgreSQL"
                " running there, and are the user, the password and the database's name right?"
            ) from exc
        try:
            self._check_direct(connection)
            self._check_rights(connection)
        except psycopg2.Error as exc:
            raise SetupError(f"DATABASE: {self.place} refused: {str(exc).strip()}") from exc
        finally:
            connection.close()

    def _check_direct(self, connection: Connection) -> None:
        """A pooler gives its clients a process id that is not that of the server."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone() or (None,)
        if pid != connection.info.backend_pid:
            raise SetupError(
                f"DATABASE: a pooler, such as PgBouncer, answers at {self.place}. The migrations"
                " need PostgreSQL itself: give its own host and port."
            )

    def _check_rights(self, connection: Connection) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_user, current_database(),"
                " has_database_privilege(current_database(), 'CREATE'),"
                " (SELECT has_schema_privilege(oid, 'CREATE')"
                " AND has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %s)",
                (DEFAULT_SCHEMA,),
            )
            row = cursor.fetchone() or ("", "", False, False)
        user, database, may_create, may_use = row
        wanted = (
            f'GRANT CREATE ON DATABASE "{database}"'
            if may_use is None
            else (f"GRANT USAGE, CREATE ON SCHEMA {DEFAULT_SCHEMA}")
        )
        if not (may_create if may_use is None else may_use):
            raise SetupError(
                f"DATABASE: the role {user} may not create Herald's tables in {self.place}."
                f' Grant it the right, as the owner: {wanted} TO "{user}";'
            )


def read(text: str) -> GivenDatabase:
    """Parse the option DATABASE; raises SetupError, which never quotes the DSN."""
    if text.lstrip().startswith("{"):
        raise SetupError(f"DATABASE: give a DSN of the form {dsn.FORM}, not JSON.")
    try:
        found = dsn.parse(text)
    except InvalidDsn as exc:
        raise SetupError(f"DATABASE: {exc}") from exc
    if not found.get("dbname"):
        raise SetupError(f"DATABASE: the DSN names no database; it has the form {dsn.FORM}.")
    return GivenDatabase(text.strip())
