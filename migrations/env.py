"""Alembic's entry point: the migrations are plain SQL, applied in one transaction.

The database is the one that tooling/migrations.py was called with; HERALD_DATABASE_URL when alembic
is run by hand.
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
        # Of two deployments at once, the second waits and then finds nothing to do.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7203211)")
        context.run_migrations()
