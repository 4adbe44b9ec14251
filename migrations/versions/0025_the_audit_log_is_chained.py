"""The audit log is hashed onto a chain, whose links stand in the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "audit_link",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("highest_id", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("number > 0 AND events >= 0", name=op.f("ck_audit_link_counted")),
        sa.CheckConstraint("last_id <= highest_id", name=op.f("ck_audit_link_in_order")),
        sa.ForeignKeyConstraint(["entry_id"], ["ledger_entry.id"], name=op.f("fk_audit_link_entry_id_ledger_entry")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_link")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_audit_link_entry_id")),
        sqlite_strict=True,
    )
    for statement in sqlite_triggers() if op.get_bind().dialect.name == "sqlite" else postgresql_triggers():
        op.execute(statement)


def sqlite_triggers():
    for deed in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER audit_link_no_{deed.lower()} BEFORE {deed} ON audit_link "
            "BEGIN SELECT RAISE(ABORT, 'audit_link is append-only'); END"
        )


def postgresql_triggers():
    refusal = "EXECUTE FUNCTION refuse('audit_link is append-only')"
    yield f"CREATE TRIGGER audit_link_append_only BEFORE UPDATE OR DELETE ON audit_link FOR EACH ROW {refusal}"
    yield f"CREATE TRIGGER audit_link_no_truncate BEFORE TRUNCATE ON audit_link FOR EACH STATEMENT {refusal}"


def downgrade():
    raise NotImplementedError("what the journal names is not taken back")
