"""The database's schema: `make migrate`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cli import target
from cli.commands import DONE, NOT_BEGUN, PARTLY, CommandError, note, run
from tooling import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = """\
Brings a database to the current schema. The database is HERALD_DATABASE_URL; without it, the one
whose DSN is in the stage's secret, or the local stack's."""

VERSIONS = "herald_migrations"  # as migrations/env.py has it


def database_url(arguments: argparse.Namespace) -> str:
    """Return the DSN to work on; HERALD_DATABASE_URL needs no target beside it."""
    return os.environ.get(target.DATABASE_URL) or target.choose(arguments).database_url()


def shown(dsn: str) -> str:
    """Return where a DSN leads, without its password."""
    parts = urlsplit(dsn)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or 'the local socket'}{port}{parts.path}"


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words`; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m cli.migrate",
        description=_HELP,
        epilog="exit codes: 0 the schema is current; 1 --check found migrations to do; 2 it failed",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="only say what is to be done")
    target.add_arguments(parser)
    arguments = parser.parse_args(words)
    try:
        dsn = database_url(arguments)
    except CommandError as exc:
        raise CommandError(
            f"Which database? Set HERALD_DATABASE_URL=postgresql://user:password@host:5432/name.\n{exc}"
        ) from exc
    return migrate(dsn, check=arguments.check)


def migrate(dsn: str, *, check: bool) -> int:
    """Bring a database to the newest revision, or only tell the way there."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError as AlembicError
    from sqlalchemy.exc import DBAPIError

    config = Config(str(ROOT / "migrations" / "alembic.ini"))
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    try:
        current = current_revision(dsn)
        steps = [step.revision for step in scripts.iterate_revisions(head, current)][::-1]
        print(f"{shown(dsn)}: {current or 'no schema'} → {head}", end="")
        if not steps:
            print(", nothing to do.")
            return DONE
        if check:
            print(f", to be done: {', '.join(steps)}.")
            return PARTLY
        os.environ[target.DATABASE_URL] = dsn
        command.upgrade(config, "head")
    except DBAPIError as exc:
        note(f"The database at {shown(dsn)} refused: {str(exc.orig).strip()}")
        return NOT_BEGUN
    except (AlembicError, RevisionError) as exc:
        note(f"The schema at {shown(dsn)} is not one of this checkout's: {exc}")
        return NOT_BEGUN
    print(f", done: {', '.join(steps)}.")
    return DONE


def current_revision(dsn: str) -> str | None:
    """Return the revision that a database is at; None before the first migration."""
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine, pool

    url = dsn.replace("postgresql://", "postgresql+psycopg2://", 1)
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSIONS})
        found: str | None = context.get_current_revision()
        return found


if __name__ == "__main__":
    sys.exit(run(main))
