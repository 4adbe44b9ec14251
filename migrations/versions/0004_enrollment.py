"""Workers, benefit accounts, windows, elections, switches and contributions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "employer",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('platform', 'firm', 'household', 'public')", name=op.f("ck_employer_kind")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_employer_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_employer")),
        sqlite_strict=True,
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("employer_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("ending", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by_id", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_api_token_digest")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name=op.f("ck_api_token_name_length")),
        sa.ForeignKeyConstraint(
            ["employer_id"], ["employer.organization_id"], name=op.f("fk_api_token_employer_id_employer")
        ),
        sa.ForeignKeyConstraint(["made_by_id"], ["login.id"], name=op.f("fk_api_token_made_by_id_login")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_token_digest")),
        sqlite_strict=True,
    )
    op.create_index("ix_api_token_employer_id", "api_token", ["employer_id"], unique=False)
    op.create_table(
        "remittance",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("employer_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("request_key", sa.Text(), nullable=True),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.Column("reported_by_id", sa.BigInteger(), nullable=True),
        sa.Column("paid_at", sa.BigInteger(), nullable=True),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("late_cents", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(state = 'paid') = (paid_at IS NOT NULL)", name=op.f("ck_remittance_paid_when")),
        sa.CheckConstraint("state IN ('reported', 'paid', 'cancelled')", name=op.f("ck_remittance_state")),
        sa.CheckConstraint("total_cents >= 0", name=op.f("ck_remittance_not_negative")),
        sa.ForeignKeyConstraint(
            ["employer_id"], ["employer.organization_id"], name=op.f("fk_remittance_employer_id_employer")
        ),
        sa.ForeignKeyConstraint(["reported_by_id"], ["login.id"], name=op.f("fk_remittance_reported_by_id_login")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remittance")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_remittance_content",
        "remittance",
        ["employer_id", "content_digest"],
        unique=True,
        postgresql_where=sa.text("state <> 'cancelled'"),
        sqlite_where=sa.text("state <> 'cancelled'"),
    )
    op.create_index(
        "uq_remittance_request",
        "remittance",
        ["employer_id", "request_key"],
        unique=True,
        postgresql_where=sa.text("request_key IS NOT NULL"),
        sqlite_where=sa.text("request_key IS NOT NULL"),
    )
    op.create_table(
        "report_draft",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("employer_id", sa.BigInteger(), nullable=False),
        sa.Column("kept_by_id", sa.BigInteger(), nullable=True),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["employer_id"], ["employer.organization_id"], name=op.f("fk_report_draft_employer_id_employer")
        ),
        sa.ForeignKeyConstraint(["kept_by_id"], ["login.id"], name=op.f("fk_report_draft_kept_by_id_login")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_draft")),
        sqlite_strict=True,
    )
    op.create_index("ix_report_draft_employer_id", "report_draft", ["employer_id"], unique=False)
    op.create_table(
        "worker",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("login_id", sa.BigInteger(), nullable=True),
        sa.Column("legal_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("born_on", sa.Date(), nullable=True),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["login_id"], ["login.id"], name=op.f("fk_worker_login_id_login")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sa.UniqueConstraint("login_id", name=op.f("uq_worker_login_id")),
        sqlite_strict=True,
    )
    op.create_table(
        "benefit_account",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("switch_locked", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "closed_at IS NULL OR closed_at > opened_at", name=op.f("ck_benefit_account_closed_after_opened")
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_benefit_account_worker_id_worker")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benefit_account")),
        sa.UniqueConstraint("number", name=op.f("uq_benefit_account_number")),
        sa.UniqueConstraint("worker_id", name=op.f("uq_benefit_account_worker_id")),
        sqlite_strict=True,
    )
    op.create_table(
        "contribution",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("remittance_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("employer_id", sa.BigInteger(), nullable=False),
        sa.Column("benefit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("work_from", sa.Date(), nullable=False),
        sa.Column("work_to", sa.Date(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("worker_class", sa.Text(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("earnings_cents", sa.BigInteger(), nullable=False),
        sa.Column("fee_cents", sa.BigInteger(), nullable=False),
        sa.Column("tolls_cents", sa.BigInteger(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("owed_cents", sa.BigInteger(), nullable=False),
        sa.Column("extra_cents", sa.BigInteger(), nullable=False),
        sa.Column("late_cents", sa.BigInteger(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=True),
        sa.Column("package_version_id", sa.BigInteger(), nullable=True),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.Column("reversed_by_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(entry_id IS NULL) = (provider_id IS NULL)", name=op.f("ck_contribution_posted_somewhere")),
        sa.CheckConstraint(
            "minutes >= 0 AND earnings_cents >= 0 AND fee_cents >= 0 AND tolls_cents >= 0 AND jobs >= 0",
            name=op.f("ck_contribution_basis_not_negative"),
        ),
        sa.CheckConstraint(
            "owed_cents >= 0 AND extra_cents >= 0 AND late_cents >= 0", name=op.f("ck_contribution_not_negative")
        ),
        sa.CheckConstraint(
            "reversed_by_id IS NULL OR entry_id IS NOT NULL", name=op.f("ck_contribution_reversed_after_posting")
        ),
        sa.CheckConstraint("work_from <= work_to", name=op.f("ck_contribution_period_in_order")),
        sa.ForeignKeyConstraint(
            ["benefit_account_id"],
            ["benefit_account.id"],
            name=op.f("fk_contribution_benefit_account_id_benefit_account"),
        ),
        sa.ForeignKeyConstraint(
            ["employer_id"], ["employer.organization_id"], name=op.f("fk_contribution_employer_id_employer")
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["ledger_entry.id"], name=op.f("fk_contribution_entry_id_ledger_entry")),
        sa.ForeignKeyConstraint(
            ["package_version_id"],
            ["package_version.id"],
            name=op.f("fk_contribution_package_version_id_package_version"),
        ),
        sa.ForeignKeyConstraint(
            ["policy_version_id"], ["policy_version.id"], name=op.f("fk_contribution_policy_version_id_policy_version")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["organization.id"], name=op.f("fk_contribution_provider_id_organization")
        ),
        sa.ForeignKeyConstraint(
            ["remittance_id"], ["remittance.id"], name=op.f("fk_contribution_remittance_id_remittance")
        ),
        sa.ForeignKeyConstraint(
            ["reversed_by_id"], ["ledger_entry.id"], name=op.f("fk_contribution_reversed_by_id_ledger_entry")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contribution")),
        sa.UniqueConstraint("remittance_id", "line", name=op.f("uq_contribution_remittance_id_line")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_contribution_benefit_account_id_work_to", "contribution", ["benefit_account_id", "work_to"], unique=False
    )
    op.create_index("ix_contribution_employer_id_work_from", "contribution", ["employer_id", "work_from"], unique=False)
    op.create_table(
        "employment",
        sa.Column("employer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("benefit_account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_worked_on", sa.Date(), nullable=False),
        sa.Column("last_worked_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["benefit_account_id"],
            ["benefit_account.id"],
            name=op.f("fk_employment_benefit_account_id_benefit_account"),
        ),
        sa.ForeignKeyConstraint(
            ["employer_id"], ["employer.organization_id"], name=op.f("fk_employment_employer_id_employer")
        ),
        sa.PrimaryKeyConstraint("employer_id", "benefit_account_id", name=op.f("pk_employment")),
        sqlite_strict=True,
    )
    op.create_index("ix_employment_benefit_account_id", "employment", ["benefit_account_id"], unique=False)
    op.create_table(
        "enrollment_window",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("plan_year", sa.Text(), nullable=False),
        sa.Column("opens_at", sa.BigInteger(), nullable=False),
        sa.Column("closes_at", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=True),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("benefit_account_id", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("event_on", sa.Date(), nullable=True),
        sa.Column("ordered_at", sa.BigInteger(), nullable=True),
        sa.Column("cut_over_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'open') = (effective_at IS NOT NULL)", name=op.f("ck_enrollment_window_open_has_effective_instant")
        ),
        sa.CheckConstraint(
            "(kind = 'special') = (benefit_account_id IS NOT NULL)",
            name=op.f("ck_enrollment_window_special_is_somebodys"),
        ),
        sa.CheckConstraint(
            "(kind = 'special') = (cause IS NOT NULL)", name=op.f("ck_enrollment_window_special_has_cause")
        ),
        sa.CheckConstraint("kind IN ('open', 'special')", name=op.f("ck_enrollment_window_kind")),
        sa.CheckConstraint("opens_at < closes_at", name=op.f("ck_enrollment_window_opens_before_it_closes")),
        sa.ForeignKeyConstraint(
            ["benefit_account_id"],
            ["benefit_account.id"],
            name=op.f("fk_enrollment_window_benefit_account_id_benefit_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_window")),
        sa.UniqueConstraint(
            "benefit_account_id",
            "cause",
            "event_on",
            name=op.f("uq_enrollment_window_benefit_account_id_cause_event_on"),
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_enrollment_window_closes_at", "enrollment_window", ["closes_at"], unique=False)
    op.create_index(
        "uq_enrollment_window_open",
        "enrollment_window",
        ["plan_year"],
        unique=True,
        postgresql_where=sa.text("kind = 'open'"),
        sqlite_where=sa.text("kind = 'open'"),
    )
    op.create_table(
        "leave_request",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("benefit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by_id", sa.BigInteger(), nullable=True),
        sa.Column("provider_id", sa.BigInteger(), nullable=True),
        sa.Column("paid_cents", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'approved') = (entry_id IS NOT NULL)", name=op.f("ck_leave_request_approved_is_posted")
        ),
        sa.CheckConstraint(
            "(state = 'asked') = (decided_at IS NULL)", name=op.f("ck_leave_request_decided_when_answered")
        ),
        sa.CheckConstraint(
            "state IN ('asked', 'approved', 'refused', 'withdrawn')", name=op.f("ck_leave_request_state")
        ),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_leave_request_days_in_order")),
        sa.CheckConstraint("minutes > 0", name=op.f("ck_leave_request_positive")),
        sa.ForeignKeyConstraint(
            ["benefit_account_id"],
            ["benefit_account.id"],
            name=op.f("fk_leave_request_benefit_account_id_benefit_account"),
        ),
        sa.ForeignKeyConstraint(["decided_by_id"], ["login.id"], name=op.f("fk_leave_request_decided_by_id_login")),
        sa.ForeignKeyConstraint(["entry_id"], ["ledger_entry.id"], name=op.f("fk_leave_request_entry_id_ledger_entry")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["organization.id"], name=op.f("fk_leave_request_provider_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leave_request")),
        sqlite_strict=True,
    )
    op.create_index("ix_leave_request_benefit_account_id", "leave_request", ["benefit_account_id"], unique=False)
    op.create_index("ix_leave_request_state", "leave_request", ["state"], unique=False)
    op.create_table(
        "leave_tally",
        sa.Column("benefit_account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("worked", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("earned", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("minutes >= 0 AND worked > 0 AND earned > 0", name=op.f("ck_leave_tally_not_negative")),
        sa.ForeignKeyConstraint(
            ["benefit_account_id"],
            ["benefit_account.id"],
            name=op.f("fk_leave_tally_benefit_account_id_benefit_account"),
        ),
        sa.PrimaryKeyConstraint("benefit_account_id", "component", "worked", "earned", name=op.f("pk_leave_tally")),
        sqlite_strict=True,
    )
    op.create_table(
        "membership",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("benefit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("package_id", sa.BigInteger(), nullable=True),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "cause IN ('opened', 'election', 'successor', 'placement')", name=op.f("ck_membership_cause")
        ),
        sa.CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name=op.f("ck_membership_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["benefit_account_id"],
            ["benefit_account.id"],
            name=op.f("fk_membership_benefit_account_id_benefit_account"),
        ),
        sa.ForeignKeyConstraint(["package_id"], ["package.id"], name=op.f("fk_membership_package_id_package")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["organization.id"], name=op.f("fk_membership_provider_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sa.UniqueConstraint("benefit_account_id", "starts_at", name=op.f("uq_membership_benefit_account_id_starts_at")),
        sqlite_strict=True,
    )
    op.create_index("ix_membership_provider_id_ends_at", "membership", ["provider_id", "ends_at"], unique=False)
    op.create_index(
        "uq_membership_current",
        "membership",
        ["benefit_account_id"],
        unique=True,
        postgresql_where=sa.text("ends_at IS NULL"),
        sqlite_where=sa.text("ends_at IS NULL"),
    )
    op.create_table(
        "correction",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("contribution_id", sa.BigInteger(), nullable=False),
        sa.Column("employer_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by_id", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'asked') = (decided_at IS NULL)", name=op.f("ck_correction_decided_when_answered")
        ),
        sa.CheckConstraint(
            "(state = 'carried_out') = (entry_id IS NOT NULL)", name=op.f("ck_correction_carried_out_is_posted")
        ),
        sa.CheckConstraint(
            "(state = 'refused') = (answer IS NOT NULL)", name=op.f("ck_correction_refused_with_reason")
        ),
        sa.CheckConstraint("state IN ('asked', 'carried_out', 'refused')", name=op.f("ck_correction_state")),
        sa.CheckConstraint(
            "decided_by_id IS NULL OR decided_by_id <> asked_by_id", name=op.f("ck_correction_two_people")
        ),
        sa.ForeignKeyConstraint(["asked_by_id"], ["login.id"], name=op.f("fk_correction_asked_by_id_login")),
        sa.ForeignKeyConstraint(
            ["contribution_id"], ["contribution.id"], name=op.f("fk_correction_contribution_id_contribution")
        ),
        sa.ForeignKeyConstraint(["decided_by_id"], ["login.id"], name=op.f("fk_correction_decided_by_id_login")),
        sa.ForeignKeyConstraint(
            ["employer_id"], ["employer.organization_id"], name=op.f("fk_correction_employer_id_employer")
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["ledger_entry.id"], name=op.f("fk_correction_entry_id_ledger_entry")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_correction_standing",
        "correction",
        ["contribution_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'refused'"),
        sqlite_where=sa.text("state <> 'refused'"),
    )
    op.create_table(
        "election",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("benefit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("window_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_year", sa.Text(), nullable=False),
        sa.Column("package_version_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_by_id", sa.BigInteger(), nullable=True),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("retroactive", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "state IN ('standing', 'replaced', 'undone', 'carried_out')", name=op.f("ck_election_state")
        ),
        sa.CheckConstraint("effective_at >= decided_at OR retroactive", name=op.f("ck_election_not_backdated")),
        sa.ForeignKeyConstraint(
            ["benefit_account_id"], ["benefit_account.id"], name=op.f("fk_election_benefit_account_id_benefit_account")
        ),
        sa.ForeignKeyConstraint(["decided_by_id"], ["login.id"], name=op.f("fk_election_decided_by_id_login")),
        sa.ForeignKeyConstraint(
            ["package_version_id"], ["package_version.id"], name=op.f("fk_election_package_version_id_package_version")
        ),
        sa.ForeignKeyConstraint(
            ["window_id"], ["enrollment_window.id"], name=op.f("fk_election_window_id_enrollment_window")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_election")),
        sqlite_strict=True,
    )
    op.create_index("ix_election_window_id_state", "election", ["window_id", "state"], unique=False)
    op.create_index(
        "uq_election_standing",
        "election",
        ["benefit_account_id", "plan_year"],
        unique=True,
        postgresql_where=sa.text("state = 'standing'"),
        sqlite_where=sa.text("state = 'standing'"),
    )
    op.create_table(
        "member_right",
        sa.Column("membership_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("covered_since", sa.Date(), nullable=False),
        sa.Column("deductible_met_cents", sa.BigInteger(), nullable=False),
        sa.Column("paid_through", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_member_right_membership_id_membership")
        ),
        sa.PrimaryKeyConstraint("membership_id", "component", name=op.f("pk_member_right")),
        sqlite_strict=True,
    )
    op.create_table(
        "switch",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("election_id", sa.BigInteger(), nullable=True),
        sa.Column("window_id", sa.BigInteger(), nullable=True),
        sa.Column("benefit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_year", sa.Text(), nullable=False),
        sa.Column("from_provider_id", sa.BigInteger(), nullable=False),
        sa.Column("from_package_id", sa.BigInteger(), nullable=True),
        sa.Column("to_provider_id", sa.BigInteger(), nullable=False),
        sa.Column("to_package_id", sa.BigInteger(), nullable=False),
        sa.Column("to_version_id", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ordered_at", sa.BigInteger(), nullable=False),
        sa.Column("carried_out_at", sa.BigInteger(), nullable=True),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(cause = 'election') = (election_id IS NOT NULL)", name=op.f("ck_switch_election_has_one")),
        sa.CheckConstraint(
            "(state = 'carried_out') = (carried_out_at IS NOT NULL)", name=op.f("ck_switch_carried_out_when")
        ),
        sa.CheckConstraint("cause IN ('election', 'successor', 'placement')", name=op.f("ck_switch_cause")),
        sa.CheckConstraint("state IN ('ordered', 'carried_out', 'abandoned')", name=op.f("ck_switch_state")),
        sa.CheckConstraint(
            "from_package_id IS NULL OR from_package_id <> to_package_id", name=op.f("ck_switch_changes_package")
        ),
        sa.ForeignKeyConstraint(
            ["benefit_account_id"], ["benefit_account.id"], name=op.f("fk_switch_benefit_account_id_benefit_account")
        ),
        sa.ForeignKeyConstraint(["election_id"], ["election.id"], name=op.f("fk_switch_election_id_election")),
        sa.ForeignKeyConstraint(["entry_id"], ["ledger_entry.id"], name=op.f("fk_switch_entry_id_ledger_entry")),
        sa.ForeignKeyConstraint(["from_package_id"], ["package.id"], name=op.f("fk_switch_from_package_id_package")),
        sa.ForeignKeyConstraint(
            ["from_provider_id"], ["organization.id"], name=op.f("fk_switch_from_provider_id_organization")
        ),
        sa.ForeignKeyConstraint(["to_package_id"], ["package.id"], name=op.f("fk_switch_to_package_id_package")),
        sa.ForeignKeyConstraint(
            ["to_provider_id"], ["organization.id"], name=op.f("fk_switch_to_provider_id_organization")
        ),
        sa.ForeignKeyConstraint(
            ["to_version_id"], ["package_version.id"], name=op.f("fk_switch_to_version_id_package_version")
        ),
        sa.ForeignKeyConstraint(
            ["window_id"], ["enrollment_window.id"], name=op.f("fk_switch_window_id_enrollment_window")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switch")),
        sa.UniqueConstraint("election_id", name=op.f("uq_switch_election_id")),
        sqlite_strict=True,
    )
    op.create_index("ix_switch_state_effective_at_id", "switch", ["state", "effective_at", "id"], unique=False)
    op.create_index(
        "uq_switch_effective",
        "switch",
        ["benefit_account_id", "effective_at"],
        unique=True,
        postgresql_where=sa.text("state <> 'abandoned'"),
        sqlite_where=sa.text("state <> 'abandoned'"),
    )


def downgrade():
    op.drop_table("switch")
    op.drop_table("member_right")
    op.drop_table("election")
    op.drop_table("correction")
    op.drop_table("membership")
    op.drop_table("leave_tally")
    op.drop_table("leave_request")
    op.drop_table("enrollment_window")
    op.drop_table("employment")
    op.drop_table("contribution")
    op.drop_table("benefit_account")
    op.drop_table("worker")
    op.drop_table("report_draft")
    op.drop_table("remittance")
    op.drop_table("api_token")
    op.drop_table("employer")
