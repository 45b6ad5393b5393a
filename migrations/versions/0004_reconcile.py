"""Look-ups at providers and deadlines, so that a webhook that never comes is not a loss."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # `checks` counts look-ups. It stays NULL in rows of earlier versions, which are not watched:
    # the default is set afterwards, so that only new rows get it. `next_check_at` is NULL until
    # `reconcile` first sees the row. `deadline_at` may be set by the integrator. `provisional` is
    # true after Herald's own timeout or cancellation, until a result supersedes it.
    op.execute(
        """
        ALTER TABLE generations
            ADD COLUMN deadline_at   timestamptz,
            ADD COLUMN next_check_at timestamptz,
            ADD COLUMN checks        integer,
            ADD COLUMN provisional   boolean NOT NULL DEFAULT false;
        ALTER TABLE generations ALTER COLUMN checks SET DEFAULT 0;
        CREATE INDEX generations_to_check ON generations (provider, next_check_at)
            WHERE status = 'PENDING' AND provider IS NOT NULL AND checks IS NOT NULL;
        CREATE INDEX generations_by_deadline ON generations (deadline_at)
            WHERE status = 'PENDING' AND deadline_at IS NOT NULL;

        -- The look-ups of each provider in the current minute, and until when it wants no more.
        CREATE TABLE polling (
            provider     text PRIMARY KEY,
            minute       timestamptz NOT NULL DEFAULT now(),
            calls        integer NOT NULL DEFAULT 0,
            paused_until timestamptz NOT NULL DEFAULT '-infinity'
        );

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
                EXECUTE format('GRANT %s ON polling TO %s', held.privilege, held.role);
            END LOOP;
        END
        $grants$;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE polling;
        ALTER TABLE generations
            DROP COLUMN deadline_at, DROP COLUMN next_check_at, DROP COLUMN checks,
            DROP COLUMN provisional;
        """
    )
