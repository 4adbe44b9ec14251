"""Contributions change once, when they are posted; employments and tallies of leave at nearly every report. Such rows
find room beside themselves, so that no index of theirs has to be told.

PostgreSQL only. Pages that are there already stay as they are.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

CHANGED = ("contribution", "employment", "leave_tally")


def upgrade():
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in CHANGED:
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")


def downgrade():
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in CHANGED:
        op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
