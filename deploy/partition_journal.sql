-- The journal in partitions by ranges of its growing ids: old ones can be moved to slower disks, backed up once, and
-- vacuumed by themselves. Run by the owner of the program's schema (first on the search path), once, while nothing
-- posts (stop web, scheduler and sealer): what is posted is copied. docs/scale.md says when it is worth it.
--
--   PGOPTIONS="-c search_path=washington" psql --username=exchange_owner --dbname=exchange \
--       --set=ON_ERROR_STOP=1 --single-transaction --file=deploy/partition_journal.sql
--
-- Rows in a partition: 100 million; another figure by  -c journal.rows_per_partition=…  in PGOPTIONS.
DO $partition$
DECLARE
    rows_each bigint := coalesce(nullif(current_setting('journal.rows_per_partition', true), ''), '100000000')::bigint;
    plan record;
    found record;
    highest bigint;
    part bigint;
    again text[];
BEGIN
    FOR plan IN SELECT * FROM (VALUES ('ledger_entry', 'id'), ('ledger_transfer', 'entry_id')) AS p (name, key) LOOP
        -- Everything that names the table: foreign keys from and to it, and its triggers.
        again := ARRAY[]::text[];
        FOR found IN
            SELECT conrelid::regclass AS holder, conname, pg_get_constraintdef(oid) AS definition
            FROM pg_constraint
            WHERE contype = 'f' AND conparentid = 0 AND (conrelid = plan.name::regclass OR confrelid = plan.name::regclass)
        LOOP
            again := again || format('ALTER TABLE %s ADD CONSTRAINT %I %s', found.holder, found.conname, found.definition);
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.holder, found.conname);
        END LOOP;
        FOR found IN
            SELECT pg_get_triggerdef(oid) AS definition
            FROM pg_trigger WHERE tgrelid = plan.name::regclass AND NOT tgisinternal
        LOOP
            again := again || found.definition;
        END LOOP;
        FOR found IN
            SELECT grantee, privilege_type FROM information_schema.role_table_grants
            WHERE table_schema = current_schema() AND table_name = plan.name AND grantee <> grantor
        LOOP
            again := again || format('GRANT %s ON %I TO %I', found.privilege_type, plan.name, found.grantee);
        END LOOP;

        EXECUTE format('ALTER TABLE %I RENAME TO %I', plan.name, plan.name || '_whole');
        EXECUTE format(
            'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (%I)',
            plan.name, plan.name || '_whole', plan.key
        );
        EXECUTE format('SELECT coalesce(max(%I), 0) FROM %I', plan.key, plan.name || '_whole') INTO highest;
        -- One more than is needed today, and one for whatever comes before somebody adds the next.
        FOR part IN 0 .. highest / rows_each + 1 LOOP
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)',
                plan.name || '_' || part, plan.name, part * rows_each, (part + 1) * rows_each
            );
        END LOOP;
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', plan.name || '_rest', plan.name);
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', plan.name, plan.name || '_whole');

        -- Names of indexes and keys go over to the new table.
        FOR found IN
            SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
            WHERE conrelid = (plan.name || '_whole')::regclass AND contype IN ('p', 'u')
        LOOP
            EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', plan.name || '_whole', found.conname);
            EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I %s', plan.name, found.conname, found.definition);
        END LOOP;
        FOR found IN
            SELECT indexrelid::regclass::text AS name,
                   replace(pg_get_indexdef(indexrelid), plan.name || '_whole', plan.name) AS definition
            FROM pg_index WHERE indrelid = (plan.name || '_whole')::regclass
        LOOP
            EXECUTE format('DROP INDEX %s', found.name);
            EXECUTE found.definition;
        END LOOP;
        FOR found IN
            SELECT pg_get_serial_sequence(plan.name || '_whole', plan.key) AS name
        LOOP
            IF found.name IS NOT NULL THEN
                EXECUTE format('ALTER SEQUENCE %s OWNED BY %I.%I', found.name, plan.name, plan.key);
            END IF;
        END LOOP;
        EXECUTE format('DROP TABLE %I', plan.name || '_whole');
        FOR part IN 1 .. coalesce(array_length(again, 1), 0) LOOP
            EXECUTE again[part];
        END LOOP;
        -- What a statement writes is looked at where the statement names the whole table: a part is never named.
        FOR found IN SELECT inhrelid::regclass AS name FROM pg_inherits WHERE inhparent = plan.name::regclass LOOP
            EXECUTE format(
                'CREATE TRIGGER by_the_whole BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s'
                ' FOR EACH STATEMENT EXECUTE FUNCTION refuse(%L)',
                found.name, 'a part of ' || plan.name || ' is reached by the whole'
            );
        END LOOP;
    END LOOP;
END
$partition$;
