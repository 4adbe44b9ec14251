"""In which language does a person read letters that somebody else gave cause for?"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade():
    # Written out: SQLite takes a column's check only together with the column.
    op.execute(
        "ALTER TABLE login ADD COLUMN language TEXT CONSTRAINT ck_login_language_code CHECK (length(language) = 2)"
    )


def downgrade():
    with op.batch_alter_table("login") as login:
        login.drop_constraint("ck_login_language_code", type_="check")
        login.drop_column("language")
