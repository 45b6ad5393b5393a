"""Alembic's entry point: migrates HERALD_DATABASE_URL; the migrations are plain SQL."""

import os
import sys

from alembic import context
from sqlalchemy import create_engine, pool

url = os.environ.get("HERALD_DATABASE_URL", "")
if not url:
    sys.exit("HERALD_DATABASE_URL is not set: postgresql://user:password@host:5432/database")

engine = create_engine(
    url.replace("postgresql://", "postgresql+psycopg2://", 1), poolclass=pool.NullPool
)
with engine.connect() as connection:
    context.configure(connection=connection, version_table="herald_migrations")
    with context.begin_transaction():
        # Of two deployments at once, the second waits and then finds nothing to do.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7203211)")
        context.run_migrations()
