"""From where did a login sign in before?"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("login", sa.Column("known_from", sa.Text(), nullable=True))


def downgrade():
    with op.batch_alter_table("login") as login:
        login.drop_column("known_from")
