"""Alembic's entry point. Migrations are plain SQL, and all of them are applied in one transaction.

tooling/migrations.py passes the connection. If alembic is called directly, the database is the one
in HERALD_DATABASE_URL.
"""

import os
import sys

from alembic import context

from tooling import migrations

dsn = context.config.attributes.get("dsn") or os.environ.get("HERALD_DATABASE_URL")
if not dsn:
    sys.exit("HERALD_DATABASE_URL is not set: postgresql://user:password@host:5432/database")

with migrations.engine(dsn).connect() as connection:
    context.configure(connection=connection, version_table=migrations.VERSION_TABLE)
    with context.begin_transaction():
        # If two deployments migrate concurrently, the second waits for this lock and then finds
        # that all migrations are applied.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7203211)")
        context.run_migrations()
