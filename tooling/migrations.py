"""Finds the migrations that a database lacks and applies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.errors import InvalidDsn
from chalicelib.recording import dsn
from chalicelib.recording.tables import DEFAULT_SCHEMA, Tables
from tooling import ROOT, SetupError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

VERSION_TABLE = "herald_migrations"
_REVISION = f"SELECT min(version_num) FROM {VERSION_TABLE}"  # noqa: S608 - a constant
_LAST_SHARED = "0001"  # the last revision with tables in a shared schema


class Migrations(NamedTuple):
    """The migrations from a database's revision to the newest one; empty if the schema is
    current.
    """

    before: str | None
    after: str
    steps: list[str]


def pending(text: str, schema: str = DEFAULT_SCHEMA) -> Migrations:
    """Return the migrations that a database still needs.

    Raises
    ------
    SetupError
        The DSN is malformed; the database refuses access, or its encoding cannot represent every
        text; or the database is at a revision that this checkout does not have.
    """
    from alembic.script import ScriptDirectory
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError as AlembicError
    from sqlalchemy.exc import DBAPIError

    scripts = ScriptDirectory.from_config(_config(text, schema))
    newest = str(scripts.get_current_head())
    try:
        with engine(text).connect() as connection:
            _check_encoding(connection, place(text))
            before = _revision(connection, schema)
        steps = [step.revision for step in scripts.iterate_revisions(newest, before)]
    except DBAPIError as exc:
        raise _refused(text, exc) from exc
    except (AlembicError, RevisionError) as exc:
        raise SetupError(
            f"The schema of {place(text)} does not belong to this checkout: {exc}"
        ) from exc
    return Migrations(before, newest, steps[::-1])


def upgrade(text: str, schema: str = DEFAULT_SCHEMA) -> Migrations:
    """Migrate a database to the newest revision and return what was applied.

    Raises
    ------
    SetupError
        As for `pending`, or a migration failed.
    """
    from alembic import command
    from sqlalchemy.exc import DBAPIError

    found = pending(text, schema)
    if found.steps:
        try:
            command.upgrade(_config(text, schema), "head")
        except DBAPIError as exc:
            raise _refused(text, exc) from exc
    return found


def prepare(connection: Connection, schema: str) -> None:
    """Make migrations create their objects in `schema`, in the caller's transaction.

    The schema is created if it does not exist, and the version table of an older Herald is moved to
    it. The schema becomes the first in the search path. The previous search path follows, because
    an older Herald's tables are in one of its schemas.
    """
    name = Tables(schema).schema
    # A longer wait would delay every transaction that waits for the same lock.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
    if not _scalar(connection, "SELECT to_regnamespace(%s)", name):
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    if _home(connection, schema) not in (schema, None):
        connection.exec_driver_sql(f"ALTER TABLE {VERSION_TABLE} SET SCHEMA {name}")
    connection.exec_driver_sql(
        "SELECT set_config('search_path', concat_ws(', ', %s, nullif(p, '')), true)"
        " FROM current_setting('search_path') AS p",
        (name,),
    )


def engine(text: str) -> Engine:
    """Return an SQLAlchemy engine for a DSN; it keeps no connections."""
    import psycopg2
    from psycopg2.extensions import make_dsn
    from sqlalchemy import create_engine, pool

    parameters = {**_parsed(text), "client_encoding": "UTF8"}
    return create_engine(
        "postgresql+psycopg2://",
        creator=lambda: psycopg2.connect(make_dsn(**parameters)),
        poolclass=pool.NullPool,
    )


def place(text: str) -> str:
    """Return a DSN's hosts, ports and database, without the password; raises SetupError."""
    try:
        return dsn.place(text)
    except InvalidDsn as exc:
        raise SetupError(str(exc)) from exc


def _parsed(text: str) -> dict[str, str]:
    try:
        return dsn.parse(text)
    except InvalidDsn as exc:
        raise SetupError(str(exc)) from exc


def _config(text: str, schema: str) -> Any:
    from alembic.config import Config

    attributes = {"dsn": text, "schema": schema}
    return Config(str(ROOT / "migrations" / "alembic.ini"), attributes=attributes)


def _check_encoding(connection: Connection, where: str) -> None:
    encoding = _scalar(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        raise SetupError(
            f"The database at {where} has the encoding {encoding}, which cannot store every prompt."
            " Create one with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )


def _revision(connection: Connection, schema: str) -> str | None:
    from alembic.migration import MigrationContext

    home = _home(connection, schema)
    if home is None:
        return None
    options = {"version_table": VERSION_TABLE, "version_table_schema": home}
    context = MigrationContext.configure(connection, opts=options)
    revision: str | None = context.get_current_revision()
    return revision


def _home(connection: Connection, schema: str) -> str | None:
    """Return the schema of the version table: Herald's own, or that of an older Herald."""
    if _scalar(connection, "SELECT to_regclass(%s)", f"{Tables(schema).schema}.{VERSION_TABLE}"):
        return schema
    shared = _scalar(
        connection,
        "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE pg_class.oid = to_regclass(%s)",
        VERSION_TABLE,
    )
    if shared is None or _scalar(connection, _REVISION) != _LAST_SHARED:
        return None
    return str(shared)


def _scalar(connection: Connection, sql: str, *values: str) -> Any:
    return connection.exec_driver_sql(sql, values).scalar()


def _refused(text: str, error: Any) -> SetupError:
    return SetupError(f"The database at {place(text)} refused: {str(error.orig).strip()}")
