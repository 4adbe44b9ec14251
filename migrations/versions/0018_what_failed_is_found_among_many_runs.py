"""What failed is found among the runs of years, at every tick."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade():
    failed = sa.text("state = 'failed'")
    op.create_index("ix_job_run_failed", "job_run", ["name", "due_key"], postgresql_where=failed, sqlite_where=failed)


def downgrade():
    op.drop_index("ix_job_run_failed", table_name="job_run")
