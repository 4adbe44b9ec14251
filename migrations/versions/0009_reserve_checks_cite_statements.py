"""Reserve checks name the journal that they speak of, and cite the statements that they rest on."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FOREIGN_KEY = "fk_reserve_check_journal_size_seal_checkpoint"


def upgrade():
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        op.execute(
            "ALTER TABLE reserve_check ADD COLUMN journal_size INTEGER "
            f"CONSTRAINT {FOREIGN_KEY} REFERENCES seal_checkpoint (size)"
        )
    else:
        op.execute("ALTER TABLE reserve_check ADD COLUMN journal_size BIGINT")
        # Checked apart from adding it: nobody who writes has to wait for a look through the whole table.
        op.execute(
            f"ALTER TABLE reserve_check ADD CONSTRAINT {FOREIGN_KEY} "
            "FOREIGN KEY (journal_size) REFERENCES seal_checkpoint (size) NOT VALID"
        )
        op.execute(f"ALTER TABLE reserve_check VALIDATE CONSTRAINT {FOREIGN_KEY}")
    op.create_index("ix_reserve_check_checked_at", "reserve_check", ["checked_at"], unique=False)
    op.create_table(
        "reserve_check_statement",
        sa.Column("check_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("statement_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"], ["reserve_check.id"], name=op.f("fk_reserve_check_statement_check_id_reserve_check")
        ),
        sa.ForeignKeyConstraint(
            ["statement_id"],
            ["liability_statement.id"],
            name=op.f("fk_reserve_check_statement_statement_id_liability_statement"),
        ),
        sa.PrimaryKeyConstraint("check_id", "statement_id", name=op.f("pk_reserve_check_statement")),
        sqlite_strict=True,
    )
    for statement in sqlite_triggers() if is_sqlite else postgresql_triggers():
        op.execute(statement)


def sqlite_triggers():
    for deed in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER reserve_check_statement_no_{deed.lower()} BEFORE {deed} ON reserve_check_statement "
            "BEGIN SELECT RAISE(ABORT, 'reserve_check_statement is append-only'); END"
        )


def postgresql_triggers():
    refusal = "EXECUTE FUNCTION refuse('reserve_check_statement is append-only')"
    yield (
        "CREATE TRIGGER reserve_check_statement_append_only BEFORE UPDATE OR DELETE ON reserve_check_statement "
        f"FOR EACH ROW {refusal}"
    )
    yield (
        "CREATE TRIGGER reserve_check_statement_no_truncate BEFORE TRUNCATE ON reserve_check_statement "
        f"FOR EACH STATEMENT {refusal}"
    )


def downgrade():
    raise NotImplementedError("what is cited is not taken back")
