"""The books: accounts, entries, transfers, balances."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("posted_at", sa.BigInteger(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("details_digest", sa.LargeBinary(), nullable=True),
        sa.Column("corrects_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["corrects_id"], ["ledger_entry.id"], name=op.f("fk_ledger_entry_corrects_id_ledger_entry")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entry")),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_account",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("holder_id", sa.BigInteger(), nullable=True),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'worker') = (holder_id IS NOT NULL)", name=op.f("ck_ledger_account_worker_has_holder")
        ),
        sa.CheckConstraint(
            "kind IN ('worker', 'pool', 'fee', 'funds', 'outside', 'accrual')", name=op.f("ck_ledger_account_kind")
        ),
        sa.CheckConstraint("unit IN ('USD', 'MIN')", name=op.f("ck_ledger_account_unit")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_ledger_account_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_account")),
        sa.UniqueConstraint("id", "unit", name=op.f("uq_ledger_account_id_unit")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_ledger_account_shared",
        "ledger_account",
        ["organization_id", "kind", "component", "unit"],
        unique=True,
        postgresql_where=sa.text("holder_id IS NULL"),
        sqlite_where=sa.text("holder_id IS NULL"),
    )
    op.create_index(
        "uq_ledger_account_worker",
        "ledger_account",
        ["holder_id", "organization_id", "component", "unit"],
        unique=True,
        postgresql_where=sa.text("holder_id IS NOT NULL"),
        sqlite_where=sa.text("holder_id IS NOT NULL"),
    )
    op.create_table(
        "ledger_detail",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["ledger_entry.id"], name=op.f("fk_ledger_detail_entry_id_ledger_entry")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_ledger_detail")),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_key",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["ledger_entry.id"],
            name=op.f("fk_ledger_key_entry_id_ledger_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_ledger_key")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_ledger_key_entry_id")),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_balance",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_ledger_balance_never_negative")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["ledger_account.id"], name=op.f("fk_ledger_balance_account_id_ledger_account")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_ledger_balance")),
        postgresql_with={"fillfactor": "45"},
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_shared_balance",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["ledger_account.id"], name=op.f("fk_ledger_shared_balance_account_id_ledger_account")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_ledger_shared_balance")),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_shared_delta",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["ledger_account.id"], name=op.f("fk_ledger_shared_delta_account_id_ledger_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_shared_delta")),
        sqlite_strict=True,
    )
    op.create_index("ix_ledger_shared_delta_account_id", "ledger_shared_delta", ["account_id"], unique=False)
    op.create_table(
        "ledger_transfer",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("unit IN ('USD', 'MIN')", name=op.f("ck_ledger_transfer_unit")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_ledger_transfer_positive")),
        sa.CheckConstraint("source_id <> target_id", name=op.f("ck_ledger_transfer_two_accounts")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.id"], name=op.f("fk_ledger_transfer_entry_id_ledger_entry")
        ),
        sa.ForeignKeyConstraint(
            ["source_id", "unit"], ["ledger_account.id", "ledger_account.unit"], name="fk_ledger_transfer_source"
        ),
        sa.ForeignKeyConstraint(
            ["target_id", "unit"], ["ledger_account.id", "ledger_account.unit"], name="fk_ledger_transfer_target"
        ),
        sa.PrimaryKeyConstraint("entry_id", "seq", name=op.f("pk_ledger_transfer")),
        sqlite_strict=True,
    )
    op.create_index("ix_ledger_transfer_source_id", "ledger_transfer", ["source_id"], unique=False)
    op.create_index("ix_ledger_transfer_target_id", "ledger_transfer", ["target_id"], unique=False)


def downgrade():
    op.drop_table("ledger_transfer")
    op.drop_table("ledger_shared_delta")
    op.drop_table("ledger_shared_balance")
    op.drop_table("ledger_balance")
    op.drop_table("ledger_key")
    op.drop_table("ledger_detail")
    op.drop_table("ledger_account")
    op.drop_table("ledger_entry")
