"""Sums of the books that are kept beside them, and how far the journal is counted into them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "ledger_counted",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("highest_entry_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_ledger_counted_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_counted")),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_count_gap",
        sa.Column("first_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("first_id <= last_id", name=op.f("ck_ledger_count_gap_not_empty")),
        sa.PrimaryKeyConstraint("first_id", name=op.f("pk_ledger_count_gap")),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_total",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('worker', 'pool', 'fee', 'funds', 'outside', 'accrual')", name=op.f("ck_ledger_total_kind")
        ),
        sa.CheckConstraint("unit IN ('USD', 'MIN')", name=op.f("ck_ledger_total_unit")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_ledger_total_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("organization_id", "kind", "component", "unit", name=op.f("pk_ledger_total")),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_pool_day",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_ledger_pool_day_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("organization_id", "effective_on", name=op.f("pk_ledger_pool_day")),
        sqlite_strict=True,
    )


def downgrade():
    op.drop_table("ledger_pool_day")
    op.drop_table("ledger_total")
    op.drop_table("ledger_count_gap")
    op.drop_table("ledger_counted")
