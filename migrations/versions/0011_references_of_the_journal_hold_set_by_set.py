"""What the ledger's largest tables refer to is checked once for each statement, and orders are found by a short index.

PostgreSQL only, for the references: SQLite's foreign keys take no locks and cost little; they stay as they are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Each row that does not refer to what is there: (table, its name for what it must refer to, when a row is refused).
# Looked up row by row by primary key, whatever the planner thinks of a table that was empty when it was first asked.
LINE = "(SELECT a.unit FROM ledger_account a WHERE a.id = written.{end}_id) IS DISTINCT FROM written.unit"
ENTRY = "(SELECT e.id FROM ledger_entry e WHERE e.id = written.entry_id) IS NULL"
REFERENCES = (
    (
        "ledger_transfer",
        "its entry and two ledger accounts of its unit",
        " OR ".join((LINE.format(end="source"), LINE.format(end="target"), ENTRY)),
    ),
    (
        "ledger_balance",
        "its ledger account",
        "(SELECT a.id FROM ledger_account a WHERE a.id = written.account_id) IS NULL",
    ),
    (
        "ledger_account",
        "its organization",
        "(SELECT o.id FROM organization o WHERE o.id = written.organization_id) IS NULL",
    ),
)
REPLACED = (
    ("ledger_transfer", "fk_ledger_transfer_source"),
    ("ledger_transfer", "fk_ledger_transfer_target"),
    ("ledger_transfer", "fk_ledger_transfer_entry_id_ledger_entry"),
    ("ledger_balance", "fk_ledger_balance_account_id_ledger_account"),
    ("ledger_account", "fk_ledger_account_organization_id_organization"),
    # Nothing else needed it than the two that held a transfer's ends to its unit.
    ("ledger_account", "uq_ledger_account_id_unit"),
)


def upgrade():
    # Only orders that are not carried out stand in it: carrying them out takes them off and writes nothing.
    ordered = sa.text("state = 'ordered'")
    op.create_index(
        "ix_switch_ordered", "switch", ["effective_at", "id"], postgresql_where=ordered, sqlite_where=ordered
    )
    op.drop_index("ix_switch_state_effective_at_id", "switch")
    if op.get_bind().dialect.name == "postgresql":
        for statement in (*guards(), *parents()):
            op.execute(statement)
        for table, name in REPLACED:
            op.drop_constraint(name, table)


def guards():
    for table, what, orphan in REFERENCES:
        yield f"""
            CREATE FUNCTION {table}_refers() RETURNS trigger LANGUAGE plpgsql
            SET enable_seqscan = off SET jit = off AS $$
            BEGIN
                IF EXISTS (SELECT 1 FROM written WHERE {orphan}) THEN
                    RAISE EXCEPTION '{table}: a row does not refer to {what}' USING ERRCODE = 'foreign_key_violation';
                END IF;
                RETURN NULL;
            END $$
        """  # noqa: S608 - our own names
        yield f"""
            CREATE TRIGGER {table}_refers AFTER INSERT ON {table} REFERENCING NEW TABLE AS written
            FOR EACH STATEMENT EXECUTE FUNCTION {table}_refers()
        """


def parents():
    """What is referred to stays: entries and ledger accounts are append-only already, and so is what a transfer says."""
    yield """
        CREATE TRIGGER ledger_balance_stays BEFORE UPDATE OF account_id ON ledger_balance FOR EACH ROW
        WHEN (OLD.account_id <> NEW.account_id) EXECUTE FUNCTION refuse('ledger_balance: fixed columns')
    """
    yield """
        CREATE TRIGGER organization_stays BEFORE DELETE ON organization FOR EACH ROW
        EXECUTE FUNCTION refuse('an organization stays')
    """
    yield """
        CREATE TRIGGER organization_keeps_its_id BEFORE UPDATE OF id ON organization FOR EACH ROW
        WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse('organization: fixed columns')
    """
    yield """
        CREATE TRIGGER organization_no_truncate BEFORE TRUNCATE ON organization FOR EACH STATEMENT
        EXECUTE FUNCTION refuse('an organization stays')
    """


def downgrade():
    raise NotImplementedError("the books are not made changeable again")
