"""The contract of a row is that of the table in PostgreSQL."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from tests import contracts

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

# The types of the contract, and those of PostgreSQL that they describe.
TYPES = {
    ("string", None): {"text"},
    ("string", "uuid"): {"uuid"},
    ("string", "date-time"): {"timestamp with time zone"},
    ("integer", None): {"integer"},
    ("boolean", None): {"boolean"},
    ("array", None): {"jsonb"},
    ("object", None): {"jsonb"},
}
# Columns that only Herald reads, so they are not in the contract.
INTERNAL: set[str] = set()


@pytest.fixture
def cursor(fresh_database: str) -> Iterator[Any]:
    connection = psycopg2.connect(fresh_database)
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


def kind_and_null(field: dict[str, Any]) -> tuple[tuple[str, str | None], bool]:
    """Return the type and format of a column in the contract, and whether it may be null."""
    if "allOf" in field:
        return ("object", None), False
    if "anyOf" in field:
        return ("object", None), {"type": "null"} in field["anyOf"]
    types = [field["type"]] if isinstance(field["type"], str) else field["type"]
    return (types[0], field.get("format")), "null" in types


def test_the_columns_are_those_of_the_table(cursor: Any) -> None:
    schema = contracts.contracts()["row.schema.json"]
    cursor.execute(
        "SELECT column_name, data_type, is_nullable = 'YES', column_default IS NOT NULL"
        " FROM information_schema.columns"
        " WHERE table_schema = 'herald' AND table_name = 'generations'"
    )
    table = {name: facts for name, *facts in cursor.fetchall()}
    assert set(schema["properties"]) == set(table) - INTERNAL
    for name, field in schema["properties"].items():
        kind, may_be_null = kind_and_null(field)
        data_type, nullable, has_default = table[name]
        assert data_type in TYPES[kind], name
        assert may_be_null is nullable, name
        assert (name in schema["required"]) is not (nullable or has_default), name


def test_the_smallest_row_of_the_contract_can_be_inserted(cursor: Any) -> None:
    required = {"id": str(uuid.uuid4()), "user_id": "alice", "prompt": "a lighthouse"}
    assert set(contracts.contracts()["row.schema.json"]["required"]) == set(required)
    cursor.execute(
        "INSERT INTO herald.generations (id, user_id, prompt)"
        " VALUES (%(id)s, %(user_id)s, %(prompt)s) RETURNING status",
        required,
    )
    assert cursor.fetchone() == ("PENDING",)
