"""Databases for tests."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Postgres


@contextmanager
def empty_database(postgres: Postgres) -> Iterator[str]:
    """Yield the DSN of a new database with the current schema, and drop it afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    admin = psycopg2.connect(postgres.dsn("postgres"))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE herald")
        yield postgres.dsn(name)
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()
