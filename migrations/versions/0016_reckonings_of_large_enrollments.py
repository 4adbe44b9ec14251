"""What a projection or a rehearsal of a large enrollment came to, added up in the background."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "reckoning",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("window_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=True),
        sa.Column("reckoned_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('projection', 'rehearsal')", name=op.f("ck_reckoning_kind")),
        sa.CheckConstraint("(reckoned_at IS NULL) = (result IS NULL)", name=op.f("ck_reckoning_whole")),
        sa.ForeignKeyConstraint(
            ["window_id"], ["enrollment_window.id"], name=op.f("fk_reckoning_window_id_enrollment_window")
        ),
        sa.ForeignKeyConstraint(["asked_by_id"], ["login.id"], name=op.f("fk_reckoning_asked_by_id_login")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reckoning")),
        sqlite_strict=True,
    )
    op.create_index("ix_reckoning_window_id_kind", "reckoning", ["window_id", "kind", "id"])
    op.create_index(
        "ix_reckoning_waiting",
        "reckoning",
        ["id"],
        postgresql_where=sa.text("reckoned_at IS NULL"),
        sqlite_where=sa.text("reckoned_at IS NULL"),
    )


def downgrade():
    op.drop_table("reckoning")
