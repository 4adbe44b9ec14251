"""A letter that the mail server refuses is put off, and the others go on.

Code of before goes on beside it: it sends what is not sent, whatever is said here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("outgoing_mail", sa.Column("refusals", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("outgoing_mail", sa.Column("refused_with", sa.Text()))
    op.add_column("outgoing_mail", sa.Column("try_after", sa.BigInteger()))
    op.add_column("outgoing_mail", sa.Column("given_up_at", sa.BigInteger()))


def downgrade():
    for column in ("given_up_at", "try_after", "refused_with", "refusals"):
        op.drop_column("outgoing_mail", column)
