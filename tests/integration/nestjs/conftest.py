"""The page's project, and a database with Herald's tables and a role for the application."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from tests.databases import empty_database
from tests.integration.nestjs.project import PAGE, Project
from tests.unit.test_docs import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Postgres


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("shop"))


@contextmanager
def connected(dsn: str) -> Iterator[Any]:
    """A cursor in autocommit mode."""
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@contextmanager
def beside_herald(postgres: Postgres) -> Iterator[str]:
    """The DSN of a new database with Herald's tables, for a role with the rights on the page."""
    role = f"shop_{uuid.uuid4().hex[:8]}"
    (grants,) = blocks(PAGE, "sql")
    with empty_database(postgres) as dsn:
        database = urlsplit(dsn).path[1:]
        with connected(dsn) as cursor:
            cursor.execute(f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD 'p'")  # shadow databases
            cursor.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
            cursor.execute(grants.replace("shop", role))
            try:
                yield f"postgresql://{role}:p@127.0.0.1:{postgres.port}/{database}"
            finally:
                cursor.execute(f"DROP OWNED BY {role}")
                cursor.execute(f"DROP ROLE {role}")
