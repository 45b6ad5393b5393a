"""`./herald migrate`: migrates the database schema."""

from typing import Annotated

import typer

from cli.console import DONE, PARTLY, CommandError, print_json, say
from cli.declare import command
from cli.options import Json, Which


@command("""
./herald migrate --check
./herald migrate --stage prod
HERALD_DATABASE_URL=postgresql://user:password@host:5432/name ./herald migrate
""")
def migrate(
    which: Which,
    check: Annotated[
        bool, typer.Option("--check", help="Only show the migrations to apply.")
    ] = False,
    json: Json = False,
) -> int:
    """Migrate a database to the current schema.

    HERALD_DATABASE_URL is the DSN of the database, and HERALD_DATABASE_SCHEMA the schema of
    Herald's tables (default: herald). Without HERALD_DATABASE_URL, the command uses the database
    and schema of the stage or of the local stack. It creates the schema if needed. It changes other
    schemas only to move the tables of an older version of Herald out of them.

    Exit codes: 0 the schema is current; 1 --check found migrations to apply; 2 the command failed.

    --json prints {"database", "schema", "before", "after", "steps", "applied"}: "before" and
    "after" are revisions, "steps" the migrations between them, and "applied" whether they were
    applied.
    """
    from cli.target import database
    from tooling import migrations

    try:
        dsn, schema = database(which)
    except CommandError as exc:
        raise CommandError(
            "No database is given. Set HERALD_DATABASE_URL=postgresql://user:password@host:5432/name.\n"
            f"{exc}"
        ) from exc
    found = migrations.pending(dsn, schema) if check else migrations.upgrade(dsn, schema)
    place, applied = migrations.place(dsn), bool(found.steps) and not check
    if json:
        print_json({"database": place, "schema": schema, **found._asdict(), "applied": applied})
        return PARTLY if check and found.steps else DONE
    steps = ", ".join(found.steps)
    outcome = f"{'done' if applied else 'to be done'}: {steps}" if steps else "nothing to do"
    say(f"{place}, schema {schema}: {found.before or 'no schema'} → {found.after}, {outcome}.")
    return PARTLY if check and found.steps else DONE
