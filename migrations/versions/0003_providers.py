"""What providers report: outputs and progress, and the provider's own id of a generation."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # All columns may stay NULL, so the running version, and the views of revision 0002, are not
    # affected. `provider` and `provider_id` are the integrator's; the other columns are Herald's.
    op.execute(
        """
        ALTER TABLE generations
            ADD COLUMN provider    text,
            ADD COLUMN provider_id text,
            ADD COLUMN outputs     jsonb,
            ADD COLUMN progress    jsonb,
            ADD COLUMN progress_at timestamptz;
        CREATE UNIQUE INDEX generations_by_provider ON generations (provider, provider_id)
            WHERE provider IS NOT NULL AND provider_id IS NOT NULL;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE generations
            DROP COLUMN provider, DROP COLUMN provider_id, DROP COLUMN outputs,
            DROP COLUMN progress, DROP COLUMN progress_at;
        """
    )
