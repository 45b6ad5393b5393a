"""A separate schema for Herald: moves the tables of revision 0001 out of the shared schema."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        DO $migration$
        DECLARE
            home   text := current_schema();
            shared text;
            moving text;
            wanted text[];
            found  text[];
            modern boolean;
            viewed boolean;
            held   record;
        BEGIN
            -- Nobody else uses this function's name, so its schema is Herald's present schema. In
            -- a new database, that is already the new schema.
            SELECT nspname INTO STRICT shared
            FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
            WHERE pg_proc.oid = to_regproc('herald_epoch');
            IF shared = home THEN
                RETURN;
            END IF;

            FOR moving, wanted IN VALUES
                ('generations', '{id,user_id,status,prompt,image_url,image_height,image_width,'
                    'core_model,error,version,created_at,updated_at}'::text[]),
                ('streams', '{user_id,epoch,last_offset}'),
                ('outbox', '{id,event,created_at,published_at}'),
                ('webhook_receipts', '{id,received_at}')
            LOOP
                SELECT array_agg(attname::text) INTO found
                FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                WHERE attrelid = to_regclass(format('%I.%I', shared, moving))
                  AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped;
                IF found IS NULL OR NOT found @> wanted THEN
                    RAISE EXCEPTION 'Table %.% is not the one that Herald created. Nothing was '
                        'migrated.', shared, moving;
                END IF;

                EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', shared, moving, home);

                -- For one release, because the running version and applications use the old names.
                -- Before PostgreSQL 15, a view would bypass row-level security.
                modern := current_setting('server_version_num')::int >= 150000;
                viewed := modern OR NOT (SELECT relrowsecurity FROM pg_class
                    WHERE pg_class.oid = to_regclass(format('%I.%I', home, moving)));
                IF viewed THEN
                    EXECUTE format('CREATE VIEW %I.%I %s AS SELECT * FROM %I.%I', shared, moving,
                        CASE WHEN modern THEN 'WITH (security_invoker = true)' ELSE '' END,
                        home, moving);
                    EXECUTE format('COMMENT ON VIEW %I.%I IS %L', shared, moving,
                        format('Herald: use %I.%I; the next release drops this view.',
                            home, moving));
                END IF;

                -- Roles keep their rights to the table or to some of its columns.
                FOR held IN
                    SELECT privilege_type || coalesce(' (' || quote_ident(column_name) || ')', '')
                               AS privilege,
                           CASE grantee WHEN 0 THEN 'PUBLIC'
                               ELSE quote_ident(pg_get_userbyid(grantee)) END AS role
                    FROM (
                        SELECT NULL AS column_name,
                               coalesce(relacl, acldefault('r', relowner)) AS acl
                        FROM pg_class
                        WHERE pg_class.oid = to_regclass(format('%I.%I', home, moving))
                        UNION ALL
                        SELECT attname, attacl FROM pg_attribute
                        WHERE attrelid = to_regclass(format('%I.%I', home, moving))
                    ) AS granted, aclexplode(acl)
                LOOP
                    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', home, held.role);
                    IF viewed THEN
                        EXECUTE format('GRANT %s ON %I.%I TO %s', held.privilege, shared, moving,
                            held.role);
                    END IF;
                END LOOP;
            END LOOP;
            EXECUTE format('ALTER FUNCTION %I.herald_epoch() SET SCHEMA %I', shared, home);
        END
        $migration$
        """
    )
