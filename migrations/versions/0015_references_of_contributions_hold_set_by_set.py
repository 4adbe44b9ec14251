"""What contributions, employments and tallies of leave refer to is checked once for each statement.

PostgreSQL only: SQLite's foreign keys take no locks and cost little; they stay as they are.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ACCOUNT = ("benefit_account_id", "benefit_account", "id")
# Table, deed, its name for what it must refer to, and its references: column, table, key there.
GUARDS = (
    (
        "contribution",
        "INSERT",
        "its remittance, employer, benefit account, policy, provider, version and entries",
        (
            ("remittance_id", "remittance", "id"),
            ("employer_id", "employer", "organization_id"),
            ACCOUNT,
            ("policy_version_id", "policy_version", "id"),
            ("provider_id", "organization", "id"),
            ("package_version_id", "package_version", "id"),
            ("entry_id", "ledger_entry", "id"),
            ("reversed_by_id", "ledger_entry", "id"),
        ),
    ),
    (
        "contribution",
        "UPDATE",
        "its provider, version and entries",
        (
            ("provider_id", "organization", "id"),
            ("package_version_id", "package_version", "id"),
            ("entry_id", "ledger_entry", "id"),
            ("reversed_by_id", "ledger_entry", "id"),
        ),
    ),
    (
        "employment",
        "INSERT",
        "its employer and benefit account",
        (("employer_id", "employer", "organization_id"), ACCOUNT),
    ),
    ("leave_tally", "INSERT", "its benefit account", (ACCOUNT,)),
)
# What a row refers to from the beginning it refers to for good.
FIXED = (
    ("contribution", ("remittance_id", "employer_id", "benefit_account_id", "policy_version_id")),
    ("employment", ("employer_id", "benefit_account_id")),
    ("leave_tally", ("benefit_account_id",)),
)
# What is referred to stays, under its key; benefit accounts, organizations and entries do already.
STAYING = (
    ("remittance", "id", "a remittance stays"),
    ("employer", "organization_id", "an employer stays"),
    ("policy_version", "id", "a version of the policy stays"),
    ("package_version", "id", "a version of a package stays"),
)
REPLACED = (
    ("contribution", "fk_contribution_remittance_id_remittance"),
    ("contribution", "fk_contribution_employer_id_employer"),
    ("contribution", "fk_contribution_benefit_account_id_benefit_account"),
    ("contribution", "fk_contribution_policy_version_id_policy_version"),
    ("contribution", "fk_contribution_provider_id_organization"),
    ("contribution", "fk_contribution_package_version_id_package_version"),
    ("contribution", "fk_contribution_entry_id_ledger_entry"),
    ("contribution", "fk_contribution_reversed_by_id_ledger_entry"),
    ("employment", "fk_employment_employer_id_employer"),
    ("employment", "fk_employment_benefit_account_id_benefit_account"),
    ("leave_tally", "fk_leave_tally_benefit_account_id_benefit_account"),
)


def upgrade():
    if op.get_bind().dialect.name != "postgresql":
        return
    for statement in (*guards(), *fixed(), *parents()):
        op.execute(statement)
    for table, name in REPLACED:
        op.drop_constraint(name, table)


def guards():
    for table, deed, what, references in GUARDS:
        columns = [column for column, *_ in references]
        name = f"{table}_refers_{deed.lower()}"
        ends = ", ".join(f"{end}({column})" for end in ("min", "max", "count") for column in columns)
        names = ", ".join(f"{end}{place}" for end in ("lowest", "highest", "many") for place in range(len(columns)))
        looked_up = "".join(looking_up(place, *reference) for place, reference in enumerate(references))
        yield f"""
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
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
        yield f"""
            CREATE TRIGGER {name} AFTER {deed} ON {table} REFERENCING NEW TABLE AS written
            FOR EACH STATEMENT EXECUTE FUNCTION {name}()
        """


def looking_up(place, column, table, key):
    """What all refer to is looked up once. Many rows that refer to ids close together: these are read in a row.
    Otherwise each is looked up by its key.
    """
    return f"""
                IF is_orphan OR many{place} = 0 THEN
                    NULL;
                ELSIF lowest{place} = highest{place} THEN
                    is_orphan := NOT EXISTS (SELECT 1 FROM {table} WHERE {key} = lowest{place});
                ELSIF many{place} > 100 AND highest{place} - lowest{place} < 3 * many{place} THEN
                    is_orphan := EXISTS (
                        SELECT 1 FROM written
                        LEFT JOIN (SELECT {key} FROM {table} WHERE {key} BETWEEN lowest{place} AND highest{place}) found
                        ON found.{key} = written.{column}
                        WHERE found.{key} IS NULL AND written.{column} IS NOT NULL
                    );
                ELSE
                    is_orphan := EXISTS (
                        SELECT 1 FROM written WHERE written.{column} IS NOT NULL AND
                        (SELECT found.{key} FROM {table} found WHERE found.{key} = written.{column}) IS NULL
                    );
                END IF;
    """  # noqa: S608 - our own names


def fixed():
    for table, columns in FIXED:
        changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        yield f"""
            CREATE TRIGGER {table}_keeps_what_it_is_of AFTER UPDATE OF {", ".join(columns)} ON {table} FOR EACH ROW
            WHEN ({changed}) EXECUTE FUNCTION refuse('{table}: fixed columns')
        """


def parents():
    for table, key, message in STAYING:
        yield f"""
            CREATE TRIGGER {table}_stays BEFORE DELETE ON {table} FOR EACH ROW
            EXECUTE FUNCTION refuse('{message}')
        """
        yield f"""
            CREATE TRIGGER {table}_keeps_its_id AFTER UPDATE OF {key} ON {table} FOR EACH ROW
            WHEN (OLD.{key} <> NEW.{key}) EXECUTE FUNCTION refuse('{table}: fixed columns')
        """
        yield f"""
            CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT
            EXECUTE FUNCTION refuse('{message}')
        """


def downgrade():
    raise NotImplementedError("the books are not made changeable again")
