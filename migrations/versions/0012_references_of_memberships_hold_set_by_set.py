"""What memberships, rights and carried-out switches refer to is checked once for each statement, and ids that lie close
together are read in a row; fewer indexes are kept up.

PostgreSQL only, but for one index: SQLite's foreign keys take no locks and cost little; they stay as they are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Table, its name for what it must refer to, and its references: column, table, further condition on the row there.
UNIT = " AND found.unit = written.unit"
REFERENCES = (
    (
        "ledger_transfer",
        "its entry and two ledger accounts of its unit",
        (
            ("target_id", "ledger_account", UNIT),
            ("source_id", "ledger_account", UNIT),
            ("entry_id", "ledger_entry", ""),
        ),
    ),
    ("ledger_balance", "its ledger account", (("account_id", "ledger_account", ""),)),
    ("ledger_account", "its organization", (("organization_id", "organization", ""),)),
    (
        "membership",
        "its benefit account, organization and package",
        (
            ("benefit_account_id", "benefit_account", ""),
            ("provider_id", "organization", ""),
            ("package_id", "package", ""),
        ),
    ),
    ("member_right", "its membership", (("membership_id", "membership", ""),)),
    ("switch", "its entry", (("entry_id", "ledger_entry", ""),)),
)
# The last three are new, and so are their triggers; a switch gets its entry when it is there already.
TRIGGERS = (("membership", "INSERT"), ("member_right", "INSERT"), ("switch", "INSERT"), ("switch", "UPDATE"))
REPLACED = (
    ("membership", "fk_membership_benefit_account_id_benefit_account"),
    ("membership", "fk_membership_provider_id_organization"),
    ("membership", "fk_membership_package_id_package"),
    ("member_right", "fk_member_right_membership_id_membership"),
    ("switch", "fk_switch_entry_id_ledger_entry"),
    # Nobody asks for the key of an entry; SQLite does, to see whether a reference that waited is whole.
    ("ledger_key", "uq_ledger_key_entry_id"),
)
# What is referred to stays, under its id: entries are append-only and organizations stay already.
STAYING = (
    ("benefit_account", "a benefit account stays"),
    ("package", "a package stays"),
)


def upgrade():
    # Of a worker's memberships only the one that has no end is looked for by its provider.
    current = sa.text("ends_at IS NULL")
    op.create_index(
        "ix_membership_provider_id", "membership", ["provider_id"], postgresql_where=current, sqlite_where=current
    )
    op.drop_index("ix_membership_provider_id_ends_at", "membership")
    if op.get_bind().dialect.name == "postgresql":
        for statement in (*guards(), *parents(), *memberships()):
            op.execute(statement)
        for table, name in REPLACED:
            op.drop_constraint(name, table)


def guards():
    for table, what, references in REFERENCES:
        columns = [column for column, *_ in references]
        ends = ", ".join(f"{end}({column})" for end in ("min", "max", "count") for column in columns)
        names = ", ".join(f"{end}{place}" for end in ("lowest", "highest", "many") for place in range(len(columns)))
        looked_up = "".join(looking_up(place, *reference) for place, reference in enumerate(references))
        yield f"""
            CREATE OR REPLACE FUNCTION {table}_refers() RETURNS trigger LANGUAGE plpgsql
            SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off AS $$
            DECLARE
                {"".join(f"{name} bigint; " for name in names.split(", "))}
                is_orphan boolean := false;
            BEGIN
                SELECT {ends} INTO {names} FROM written;
                {looked_up}
                IF is_orphan THEN
                    RAISE EXCEPTION '{table}: a row does not refer to {what}' USING ERRCODE = 'foreign_key_violation';
                END IF;
                RETURN NULL;
            END $$
        """  # noqa: S608 - our own names
    for table, deed in TRIGGERS:
        yield f"""
            CREATE TRIGGER {table}_refers_{deed.lower()} AFTER {deed} ON {table} REFERENCING NEW TABLE AS written
            FOR EACH STATEMENT EXECUTE FUNCTION {table}_refers()
        """


def looking_up(place, column, table, further):
    """Many rows that refer to ids close together: these are read in a row. Otherwise each is looked up by its key."""
    return f"""
                IF is_orphan OR many{place} = 0 THEN
                    NULL;
                ELSIF many{place} > 100 AND highest{place} - lowest{place} < 3 * many{place} THEN
                    is_orphan := EXISTS (
                        SELECT 1 FROM written
                        LEFT JOIN (SELECT * FROM {table} WHERE id BETWEEN lowest{place} AND highest{place}) found
                        ON found.id = written.{column}{further}
                        WHERE found.id IS NULL AND written.{column} IS NOT NULL
                    );
                ELSE
                    is_orphan := EXISTS (
                        SELECT 1 FROM written WHERE written.{column} IS NOT NULL AND
                        (SELECT found.id FROM {table} found WHERE found.id = written.{column}{further}) IS NULL
                    );
                END IF;
    """  # noqa: S608 - our own names


def parents():
    for table, message in STAYING:
        yield f"""
            CREATE TRIGGER {table}_stays BEFORE DELETE ON {table} FOR EACH ROW
            EXECUTE FUNCTION refuse('{message}')
        """
        yield f"""
            CREATE TRIGGER {table}_keeps_its_id BEFORE UPDATE OF id ON {table} FOR EACH ROW
            WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse('{table}: fixed columns')
        """
        yield f"""
            CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT
            EXECUTE FUNCTION refuse('{message}')
        """


def memberships():
    """A cutover that is rolled back takes memberships away, after their rights: none may be written meanwhile."""
    yield """
        CREATE FUNCTION membership_has_no_right() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
        BEGIN
            LOCK TABLE member_right IN SHARE ROW EXCLUSIVE MODE;
            IF EXISTS (SELECT 1 FROM gone WHERE EXISTS (SELECT 1 FROM member_right r WHERE r.membership_id = gone.id))
            THEN
                RAISE EXCEPTION 'a membership has rights' USING ERRCODE = 'foreign_key_violation';
            END IF;
            RETURN NULL;
        END $$
    """
    yield """
        CREATE TRIGGER membership_has_no_right AFTER DELETE ON membership REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION membership_has_no_right()
    """
    yield """
        CREATE TRIGGER membership_keeps_its_id BEFORE UPDATE OF id ON membership FOR EACH ROW
        WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse('membership: fixed columns')
    """
    yield """
        CREATE TRIGGER membership_no_truncate BEFORE TRUNCATE ON membership FOR EACH STATEMENT
        EXECUTE FUNCTION refuse('a membership stays')
    """
    # What a right refers to is only looked at when it is written.
    yield """
        CREATE TRIGGER member_right_stays BEFORE UPDATE OF membership_id ON member_right FOR EACH ROW
        WHEN (OLD.membership_id <> NEW.membership_id) EXECUTE FUNCTION refuse('member_right: fixed columns')
    """
    yield """
        CREATE FUNCTION membership_still_refers() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS (SELECT 1 FROM benefit_account a WHERE a.id = NEW.benefit_account_id)
                OR NOT EXISTS (SELECT 1 FROM organization o WHERE o.id = NEW.provider_id)
                OR NEW.package_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM package p WHERE p.id = NEW.package_id)
            THEN
                RAISE EXCEPTION 'membership: a row does not refer to its benefit account, organization and package'
                USING ERRCODE = 'foreign_key_violation';
            END IF;
            RETURN NEW;
        END $$
    """
    yield """
        CREATE TRIGGER membership_still_refers BEFORE UPDATE OF benefit_account_id, provider_id, package_id ON membership
        FOR EACH ROW EXECUTE FUNCTION membership_still_refers()
    """


def downgrade():
    raise NotImplementedError("the books are not made changeable again")
