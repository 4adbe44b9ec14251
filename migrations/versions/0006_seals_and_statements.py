"""Seals over the journal, and statements of what providers owe."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What is signed stands: no UPDATE, no DELETE (and on PostgreSQL no TRUNCATE).
APPEND_ONLY = (
    "journal_seal",
    "seal_node",
    "seal_checkpoint",
    "liability_statement",
    "liability_block",
    "note_cosignature",
)


def upgrade():
    op.create_table(
        "seal_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_seal_checkpoint")),
        sqlite_strict=True,
    )
    op.create_table(
        "seal_gap",
        sa.Column("first_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("first_id <= last_id", name=op.f("ck_seal_gap_not_empty")),
        sa.PrimaryKeyConstraint("first_id", name=op.f("pk_seal_gap")),
        sqlite_strict=True,
    )
    op.create_table(
        "seal_node",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_seal_node")),
        sqlite_strict=True,
    )
    op.create_table(
        "seal_state",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("highest_entry_id", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column("stopped_because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(stopped_at IS NULL) = (stopped_because IS NULL)", name=op.f("ck_seal_state_stopped_for_a_reason")
        ),
        sa.CheckConstraint("id = 1", name=op.f("ck_seal_state_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seal_state")),
        sqlite_strict=True,
    )
    op.create_table(
        "journal_seal",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["ledger_entry.id"], name=op.f("fk_journal_seal_entry_id_ledger_entry")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_journal_seal")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_journal_seal_entry_id")),
        sqlite_strict=True,
    )
    op.create_table(
        "liability_statement",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("journal_size", sa.BigInteger(), nullable=False),
        sa.Column("period_salt", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sum", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("unit IN ('USD', 'MIN')", name=op.f("ck_liability_statement_unit")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.id"], name=op.f("fk_liability_statement_entry_id_ledger_entry")
        ),
        sa.ForeignKeyConstraint(
            ["journal_size"], ["seal_checkpoint.size"], name=op.f("fk_liability_statement_journal_size_seal_checkpoint")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_liability_statement_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_liability_statement")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_liability_statement_entry_id")),
        sa.UniqueConstraint(
            "organization_id",
            "component",
            "unit",
            "journal_size",
            "as_of",
            name=op.f("uq_liability_statement_organization_id_component_unit_journal_size_as_of"),
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_liability_statement_journal_size", "liability_statement", ["journal_size"], unique=False)
    op.create_table(
        "liability_block",
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("sum", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["statement_id"],
            ["liability_statement.id"],
            name=op.f("fk_liability_block_statement_id_liability_statement"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("statement_id", "position", name=op.f("pk_liability_block")),
        sqlite_strict=True,
    )
    op.create_table(
        "liability_leaf",
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("account_number", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("legal_name", sa.Text(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["ledger_account.id"], name=op.f("fk_liability_leaf_account_id_ledger_account")
        ),
        sa.ForeignKeyConstraint(
            ["statement_id"],
            ["liability_statement.id"],
            name=op.f("fk_liability_leaf_statement_id_liability_statement"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("statement_id", "leaf_hash", name=op.f("pk_liability_leaf")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_liability_leaf_account_number_statement_id",
        "liability_leaf",
        ["account_number", "statement_id"],
        unique=False,
    )
    op.create_table(
        "note_cosignature",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint_size", sa.BigInteger(), nullable=True),
        sa.Column("statement_id", sa.BigInteger(), nullable=True),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(checkpoint_size IS NULL) <> (statement_id IS NULL)", name=op.f("ck_note_cosignature_one_note")
        ),
        sa.ForeignKeyConstraint(
            ["checkpoint_size"],
            ["seal_checkpoint.size"],
            name=op.f("fk_note_cosignature_checkpoint_size_seal_checkpoint"),
        ),
        sa.ForeignKeyConstraint(
            ["statement_id"],
            ["liability_statement.id"],
            name=op.f("fk_note_cosignature_statement_id_liability_statement"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_note_cosignature")),
        sa.UniqueConstraint("checkpoint_size", "line", name=op.f("uq_note_cosignature_checkpoint_size_line")),
        sa.UniqueConstraint("statement_id", "line", name=op.f("uq_note_cosignature_statement_id_line")),
        sqlite_strict=True,
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for table in APPEND_ONLY:
        for statement in sqlite_triggers(table) if is_sqlite else postgresql_triggers(table):
            op.execute(statement)


def sqlite_triggers(table):
    for deed in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def postgresql_triggers(table):
    refusal = f"EXECUTE FUNCTION refuse('{table} is append-only')"
    yield f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {refusal}"
    yield f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refusal}"


def downgrade():
    raise NotImplementedError("what is signed is not taken back")
