"""What the database itself refuses: changes of what is posted, and elections outside their window."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What is written there stands: no UPDATE, no DELETE (and on PostgreSQL no TRUNCATE).
APPEND_ONLY = (
    "ledger_account",
    "ledger_entry",
    "ledger_key",
    "ledger_transfer",
    "audit_event",
    "reserve_filing",
    "reserve_holding",
    "reserve_check",
    "settlement_obligation",
    "settlement_position",
)

# Columns that never change once a row is there: table, columns, condition on the old row.
FIXED = (
    ("benefit_account", ("number", "worker_id", "opened_at"), "TRUE"),
    ("enrollment_window", ("kind", "plan_year", "opens_at", "closes_at", "effective_at", "benefit_account_id"), "TRUE"),
    ("election", ("benefit_account_id", "window_id", "plan_year", "package_version_id", "decided_at"), "TRUE"),
    ("policy_version", ("jurisdiction", "effective_on", "text", "digest"), "TRUE"),
    (
        "package_version",
        (
            "package_id",
            "plan_year",
            "number",
            "summary",
            "fee_bp",
            "withdrawal_terms",
            "service_area",
            "health_plan_id",
        ),
        "OLD.state <> 'draft'",
    ),
)

DRAFT = "(SELECT state FROM package_version WHERE id = {row}.version_id) = 'draft'"
IN_WINDOW = """EXISTS (
    SELECT 1 FROM enrollment_window w
    WHERE w.id = NEW.window_id
      AND NEW.decided_at >= w.opens_at AND NEW.decided_at < w.closes_at
      AND (w.benefit_account_id IS NULL OR w.benefit_account_id = NEW.benefit_account_id)
)"""


def upgrade():
    if op.get_bind().dialect.name == "sqlite":
        for statement in sqlite_triggers():
            op.execute(statement)
    else:
        for statement in postgresql_triggers():
            op.execute(statement)


def sqlite_triggers():
    for table in APPEND_ONLY:
        for deed in ("UPDATE", "DELETE"):
            yield sqlite_trigger(f"{table}_no_{deed.lower()}", f"BEFORE {deed} ON {table}", f"{table} is append-only")
    for table, columns, condition in FIXED:
        changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)
        yield sqlite_trigger(
            f"{table}_fixed", f"BEFORE UPDATE ON {table} WHEN ({condition}) AND ({changed})", f"{table}: fixed columns"
        )
    for deed, rows in (("INSERT", ("NEW",)), ("UPDATE", ("OLD", "NEW")), ("DELETE", ("OLD",))):
        is_draft = " AND ".join(DRAFT.format(row=row) for row in rows)
        yield sqlite_trigger(
            f"package_component_{deed.lower()}",
            f"BEFORE {deed} ON package_component WHEN NOT ({is_draft})",
            "published terms never change",
        )
    yield sqlite_trigger(
        "election_in_window", f"BEFORE INSERT ON election WHEN NOT {IN_WINDOW}", "election outside its window"
    )


def sqlite_trigger(name, when, message):
    return f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{message}'); END"


def postgresql_triggers():
    yield """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
        END $$
    """
    for table in APPEND_ONLY:
        yield postgresql_trigger(
            f"{table}_append_only", f"BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW", f"{table} is append-only"
        )
        yield postgresql_trigger(
            f"{table}_no_truncate", f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT", f"{table} is append-only"
        )
    for table, columns, condition in FIXED:
        changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        yield postgresql_trigger(
            f"{table}_fixed",
            f"BEFORE UPDATE ON {table} FOR EACH ROW WHEN (({condition}) AND ({changed}))",
            f"{table}: fixed columns",
        )
    yield from postgresql_lookups()


def postgresql_lookups():
    """Rules that look at another table: a trigger's WHEN cannot on PostgreSQL, so its function does."""
    yield f"""
        CREATE FUNCTION refuse_unless_draft() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP IN ('INSERT', 'UPDATE') AND NOT {DRAFT.format(row="NEW")} THEN
                RAISE EXCEPTION 'published terms never change' USING ERRCODE = 'restrict_violation';
            END IF;
            IF TG_OP IN ('UPDATE', 'DELETE') AND NOT {DRAFT.format(row="OLD")} THEN
                RAISE EXCEPTION 'published terms never change' USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN COALESCE(NEW, OLD);
        END $$
    """
    yield """
        CREATE TRIGGER package_component_draft BEFORE INSERT OR UPDATE OR DELETE ON package_component
        FOR EACH ROW EXECUTE FUNCTION refuse_unless_draft()
    """
    yield f"""
        CREATE FUNCTION refuse_outside_window() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT {IN_WINDOW} THEN
                RAISE EXCEPTION 'election outside its window' USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$
    """
    yield """
        CREATE TRIGGER election_in_window BEFORE INSERT ON election
        FOR EACH ROW EXECUTE FUNCTION refuse_outside_window()
    """


def postgresql_trigger(name, when, message):
    return f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION refuse('{message}')"


def downgrade():
    raise NotImplementedError("the books are not made changeable again")
