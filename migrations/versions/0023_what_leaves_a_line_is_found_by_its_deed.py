"""What leaves a worker's line is leave he took or a contribution taken back, and those know their entries: an index of
all transfers by where they come from, which is mostly the world, is not kept for that.

Code of before goes on beside it; until it is replaced a worker's statement is slow in a large journal.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade():
    op.drop_index("ix_ledger_transfer_source_id", table_name="ledger_transfer")


def downgrade():
    op.create_index("ix_ledger_transfer_source_id", "ledger_transfer", ["source_id"])
