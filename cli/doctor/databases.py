"""Checks the database: whether it can be reached, is migrated, and grants an application enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2.extensions import make_dsn

from chalicelib.errors import InvalidDsn
from chalicelib.recording import dsn
from chalicelib.recording.tables import Tables
from cli.doctor.findings import Finding
from tooling import SetupError, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812

    from cli.target import DatabaseTarget

_CONNECT_SECONDS = 10
# What an application does with its rows: clients/python and docs/operations.md.
_APPLICATION = ("INSERT", "SELECT")
# Equal for two connections to the same database, also under different host names.
_IDENTITY = "SELECT current_database(), pg_postmaster_start_time()"


class _Answer(NamedTuple):
    user: str
    identity: tuple[object, ...]
    may_use: bool | None  # the schema; None if there is none
    missing: list[str]  # rights on the table of generations


def check(herald: DatabaseTarget, application: str | None) -> Iterator[Finding]:
    """Check Herald's database, and the DSN of an application, if it is given."""
    answer = _ask(herald.dsn, herald.schema)
    if isinstance(answer, Finding):
        yield answer
        return
    yield _migrated(herald)
    if application is None:
        return
    other = _ask(application, herald.schema)
    if isinstance(other, Finding):
        yield other._replace(check="application's database")
    else:
        yield _compared(answer, other, herald)


def _ask(text: str, schema: str) -> _Answer | Finding:
    try:
        parameters = dsn.parse(text)
    except InvalidDsn as exc:
        return Finding("database", str(exc), "Correct the DSN.")
    place = dsn.place(text)
    try:
        connection = psycopg2.connect(make_dsn(**parameters), connect_timeout=_CONNECT_SECONDS)
    except psycopg2.OperationalError as exc:
        return Finding("database", f"{place} accepts no connection: {_first(exc)}.", _hint(exc))
    try:
        return _looked(connection, schema)
    except psycopg2.Error as exc:
        return Finding("database", f"{place} refused: {_first(exc)}.", "See the server's log.")
    finally:
        connection.close()


def _looked(connection: Connection, schema: str) -> _Answer:
    with connection.cursor() as cursor:
        cursor.execute(_IDENTITY)
        identity = cursor.fetchone() or ()
        cursor.execute(
            "SELECT current_user, has_schema_privilege(to_regnamespace(%s)::oid, 'USAGE')",
            (schema,),
        )
        user, may_use = cursor.fetchone() or ("", None)
        missing: list[str] = []
        if may_use:
            table = Tables(schema).generations
            for right in _APPLICATION:
                cursor.execute(
                    "SELECT has_table_privilege(to_regclass(%s)::oid, %s)", (table, right)
                )
                missing += [] if (cursor.fetchone() or (None,))[0] else [right]
    return _Answer(user, identity, may_use, missing)


def _migrated(herald: DatabaseTarget) -> Finding:
    place = dsn.place(herald.dsn)
    try:
        found = migrations.pending(herald.dsn, herald.schema)
    except SetupError as exc:
        return Finding("database", str(exc), "Use the checkout that this stage was deployed from.")
    if found.before is None:
        return Finding(
            "database",
            f"{place} has no tables of Herald in the schema {herald.schema}.",
            "Run `./herald migrate`, and check that the DSN names the right database.",
        )
    if found.steps:
        return Finding(
            "database",
            f"{place} lacks the migrations {', '.join(found.steps)}.",
            "Run `./herald migrate`.",
        )
    return Finding("database", f"{place} answers and has the current schema.")


def _compared(herald: _Answer, other: _Answer, target: DatabaseTarget) -> Finding:
    name, place = "application's database", dsn.place(target.dsn)
    if other.identity != herald.identity:
        return Finding(
            name,
            "Your application uses another database than Herald, so Herald does not see its rows.",
            f"Give your application a DSN of {place}, or start Herald with yours: `make up"
            " DATABASE=…`.",
        )
    schema = Tables(target.schema).schema
    if not other.may_use:
        return Finding(
            name,
            f"The role {other.user} may not use the schema {target.schema}.",
            f'As the owner: GRANT USAGE ON SCHEMA {schema} TO "{other.user}";',
        )
    if other.missing:
        rights = ", ".join(other.missing)
        return Finding(
            name,
            f"The role {other.user} lacks {rights} on {target.schema}.generations.",
            f'As the owner: GRANT {rights} ON {schema}.generations TO "{other.user}";',
        )
    return Finding(name, f"The role {other.user} may insert and read generations.")


def _first(error: psycopg2.Error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _hint(error: psycopg2.Error) -> str:
    said = str(error)
    if "password" in said or "authentication" in said or "role" in said:
        return "Correct the user and the password in the DSN. In a password, write @ as %40."
    if "does not exist" in said:
        return "Correct the database's name in the DSN, or create the database."
    return "Is PostgreSQL running there, and do the host and the port in the DSN lead to it?"
