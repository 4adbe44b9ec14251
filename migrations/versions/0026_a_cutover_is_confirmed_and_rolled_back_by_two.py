"""To confirm a cutover, and to roll it back, takes two operators.

Code of before goes on beside it: there one operator decides.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "cutover_proposal",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("window_id", sa.BigInteger(), nullable=False),
        sa.Column("deed", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("proposed_by_id", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_by_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("deed IN ('confirm', 'roll_back')", name=op.f("ck_cutover_proposal_deed")),
        sa.CheckConstraint("state IN ('proposed', 'agreed', 'rejected')", name=op.f("ck_cutover_proposal_state")),
        sa.CheckConstraint(
            "(state = 'proposed') = (answered_at IS NULL)", name=op.f("ck_cutover_proposal_answered_when")
        ),
        sa.CheckConstraint(
            "state <> 'agreed' OR answered_by_id <> proposed_by_id", name=op.f("ck_cutover_proposal_two_people")
        ),
        sa.ForeignKeyConstraint(
            ["answered_by_id"], ["login.id"], name=op.f("fk_cutover_proposal_answered_by_id_login")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by_id"], ["login.id"], name=op.f("fk_cutover_proposal_proposed_by_id_login")
        ),
        sa.ForeignKeyConstraint(
            ["window_id"], ["enrollment_window.id"], name=op.f("fk_cutover_proposal_window_id_enrollment_window")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cutover_proposal")),
        sqlite_strict=True,
    )
    is_open = sa.text("state = 'proposed'")
    op.create_index(
        "uq_cutover_proposal_open",
        "cutover_proposal",
        ["window_id"],
        unique=True,
        postgresql_where=is_open,
        sqlite_where=is_open,
    )


def downgrade():
    op.drop_table("cutover_proposal")
