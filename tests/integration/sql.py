"""SQL on connections of its own, for tests that must not share one with the code under test."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2


def execute(dsn: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run the statements in autocommit mode and return the rows of the last statement."""
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
