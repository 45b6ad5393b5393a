"""Alembic's environment: the application's tables, without Herald's."""

from alembic import context

from database import Base, engine
from herald_client.server.autogenerate import without_herald

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, **without_herald())
    with context.begin_transaction():
        context.run_migrations()
