"""Reports of providers: outputs, progress, the provider's id, and reports without a generation."""

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

        -- Results of generations that are not known yet, for a day. `generation_id` is Herald's id,
        -- if the provider returns it.
        CREATE TABLE unmatched_reports (
            key           text PRIMARY KEY,
            provider      text NOT NULL,
            generation_id uuid,
            provider_id   text,
            result        json NOT NULL,
            received_at   timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX unmatched_reports_received ON unmatched_reports (received_at);

        -- The functions' role needs the same rights to it as to the outbox.
        DO $grants$
        DECLARE
            held record;
        BEGIN
            FOR held IN
                SELECT privilege_type AS privilege,
                       CASE grantee WHEN 0 THEN 'PUBLIC'
                           ELSE quote_ident(pg_get_userbyid(grantee)) END AS role
                FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner)))
                WHERE pg_class.oid = 'outbox'::regclass
            LOOP
                EXECUTE format('GRANT %s ON unmatched_reports TO %s', held.privilege, held.role);
            END LOOP;
        END
        $grants$;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE unmatched_reports;
        ALTER TABLE generations
            DROP COLUMN provider, DROP COLUMN provider_id, DROP COLUMN outputs,
            DROP COLUMN progress, DROP COLUMN progress_at;
        """
    )
