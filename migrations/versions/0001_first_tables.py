"""Generations, streams, outbox and webhook receipts."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        -- A UUIDv7 (RFC 9562): epochs sort by age, and an epoch shows when its stream began.
        CREATE FUNCTION herald_epoch() RETURNS uuid LANGUAGE sql VOLATILE AS $$
            SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
                    || '7' || substr(random_part, 14, 3)
                    || '8' || substr(random_part, 18, 3)
                    || substr(random_part, 21, 12))::uuid
            FROM (SELECT replace(gen_random_uuid()::text, '-', '') AS random_part) AS source
        $$;

        -- The integrator inserts PENDING rows; Herald adds the results.
        CREATE TABLE generations (
            id           uuid PRIMARY KEY,
            user_id      text NOT NULL CHECK (user_id <> ''),
            status       text NOT NULL DEFAULT 'PENDING'
                         CHECK (status IN ('PENDING', 'COMPLETE', 'ERROR')),
            prompt       text NOT NULL,
            image_url    text,
            image_height integer,
            image_width  integer,
            core_model   text,
            error        jsonb,
            version      integer NOT NULL DEFAULT 1,
            created_at   timestamptz NOT NULL DEFAULT now(),
            updated_at   timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX generations_by_user ON generations (user_id, created_at DESC);

        -- After restoring a backup, give every stream a new epoch: `./herald new-epoch`.
        CREATE TABLE streams (
            user_id     text PRIMARY KEY,
            epoch       uuid NOT NULL DEFAULT herald_epoch(),
            last_offset bigint NOT NULL CHECK (last_offset >= 0)
        );

        -- json, not jsonb: the relay publishes the same bytes as the callback.
        CREATE TABLE outbox (
            id           uuid PRIMARY KEY,
            event        json NOT NULL,
            created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
            published_at timestamptz
        );
        CREATE INDEX outbox_unpublished ON outbox (created_at) WHERE published_at IS NULL;
        CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

        CREATE TABLE webhook_receipts (
            id          text PRIMARY KEY,
            received_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX webhook_receipts_received ON webhook_receipts (received_at);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE webhook_receipts, outbox, streams, generations;
        DROP FUNCTION herald_epoch();
        """
    )
