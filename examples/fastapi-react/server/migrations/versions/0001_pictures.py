"""The application's own table."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "pictures",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("style", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["generation_id"], ["herald.generations.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("generation_id"),
    )


def downgrade() -> None:
    op.drop_table("pictures")
