"""Keys that are written after their entries are looked up once for the statement; indexes that get another row beside
the one they have find room for it.

PostgreSQL only. A key that comes before its entry waits, as before, until the transaction is committed.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

FOLLOWS = "current_setting('exchange.keys_follow', true)"
REFUSED = "RAISE EXCEPTION 'ledger_key: a row does not refer to its entry' USING ERRCODE = 'foreign_key_violation';"
# What a key refers to stays: entries are append-only. Ids that lie close together are read in a row.
GUARDS = (
    f"""
        CREATE FUNCTION ledger_key_refers() RETURNS trigger LANGUAGE plpgsql
        SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off AS $$
        DECLARE
            lowest bigint; highest bigint; many bigint;
            is_orphan boolean;
        BEGIN
            SELECT min(entry_id), max(entry_id), count(*) INTO lowest, highest, many FROM written;
            IF many > 100 AND highest - lowest < 3 * many THEN
                is_orphan := EXISTS (
                    SELECT 1 FROM written
                    LEFT JOIN (SELECT id FROM ledger_entry WHERE id BETWEEN lowest AND highest) found
                    ON found.id = written.entry_id WHERE found.id IS NULL
                );
            ELSE
                is_orphan := EXISTS (
                    SELECT 1 FROM written
                    WHERE (SELECT found.id FROM ledger_entry found WHERE found.id = written.entry_id) IS NULL
                );
            END IF;
            IF is_orphan THEN
                {REFUSED}
            END IF;
            RETURN NULL;
        END $$
    """,  # noqa: S608 - our own names
    f"""
        CREATE TRIGGER ledger_key_refers AFTER INSERT ON ledger_key REFERENCING NEW TABLE AS written
        FOR EACH STATEMENT WHEN ({FOLLOWS} = 'on') EXECUTE FUNCTION ledger_key_refers()
    """,
    f"""
        CREATE FUNCTION ledger_key_has_its_entry() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS (SELECT 1 FROM ledger_entry WHERE id = NEW.entry_id) THEN
                {REFUSED}
            END IF;
            RETURN NULL;
        END $$
    """,  # noqa: S608 - our own names
    f"""
        CREATE CONSTRAINT TRIGGER ledger_key_has_its_entry AFTER INSERT ON ledger_key DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN ({FOLLOWS} IS DISTINCT FROM 'on') EXECUTE FUNCTION ledger_key_has_its_entry()
    """,
)
# A worker who switches gets a second membership and new lines, and his switch is written anew: an index whose pages
# are full would split them for it, one after the other.
SECOND = (
    "uq_ledger_account_worker",
    "pk_membership",
    "uq_membership_benefit_account_id_starts_at",
    "uq_membership_current",
    "pk_switch",
    "uq_switch_effective",
    "uq_switch_election_id",
    "pk_election",
)


def upgrade():
    if op.get_bind().dialect.name != "postgresql":
        return
    for statement in GUARDS:
        op.execute(statement)
    op.drop_constraint("fk_ledger_key_entry_id_ledger_entry", "ledger_key")
    for index in SECOND:
        op.execute(f"ALTER INDEX {index} SET (fillfactor = 50)")


def downgrade():
    raise NotImplementedError("the books are not made changeable again")
