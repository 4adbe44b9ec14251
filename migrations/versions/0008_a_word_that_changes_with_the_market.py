"""A word that becomes another one with every commit that changes what pages of the market show."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# What is on such pages, and of which rows when not of all: offers and providers, windows of everybody, the law.
SHOWN = (
    ("package", None),
    ("package_version", None),
    ("package_component", None),
    ("health_plan", None),
    ("health_plan_premium", None),
    ("provider", None),
    ("organization", "kind = 'provider'"),
    ("policy_version", None),
    ("enrollment_window", "kind = 'open'"),
)


def upgrade():
    op.create_table(
        "market_revision",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_market_revision_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_revision")),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO market_revision (id, word) VALUES (1, 'first')")
    if op.get_bind().dialect.name == "sqlite":
        for statement in sqlite_triggers():
            op.execute(statement)
    else:
        for statement in postgresql_triggers():
            op.execute(statement)


def sqlite_triggers():
    for table, which in SHOWN:
        for deed, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            when = f" WHEN {row}.{which}" if which else ""
            yield (
                f"CREATE TRIGGER {table}_moves_market_{deed.lower()} AFTER {deed} ON {table}{when}"  # noqa: S608 - our own names
                " BEGIN UPDATE market_revision SET word = hex(randomblob(16)); END"
            )


def postgresql_triggers():
    # At the end of the transaction: its row is held for the moment of the commit only, and as the last one, so that
    # nobody waits long and nobody in a circle. A row that this transaction has moved already is its own: once is enough.
    yield """
        CREATE FUNCTION move_market() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE market_revision SET word = gen_random_uuid() WHERE xmin <> CAST(pg_current_xact_id() AS xid);
            RETURN NULL;
        END $$
    """
    for table, which in SHOWN:
        for deed, row in (("INSERT OR UPDATE", "NEW"), ("DELETE", "OLD")):
            when = f" WHEN ({row}.{which})" if which else ""
            yield (
                f"CREATE CONSTRAINT TRIGGER {table}_moves_market_{deed[:6].lower()} AFTER {deed} ON {table}"
                f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW{when} EXECUTE FUNCTION move_market()"
            )


def downgrade():
    if op.get_bind().dialect.name == "sqlite":
        for table, _ in SHOWN:
            for deed in ("insert", "update", "delete"):
                op.execute(f"DROP TRIGGER {table}_moves_market_{deed}")
    else:
        op.execute("DROP FUNCTION move_market() CASCADE")
    op.drop_table("market_revision")
