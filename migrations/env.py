"""Alembic's entry point. Migrations are plain SQL, and all of them are applied in one transaction.

tooling/migrations.py passes the database and the schema. If alembic is run by hand, they come from
HERALD_DATABASE_URL and HERALD_DATABASE_SCHEMA.
"""

import os
import sys

from alembic import context

from chalicelib.recording.tables import DEFAULT_SCHEMA
from tooling import migrations

attributes = context.config.attributes
dsn = attributes.get("dsn") or os.environ.get("HERALD_DATABASE_URL")
schema = attributes.get("schema") or os.environ.get("HERALD_DATABASE_SCHEMA") or DEFAULT_SCHEMA
if not dsn:
    sys.exit("HERALD_DATABASE_URL is not set: postgresql://user:password@host:5432/database")

with migrations.engine(dsn).connect() as connection:
    context.configure(
        connection=connection,
        version_table=migrations.VERSION_TABLE,
        version_table_schema=schema,
    )
    with context.begin_transaction():
        # If two deployments migrate concurrently, the second waits for this lock and then finds
        # that all migrations are applied.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7203211)")
        migrations.prepare(connection, schema)
        context.run_migrations()
