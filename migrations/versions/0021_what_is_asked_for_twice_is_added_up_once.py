"""Of two who ask for the same projection or rehearsal at the same instant, one asks and the other waits with him."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade():
    op.execute(
        "DELETE FROM reckoning WHERE reckoned_at IS NULL AND id > (SELECT min(other.id) FROM reckoning other"
        " WHERE other.window_id = reckoning.window_id AND other.kind = reckoning.kind AND other.reckoned_at IS NULL)"
    )
    waiting = sa.text("reckoned_at IS NULL")
    op.create_index(
        "uq_reckoning_waiting",
        "reckoning",
        ["window_id", "kind"],
        unique=True,
        postgresql_where=waiting,
        sqlite_where=waiting,
    )


def downgrade():
    op.drop_index("uq_reckoning_waiting", table_name="reckoning")
