"""Organizations, logins, policy versions, payments, jobs and what else the exchange runs on."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "audit_event",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("login_id", sa.BigInteger(), nullable=True),
        sa.Column("organization_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
        sqlite_strict=True,
    )
    op.create_index("ix_audit_event_at", "audit_event", ["at"], unique=False)
    op.create_index("ix_audit_event_subject", "audit_event", ["subject"], unique=False)
    op.create_table(
        "demo_clock",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("offset_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_demo_clock_one_row")),
        sa.CheckConstraint("offset_us >= 0", name=op.f("ck_demo_clock_never_back")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demo_clock")),
        sqlite_strict=True,
    )
    op.create_table(
        "job_run",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("due_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("broken", sa.Text(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=True),
        sa.Column("held_until", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(state = 'running') = (finished_at IS NULL)", name=op.f("ck_job_run_finished")),
        sa.CheckConstraint("state IN ('running', 'done', 'failed', 'abandoned')", name=op.f("ck_job_run_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_run")),
        sqlite_strict=True,
    )
    op.create_index("ix_job_run_name_id", "job_run", ["name", "id"], unique=False)
    op.create_index(
        "uq_job_run_standing",
        "job_run",
        ["name", "due_key"],
        unique=True,
        postgresql_where=sa.text("state IN ('running', 'done')"),
        sqlite_where=sa.text("state IN ('running', 'done')"),
    )
    op.create_table(
        "local_charge",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("return_url", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f("ck_local_charge_decided")),
        sa.CheckConstraint("state IN ('open', 'paid', 'refused')", name=op.f("ck_local_charge_state")),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_local_charge_amount_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_local_charge")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_local_charge_idempotency_key")),
        sa.UniqueConstraint("name", name=op.f("uq_local_charge_name")),
        sqlite_strict=True,
    )
    op.create_table(
        "organization",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_skeleton", sa.Text(), nullable=False),
        sa.Column("ein", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('provider', 'employer', 'regulator', 'operator')", name=op.f("ck_organization_kind")
        ),
        sa.CheckConstraint("ein IS NULL OR length(ein) = 9", name=op.f("ck_organization_ein_length")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name=op.f("ck_organization_name_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_organization_kind_ein",
        "organization",
        ["kind", "ein"],
        unique=True,
        postgresql_where=sa.text("ein IS NOT NULL"),
        sqlite_where=sa.text("ein IS NOT NULL"),
    )
    op.create_index("uq_organization_kind_name_skeleton", "organization", ["kind", "name_skeleton"], unique=True)
    op.create_index(
        "uq_organization_operator",
        "organization",
        ["kind"],
        unique=True,
        postgresql_where=sa.text("kind = 'operator'"),
        sqlite_where=sa.text("kind = 'operator'"),
    )
    op.create_table(
        "outgoing_mail",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("written_at", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_mail")),
        sqlite_strict=True,
    )
    op.create_index("ix_outgoing_mail_sent_at_id", "outgoing_mail", ["sent_at", "id"], unique=False)
    op.create_table(
        "policy_version",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.BigInteger(), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.BigInteger(), nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_by", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'withdrawn') = (withdrawn_by IS NOT NULL)", name=op.f("ck_policy_version_withdrawn_by_somebody")
        ),
        sa.CheckConstraint(
            "state <> 'approved' OR approved_by IS NOT NULL", name=op.f("ck_policy_version_approved_by_somebody")
        ),
        sa.CheckConstraint("state IN ('proposed', 'approved', 'withdrawn')", name=op.f("ck_policy_version_state")),
        sa.CheckConstraint(
            "(approved_by IS NULL) = (approved_at IS NULL)", name=op.f("ck_policy_version_approved_whole")
        ),
        sa.CheckConstraint(
            "(withdrawn_by IS NULL) = (withdrawn_at IS NULL)", name=op.f("ck_policy_version_withdrawn_whole")
        ),
        sa.CheckConstraint("approved_by <> proposed_by", name=op.f("ck_policy_version_two_people")),
        sa.CheckConstraint("length(digest) = 64", name=op.f("ck_policy_version_digest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_version")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_policy_version_approved",
        "policy_version",
        ["effective_on"],
        unique=True,
        postgresql_where=sa.text("state = 'approved'"),
        sqlite_where=sa.text("state = 'approved'"),
    )
    op.create_table(
        "rate_limit",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limit")),
        sqlite_strict=True,
    )
    op.create_index("ix_rate_limit_ends_at_s", "rate_limit", ["ends_at_s"], unique=False)
    op.create_table(
        "scheduler_lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("held_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_scheduler_lease")),
        sqlite_strict=True,
    )
    op.create_table(
        "settlement_batch",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("netted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement_batch")),
        sa.UniqueConstraint("reference", name=op.f("uq_settlement_batch_reference")),
        sqlite_strict=True,
    )
    op.create_table(
        "login",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("fs_uniquifier", sa.Text(), nullable=False),
        sa.Column("tf_primary_method", sa.Text(), nullable=True),
        sa.Column("tf_totp_secret", sa.Text(), nullable=True),
        sa.Column("tf_last_counter", sa.BigInteger(), nullable=True),
        sa.Column("mf_recovery_codes", sa.UnicodeText(), nullable=True),
        sa.CheckConstraint(
            "(audience = 'worker') = (organization_id IS NULL)", name=op.f("ck_login_staff_has_organization")
        ),
        sa.CheckConstraint(
            "audience IN ('public', 'worker', 'employer', 'provider', 'regulator', 'operator', 'system')",
            name=op.f("ck_login_audience"),
        ),
        sa.CheckConstraint(
            "(tf_primary_method IS NULL) = (tf_totp_secret IS NULL)", name=op.f("ck_login_second_factor_whole")
        ),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_login_email_lower")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_login_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login")),
        sa.UniqueConstraint("email", name=op.f("uq_login_email")),
        sa.UniqueConstraint("fs_uniquifier", name=op.f("uq_login_fs_uniquifier")),
        sqlite_strict=True,
    )
    op.create_index("ix_login_organization_id", "login", ["organization_id"], unique=False)
    op.create_table(
        "payment",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("gateway_reference", sa.Text(), nullable=True),
        sa.Column("request_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(state = 'started') = (settled_at IS NULL)", name=op.f("ck_payment_settled")),
        sa.CheckConstraint(
            "state <> 'paid' OR gateway_reference IS NOT NULL", name=op.f("ck_payment_paid_through_gateway")
        ),
        sa.CheckConstraint("state IN ('started', 'paid', 'refused')", name=op.f("ck_payment_state")),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_payment_amount_positive")),
        sa.ForeignKeyConstraint(["payer_id"], ["organization.id"], name=op.f("fk_payment_payer_id_organization")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("gateway_reference", name=op.f("uq_payment_gateway_reference")),
        sa.UniqueConstraint("request_key", name=op.f("uq_payment_request_key")),
        sqlite_strict=True,
    )
    op.create_index("ix_payment_payer_id", "payment", ["payer_id"], unique=False)
    op.create_index(
        "uq_payment_standing",
        "payment",
        ["purpose", "subject_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('started', 'paid')"),
        sqlite_where=sa.text("state IN ('started', 'paid')"),
    )
    op.create_table(
        "settlement_obligation",
        sa.Column("batch_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payee_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("workers", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_settlement_obligation_positive")),
        sa.CheckConstraint("payer_id <> payee_id", name=op.f("ck_settlement_obligation_two_organizations")),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["settlement_batch.id"], name=op.f("fk_settlement_obligation_batch_id_settlement_batch")
        ),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["organization.id"], name=op.f("fk_settlement_obligation_payee_id_organization")
        ),
        sa.ForeignKeyConstraint(
            ["payer_id"], ["organization.id"], name=op.f("fk_settlement_obligation_payer_id_organization")
        ),
        sa.PrimaryKeyConstraint("batch_id", "payer_id", "payee_id", "component", name=op.f("pk_settlement_obligation")),
        sqlite_strict=True,
    )
    op.create_table(
        "settlement_position",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("net_cents", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["settlement_batch.id"], name=op.f("fk_settlement_position_batch_id_settlement_batch")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_settlement_position_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement_position")),
        sa.UniqueConstraint(
            "batch_id", "organization_id", name=op.f("uq_settlement_position_batch_id_organization_id")
        ),
        sqlite_strict=True,
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("login_id", sa.BigInteger(), nullable=True),
        sa.Column("organization_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(login_id IS NULL) <> (organization_id IS NULL)", name=op.f("ck_notice_one_reader")),
        sa.CheckConstraint("length(subject) BETWEEN 1 AND 200", name=op.f("ck_notice_subject_length")),
        sa.ForeignKeyConstraint(["login_id"], ["login.id"], name=op.f("fk_notice_login_id_login")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_notice_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sqlite_strict=True,
    )
    op.create_index("ix_notice_login_id_at", "notice", ["login_id", "at"], unique=False)
    op.create_index("ix_notice_organization_id_at", "notice", ["organization_id", "at"], unique=False)


def downgrade():
    op.drop_table("notice")
    op.drop_table("settlement_position")
    op.drop_table("settlement_obligation")
    op.drop_table("payment")
    op.drop_table("login")
    op.drop_table("settlement_batch")
    op.drop_table("scheduler_lease")
    op.drop_table("rate_limit")
    op.drop_table("policy_version")
    op.drop_table("outgoing_mail")
    op.drop_table("organization")
    op.drop_table("local_charge")
    op.drop_table("job_run")
    op.drop_table("demo_clock")
    op.drop_table("audit_event")
