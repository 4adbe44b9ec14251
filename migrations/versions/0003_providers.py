"""Providers, packages, reserves, the IRS register and the catalogue of health plans."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "health_plan",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("plan_year", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("issuer_id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("metal", sa.Text(), nullable=False),
        sa.Column("plan_type", sa.Text(), nullable=False),
        sa.Column("deductible_cents", sa.BigInteger(), nullable=True),
        sa.Column("drug_deductible", sa.Text(), nullable=False),
        sa.Column("drug_deductible_cents", sa.BigInteger(), nullable=True),
        sa.Column("oop_max_cents", sa.BigInteger(), nullable=True),
        sa.Column("family_deductible_cents", sa.BigInteger(), nullable=True),
        sa.Column("family_oop_max_cents", sa.BigInteger(), nullable=True),
        sa.Column("ehb_share_bp", sa.BigInteger(), nullable=True),
        sa.Column("primary_care", sa.Text(), nullable=False),
        sa.Column("specialist", sa.Text(), nullable=False),
        sa.Column("emergency_room", sa.Text(), nullable=False),
        sa.Column("generic_drugs", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(drug_deductible = 'amount') = (drug_deductible_cents IS NOT NULL)",
            name=op.f("ck_health_plan_drug_deductible_amount"),
        ),
        sa.CheckConstraint(
            "drug_deductible IN ('amount', 'included', 'not_stated')", name=op.f("ck_health_plan_drug_deductible")
        ),
        sa.CheckConstraint(
            "metal IN ('catastrophic', 'bronze', 'silver', 'gold', 'platinum')", name=op.f("ck_health_plan_metal")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_health_plan")),
        sa.UniqueConstraint("plan_year", "plan_id", name="uq_health_plan_plan_year_plan_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_health_plan_plan_year_state", "health_plan", ["plan_year", "state"], unique=False)
    op.create_table(
        "irs_organization",
        sa.Column("ein", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("subsection", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ruling", sa.Text(), nullable=True),
        sa.Column("tax_period", sa.Text(), nullable=True),
        sa.Column("assets_cents", sa.BigInteger(), nullable=True),
        sa.Column("income_cents", sa.BigInteger(), nullable=True),
        sa.Column("revenue_cents", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("length(ein) = 9", name=op.f("ck_irs_organization_ein_has_nine_digits")),
        sa.PrimaryKeyConstraint("ein", name=op.f("pk_irs_organization")),
        sqlite_strict=True,
    )
    op.create_table(
        "health_plan_county",
        sa.Column("health_plan_id", sa.BigInteger(), nullable=False),
        sa.Column("county", sa.Text(), nullable=False),
        sa.Column("rating_area", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["health_plan_id"], ["health_plan.id"], name=op.f("fk_health_plan_county_health_plan_id_health_plan")
        ),
        sa.PrimaryKeyConstraint("health_plan_id", "county", name=op.f("pk_health_plan_county")),
        sqlite_strict=True,
    )
    op.create_table(
        "health_plan_premium",
        sa.Column("health_plan_id", sa.BigInteger(), nullable=False),
        sa.Column("rating_area", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("age", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("premium_cents", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("premium_cents > 0", name=op.f("ck_health_plan_premium_positive")),
        sa.ForeignKeyConstraint(
            ["health_plan_id"], ["health_plan.id"], name=op.f("fk_health_plan_premium_health_plan_id_health_plan")
        ),
        sa.PrimaryKeyConstraint("health_plan_id", "rating_area", "age", name=op.f("pk_health_plan_premium")),
        sqlite_strict=True,
    )
    op.create_table(
        "provider",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("applied_at", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("tier_since", sa.Date(), nullable=True),
        sa.Column("takes_new_members", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('union', 'credit_union', 'professional_association', 'civic_association', 'cooperative', 'mutual_benefit_society')",
            name=op.f("ck_provider_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('applied', 'under_review', 'qualified', 'qualified_with_conditions', 'suspended', 'withdrawn')",
            name=op.f("ck_provider_state"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_provider_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_provider")),
        sqlite_strict=True,
    )
    op.create_table(
        "board_seat",
        sa.Column("provider_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seat", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("holder_name", sa.Text(), nullable=False),
        sa.Column("appointed_by", sa.Text(), nullable=False),
        sa.Column("elected_by_members", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["provider.organization_id"], name=op.f("fk_board_seat_provider_id_provider")
        ),
        sa.PrimaryKeyConstraint("provider_id", "seat", name=op.f("pk_board_seat")),
        sqlite_strict=True,
    )
    op.create_table(
        "package",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_plan_year", sa.Text(), nullable=True),
        sa.Column("successor_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("successor_id IS NULL OR successor_id <> id", name=op.f("ck_package_successor_is_another")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["provider.organization_id"], name=op.f("fk_package_provider_id_provider")
        ),
        sa.ForeignKeyConstraint(["successor_id"], ["package.id"], name=op.f("fk_package_successor_id_package")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package")),
        sa.UniqueConstraint("provider_id", "name", name=op.f("uq_package_provider_id_name")),
        sqlite_strict=True,
    )
    op.create_table(
        "provider_criterion",
        sa.Column("provider_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("criterion", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "(state = 'open') = (decided_at IS NULL)", name=op.f("ck_provider_criterion_decided_when_answered")
        ),
        sa.CheckConstraint("state IN ('open', 'met', 'not_met')", name=op.f("ck_provider_criterion_state")),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["login.id"], name=op.f("fk_provider_criterion_decided_by_id_login")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["provider.organization_id"], name=op.f("fk_provider_criterion_provider_id_provider")
        ),
        sa.PrimaryKeyConstraint("provider_id", "criterion", name=op.f("pk_provider_criterion")),
        sqlite_strict=True,
    )
    op.create_table(
        "provider_decision",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("becomes", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_by_id", sa.BigInteger(), nullable=True),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("voices", sa.BigInteger(), nullable=False),
        sa.Column("decided_by_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'proposed') = (decided_at IS NULL)", name=op.f("ck_provider_decision_decided_when_answered")
        ),
        sa.CheckConstraint(
            "becomes IN ('applied', 'under_review', 'qualified', 'qualified_with_conditions', 'suspended', 'withdrawn')",
            name=op.f("ck_provider_decision_becomes"),
        ),
        sa.CheckConstraint("state IN ('proposed', 'agreed', 'rejected')", name=op.f("ck_provider_decision_state")),
        sa.CheckConstraint(
            "decided_by_id IS NULL OR decided_by_id <> proposed_by_id", name=op.f("ck_provider_decision_two_people")
        ),
        sa.CheckConstraint("voices >= 0", name=op.f("ck_provider_decision_voices_not_negative")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["login.id"], name=op.f("fk_provider_decision_decided_by_id_login")),
        sa.ForeignKeyConstraint(
            ["proposed_by_id"], ["login.id"], name=op.f("fk_provider_decision_proposed_by_id_login")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["provider.organization_id"], name=op.f("fk_provider_decision_provider_id_provider")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_decision")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_provider_decision_open",
        "provider_decision",
        ["provider_id"],
        unique=True,
        postgresql_where=sa.text("state = 'proposed'"),
        sqlite_where=sa.text("state = 'proposed'"),
    )
    op.create_table(
        "reserve_filing",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("filed_at", sa.BigInteger(), nullable=False),
        sa.Column("filed_by_id", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["filed_by_id"], ["login.id"], name=op.f("fk_reserve_filing_filed_by_id_login")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["provider.organization_id"], name=op.f("fk_reserve_filing_provider_id_provider")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reserve_filing")),
        sqlite_strict=True,
    )
    op.create_index("ix_reserve_filing_provider_id_as_of", "reserve_filing", ["provider_id", "as_of"], unique=False)
    op.create_table(
        "decision_voice",
        sa.Column("decision_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("login_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["provider_decision.id"], name=op.f("fk_decision_voice_decision_id_provider_decision")
        ),
        sa.ForeignKeyConstraint(["login_id"], ["login.id"], name=op.f("fk_decision_voice_login_id_login")),
        sa.PrimaryKeyConstraint("decision_id", "login_id", name=op.f("pk_decision_voice")),
        sqlite_strict=True,
    )
    op.create_table(
        "package_version",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("package_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_year", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("fee_bp", sa.BigInteger(), nullable=False),
        sa.Column("withdrawal_terms", sa.Text(), nullable=False),
        sa.Column("service_area", sa.Text(), nullable=False),
        sa.Column("health_plan_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=True),
        sa.Column("certified_at", sa.BigInteger(), nullable=True),
        sa.Column("listed_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'draft') = (submitted_at IS NULL)", name=op.f("ck_package_version_submitted_unless_draft")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'submitted', 'certified', 'listed', 'closed')", name=op.f("ck_package_version_state")
        ),
        sa.CheckConstraint("fee_bp BETWEEN 0 AND 10000", name=op.f("ck_package_version_fee_range")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_package_version_number_from_one")),
        sa.ForeignKeyConstraint(
            ["health_plan_id"], ["health_plan.id"], name=op.f("fk_package_version_health_plan_id_health_plan")
        ),
        sa.ForeignKeyConstraint(["package_id"], ["package.id"], name=op.f("fk_package_version_package_id_package")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package_version")),
        sa.UniqueConstraint(
            "package_id", "plan_year", "number", name=op.f("uq_package_version_package_id_plan_year_number")
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_package_version_plan_year_state", "package_version", ["plan_year", "state"], unique=False)
    op.create_index(
        "uq_package_version_listed",
        "package_version",
        ["package_id", "plan_year"],
        unique=True,
        postgresql_where=sa.text("state = 'listed'"),
        sqlite_where=sa.text("state = 'listed'"),
    )
    op.create_table(
        "reserve_check",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("filing_id", sa.BigInteger(), nullable=True),
        sa.Column("filing_overdue", sa.Boolean(), nullable=False),
        sa.Column("liabilities_cents", sa.BigInteger(), nullable=False),
        sa.Column("individual_cents", sa.BigInteger(), nullable=False),
        sa.Column("pooled_cents", sa.BigInteger(), nullable=False),
        sa.Column("contingency_cents", sa.BigInteger(), nullable=False),
        sa.Column("required_cents", sa.BigInteger(), nullable=False),
        sa.Column("settlement_cents", sa.BigInteger(), nullable=False),
        sa.Column("held_cents", sa.BigInteger(), nullable=False),
        sa.Column("ratio_bp", sa.BigInteger(), nullable=True),
        sa.Column("ratio_tier", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.CheckConstraint("cause IN ('daily', 'filing', 'cutover')", name=op.f("ck_reserve_check_cause")),
        sa.CheckConstraint(
            "required_cents = individual_cents + pooled_cents + contingency_cents",
            name=op.f("ck_reserve_check_required_adds_up"),
        ),
        sa.ForeignKeyConstraint(
            ["filing_id"], ["reserve_filing.id"], name=op.f("fk_reserve_check_filing_id_reserve_filing")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["provider.organization_id"], name=op.f("fk_reserve_check_provider_id_provider")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reserve_check")),
        sqlite_strict=True,
    )
    op.create_index("ix_reserve_check_provider_id_on_date", "reserve_check", ["provider_id", "on_date"], unique=False)
    op.create_index(
        "uq_reserve_check_daily",
        "reserve_check",
        ["provider_id", "on_date"],
        unique=True,
        postgresql_where=sa.text("cause = 'daily'"),
        sqlite_where=sa.text("cause = 'daily'"),
    )
    op.create_table(
        "reserve_holding",
        sa.Column("filing_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset_class", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_cents >= 0", name=op.f("ck_reserve_holding_not_negative")),
        sa.ForeignKeyConstraint(
            ["filing_id"], ["reserve_filing.id"], name=op.f("fk_reserve_holding_filing_id_reserve_filing")
        ),
        sa.PrimaryKeyConstraint("filing_id", "asset_class", name=op.f("pk_reserve_holding")),
        sqlite_strict=True,
    )
    op.create_table(
        "finding",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.BigInteger(), nullable=False),
        sa.Column("check_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_tier", sa.Text(), nullable=True),
        sa.Column("to_tier", sa.Text(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("plan_due_on", sa.Date(), nullable=True),
        sa.Column("answer_due_on", sa.Date(), nullable=True),
        sa.CheckConstraint("kind IN ('crossing', 'trend')", name=op.f("ck_finding_kind")),
        sa.CheckConstraint("state IN ('open', 'closed')", name=op.f("ck_finding_state")),
        sa.ForeignKeyConstraint(["check_id"], ["reserve_check.id"], name=op.f("fk_finding_check_id_reserve_check")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["provider.organization_id"], name=op.f("fk_finding_provider_id_provider")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
        sqlite_strict=True,
    )
    op.create_index("ix_finding_provider_id", "finding", ["provider_id"], unique=False)
    op.create_table(
        "package_component",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("share_bp", sa.BigInteger(), nullable=False),
        sa.Column("waiting_days", sa.BigInteger(), nullable=False),
        sa.Column("accrual_hours", sa.BigInteger(), nullable=True),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "accrual_hours IS NULL OR accrual_hours > 0", name=op.f("ck_package_component_accrual_positive")
        ),
        sa.CheckConstraint("share_bp BETWEEN 0 AND 10000", name=op.f("ck_package_component_share_range")),
        sa.CheckConstraint("waiting_days >= 0", name=op.f("ck_package_component_waiting_not_negative")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["package_version.id"], name=op.f("fk_package_component_version_id_package_version")
        ),
        sa.PrimaryKeyConstraint("version_id", "component", name=op.f("pk_package_component")),
        sqlite_strict=True,
    )


def downgrade():
    op.drop_table("package_component")
    op.drop_table("finding")
    op.drop_table("reserve_holding")
    op.drop_table("reserve_check")
    op.drop_table("package_version")
    op.drop_table("decision_voice")
    op.drop_table("reserve_filing")
    op.drop_table("provider_decision")
    op.drop_table("provider_criterion")
    op.drop_table("package")
    op.drop_table("board_seat")
    op.drop_table("provider")
    op.drop_table("health_plan_premium")
    op.drop_table("health_plan_county")
    op.drop_table("irs_organization")
    op.drop_table("health_plan")
