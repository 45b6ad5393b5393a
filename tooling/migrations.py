"""Finds the migrations that a database lacks and applies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tooling import ROOT, SetupError

if TYPE_CHECKING:
    from sqlalchemy import Engine

VERSION_TABLE = "herald_migrations"


class Migrations(NamedTuple):
    """The migrations from a database's revision to the newest one; empty if the schema is
    current.
    """

    before: str | None
    after: str
    steps: list[str]


def pending(dsn: str) -> Migrations:
    """Return the migrations that a database lacks.

    Raises
    ------
    SetupError
        The database refuses the connection, or its revision is unknown in this checkout.
    """
    from alembic.script import ScriptDirectory
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError as AlembicError
    from sqlalchemy.exc import DBAPIError

    scripts = ScriptDirectory.from_config(_config(dsn))
    newest = str(scripts.get_current_head())
    try:
        before = _revision(dsn)
        steps = [step.revision for step in scripts.iterate_revisions(newest, before)]
    except DBAPIError as exc:
        raise _refused(dsn, exc) from exc
    except (AlembicError, RevisionError) as exc:
        raise SetupError(
            f"The schema of {place(dsn)} does not belong to this checkout: {exc}"
        ) from exc
    return Migrations(before, newest, steps[::-1])


def upgrade(dsn: str) -> Migrations:
    """Migrate a database to the newest revision and return the applied migrations.

    Raises
    ------
    SetupError
        As for `pending`, or a migration failed.
    """
    from alembic import command
    from sqlalchemy.exc import DBAPIError

    found = pending(dsn)
    if found.steps:
        try:
            command.upgrade(_config(dsn), "head")
        except DBAPIError as exc:
            raise _refused(dsn, exc) from exc
    return found


def engine(dsn: str) -> Engine:
    """Return an SQLAlchemy engine for a DSN, without a connection pool."""
    from sqlalchemy import create_engine, pool

    url = dsn.replace("postgresql://", "postgresql+psycopg2://", 1)
    return create_engine(url, poolclass=pool.NullPool)


def place(dsn: str) -> str:
    """Return the host, port and database of a DSN, without the password."""
    parts = urlsplit(dsn)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or 'the local socket'}{port}{parts.path}"


def _config(dsn: str) -> Any:
    from alembic.config import Config

    return Config(str(ROOT / "migrations" / "alembic.ini"), attributes={"dsn": dsn})


def _revision(dsn: str) -> str | None:
    from alembic.migration import MigrationContext

    with engine(dsn).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        revision: str | None = context.get_current_revision()
        return revision


def _refused(dsn: str, error: Any) -> SetupError:
    return SetupError(f"The database at {place(dsn)} refused: {str(error.orig).strip()}")
