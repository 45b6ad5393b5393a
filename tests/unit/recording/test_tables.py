"""The schema of Herald's tables."""

import pytest

from chalicelib.errors import SettingError
from chalicelib.recording.tables import Tables


def test_every_table_is_named_with_its_schema() -> None:
    tables = Tables("order")
    assert tables.generations == '"order".generations'
    assert tables.outbox == '"order".outbox'
    assert tables.streams == '"order".streams'
    assert tables.webhook_receipts == '"order".webhook_receipts'
    assert Tables().outbox == '"herald".outbox'


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "Herald",
        "a b",
        'x"; DROP TABLE y; --',
        "9lives",
        "é",
        "a" * 64,
        "public",
        "pg_herald",
        "a\n",
    ],
)
def test_a_schema_is_an_identifier_that_is_heralds_alone(schema: str) -> None:
    with pytest.raises(SettingError, match="HERALD_DATABASE_SCHEMA"):
        Tables(schema)
