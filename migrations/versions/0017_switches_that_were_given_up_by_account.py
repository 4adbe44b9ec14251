"""An account's switches are found without reading all: those that were given up have an index as well."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade():
    # Nearly no row is in it: the table is read once, and nothing is sorted.
    op.create_index(
        "ix_switch_abandoned",
        "switch",
        ["benefit_account_id"],
        postgresql_where=sa.text("state = 'abandoned'"),
        sqlite_where=sa.text("state = 'abandoned'"),
    )


def downgrade():
    op.drop_index("ix_switch_abandoned", table_name="switch")
