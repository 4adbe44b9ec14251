"""Bundles of the books that regulators asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "bundle_order",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("written_at", sa.BigInteger(), nullable=True),
        sa.Column("entries", sa.BigInteger(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(written_at IS NULL) = (entries IS NULL) AND (written_at IS NULL) = (length IS NULL)"
            " AND (written_at IS NULL) = (sha256 IS NULL)",
            name=op.f("ck_bundle_order_written_whole"),
        ),
        sa.CheckConstraint(
            "removed_at IS NULL OR written_at IS NOT NULL", name=op.f("ck_bundle_order_removed_after_written")
        ),
        sa.ForeignKeyConstraint(["asked_by_id"], ["login.id"], name=op.f("fk_bundle_order_asked_by_id_login")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle_order")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_bundle_order_waiting",
        "bundle_order",
        ["id"],
        unique=False,
        postgresql_where=sa.text("written_at IS NULL"),
        sqlite_where=sa.text("written_at IS NULL"),
    )


def downgrade():
    op.drop_table("bundle_order")
