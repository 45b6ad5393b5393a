"""Prisma's commands, with its schema engine as WebAssembly, beside Herald's tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from tests.integration.nestjs.conftest import beside_herald, connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Postgres
    from tests.integration.nestjs.project import Project

pytestmark = pytest.mark.integration

DIFFERENCE = ("migrate", "diff", "--from-config-datasource", "--to-schema", "prisma/schema.prisma")


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[str]:
    with beside_herald(postgres) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def migration(project: Project, database: str) -> str:
    """The migration that the page's command creates and applies."""
    project.migrate_dev(database, "pictures")
    (created,) = (project.folder / "prisma" / "migrations").glob("*/migration.sql")
    return created.read_text()


def herald(cursor: Any) -> list[Any]:
    """Everything in Herald's schema: columns, indexes and constraints."""
    cursor.execute(
        "SELECT table_name, column_name, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema = 'herald'"
        " UNION ALL SELECT tablename, indexname, indexdef, '', ''"
        " FROM pg_indexes WHERE schemaname = 'herald'"
        " UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', ''"
        " FROM pg_constraint WHERE connamespace = 'herald'::regnamespace ORDER BY 1, 2, 3"
    )
    return list(cursor.fetchall())


def tables(cursor: Any) -> set[str]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'herald'")
    return {name for (name,) in cursor.fetchall()}


def test_the_migration_creates_the_applications_table_and_nothing_else(migration: str) -> None:
    statements = re.findall(r"(?m)^(\w+ \w+) (\S+)", re.sub("(?m)^--.*$", "", migration))
    assert statements == [("CREATE TABLE", '"pictures"'), ("ALTER TABLE", '"pictures"')]
    assert 'REFERENCES "herald"."generations"("id")' in migration


@pytest.mark.usefixtures("migration")
def test_there_is_no_drift_after_it(project: Project, database: str) -> None:
    code, output = project.prisma(database, *DIFFERENCE, "--exit-code")
    assert (code, "No difference detected" in output) == (0, True), output
    assert "Already in sync" in project.migrate_dev(database, "again")


@pytest.mark.usefixtures("migration")
def test_deploying_the_migrations_leaves_heralds_schema_as_it_is(
    project: Project, postgres: Postgres
) -> None:
    with beside_herald(postgres) as dsn, connected(dsn) as cursor:
        before = herald(cursor)
        code, output = project.prisma(dsn, "migrate", "deploy")
        assert code == 0, output
        cursor.execute("SELECT count(*) FROM pictures")
        assert herald(cursor) == before
        assert before


@pytest.fixture(scope="module")
def careless(project: Project, database: str, migration: str) -> str:
    """What Prisma would do without `tables.external`."""
    config = (project.folder / "prisma.config.ts").read_text()
    listed = re.compile(r"external: \[.*?\]", re.DOTALL)
    assert listed.search(config)
    (project.folder / "careless.config.ts").write_text(listed.sub("external: []", config))
    options = ("--config", "careless.config.ts", "--script", "--exit-code")
    code, output = project.prisma(database, *DIFFERENCE, *options)
    assert code == 2, output
    return output


def test_without_the_list_every_table_of_herald_would_be_dropped(
    careless: str, database: str
) -> None:
    dropped = set(re.findall(r'DROP TABLE "herald"."(\w+)"', careless))
    with connected(database) as cursor:
        assert dropped == tables(cursor) - {"generations"}, "Prisma has a model of generations"
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute('DROP TABLE "herald"."outbox"')


def test_the_model_has_the_types_of_heralds_columns(careless: str) -> None:
    (changes,) = re.findall(r'ALTER TABLE "herald"."generations" (.*?);', careless, re.DOTALL)
    others = re.sub(r'DROP COLUMN "\w+",?|ALTER COLUMN "\w+_at" SET DEFAULT now\(\),?', "", changes)
    assert others.strip() == "", "the model leaves out columns and calls now() by another name"


def test_the_list_on_the_page_has_every_table_of_herald(project: Project, database: str) -> None:
    listed = re.findall(r'"herald\.(\w+)"', (project.folder / "prisma.config.ts").read_text())
    with connected(database) as cursor:
        assert sorted(listed) == sorted(tables(cursor))
