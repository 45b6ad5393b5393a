"""Herald's tables, in a schema of their own. All SQL uses their qualified names."""

import re

from chalicelib.errors import SettingError

DEFAULT_SCHEMA = "herald"
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_TAKEN = re.compile(r"pg_.*|information_schema|public")  # PostgreSQL's schemas, and the shared one


class Tables:
    """The qualified names of the tables, quoted for SQL.

    Raises
    ------
    SettingError
        The schema is not an identifier of lower-case letters, digits and underscores, or other
        software uses it.
    """

    def __init__(self, schema: str = DEFAULT_SCHEMA) -> None:
        if not _IDENTIFIER.fullmatch(schema) or _TAKEN.fullmatch(schema):
            raise SettingError(
                f"HERALD_DATABASE_SCHEMA cannot be {schema!r}: use up to 63 lower-case letters,"
                " digits and underscores, and a schema that only Herald uses."
            )
        self.schema = f'"{schema}"'
        self.generations = f"{self.schema}.generations"
        self.outbox = f"{self.schema}.outbox"
        self.polling = f"{self.schema}.polling"
        self.streams = f"{self.schema}.streams"
        self.unmatched_reports = f"{self.schema}.unmatched_reports"
        self.webhook_receipts = f"{self.schema}.webhook_receipts"
