"""What the database refuses in a row that changes it sees after the change: PostgreSQL locks each row, and logs that it
did, before it asks a trigger that comes before. Rows that change once in their life find room beside themselves.

PostgreSQL only. A refusal undoes the whole statement either way.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Table, trigger, columns that it looks at, and whether it speaks up only where the row really changed in them.
GUARDS = (
    ("election", "election_fixed", "benefit_account_id, window_id, plan_year, package_version_id, decided_at", True),
    ("ledger_balance", "ledger_balance_stays", "account_id", True),
    ("member_right", "member_right_stays", "membership_id", True),
    ("membership", "membership_keeps_its_id", "id", True),
    ("membership", "membership_still_refers", "benefit_account_id, provider_id, package_id", False),
)
CHANGED_ONCE = ("switch", "election", "membership")


def upgrade():
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, name, columns, only_changed in GUARDS:
        changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns.split(", "))
        when = f"WHEN ({changed})" if only_changed else ""
        refusal = f"refuse('{table}: fixed columns')" if only_changed else f"{name}()"
        op.execute(f"DROP TRIGGER {name} ON {table}")
        op.execute(
            f"CREATE TRIGGER {name} AFTER UPDATE OF {columns} ON {table} FOR EACH ROW {when} EXECUTE FUNCTION {refusal}"
        )
    for table in CHANGED_ONCE:
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")


def downgrade():
    raise NotImplementedError("the books are not made changeable again")
