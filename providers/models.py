"""What is kept about providers: who they are, what they sell, and what they hold against what they owe?"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, Choice, one_of


class ProviderKind(StrEnum):
    """What sort of nonprofit body a provider is."""

    UNION = "union"
    CREDIT_UNION = "credit_union"
    PROFESSIONAL = "professional_association"
    CIVIC = "civic_association"
    COOPERATIVE = "cooperative"
    MUTUAL = "mutual_benefit_society"


class ProviderState(StrEnum):
    """How far a provider's qualification has come (domain §5)."""

    APPLIED = "applied"
    UNDER_REVIEW = "under_review"
    QUALIFIED = "qualified"
    QUALIFIED_WITH_CONDITIONS = "qualified_with_conditions"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"


class CriterionState(StrEnum):
    """A reviewer's answer to one criterion."""

    OPEN = "open"
    MET = "met"
    NOT_MET = "not_met"


class DecisionState(StrEnum):
    """A decision that two regulators take: proposed by one, agreed or rejected by another."""

    PROPOSED = "proposed"
    AGREED = "agreed"
    REJECTED = "rejected"


class VersionState(StrEnum):
    """Where a package version stands on its way to the shelf (domain §6)."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    CERTIFIED = "certified"
    LISTED = "listed"
    CLOSED = "closed"


class CheckCause(StrEnum):
    """Why a reserve check was made."""

    DAILY = "daily"
    FILING = "filing"
    CUTOVER = "cutover"


class FindingKind(StrEnum):
    """What a reserve check came upon."""

    CROSSING = "crossing"  # the provider stands on another rung of the ladder than before
    TREND = "trend"  # its ratio falls fast, whatever the rung


class FindingState(StrEnum):
    """Whether a finding still waits for an answer."""

    OPEN = "open"
    CLOSED = "closed"


class Provider(Base):
    """A nonprofit body that offers benefit packages, or asks to."""

    __tablename__ = "provider"
    __table_args__ = (one_of("kind", ProviderKind), one_of("state", ProviderState))

    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True, autoincrement=False)
    kind: Mapped[ProviderKind] = mapped_column(Choice(ProviderKind))
    state: Mapped[ProviderState] = mapped_column(Choice(ProviderState))
    summary: Mapped[str]
    website: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    applied_at: Mapped[datetime]
    # The tier of the policy's ladder that its last reserve check left it in; set by reserves.py only.
    tier: Mapped[str | None]
    tier_since: Mapped[date | None]
    # Whether that tier lets new members in. Off by default: no check yet, nobody in.
    takes_new_members: Mapped[bool] = mapped_column(default=False)


class ProviderCriterion(Base):
    """One criterion of qualification: the evidence, the reviewer's answer, its reason and expiry."""

    __tablename__ = "provider_criterion"
    __table_args__ = (
        one_of("state", CriterionState),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_when_answered"),
    )

    provider_id: Mapped[int] = mapped_column(
        ForeignKey("provider.organization_id"), primary_key=True, autoincrement=False
    )
    criterion: Mapped[str] = mapped_column(primary_key=True)
    evidence: Mapped[str | None]
    state: Mapped[CriterionState] = mapped_column(Choice(CriterionState))
    reason: Mapped[str | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    decided_at: Mapped[datetime | None]
    expires_on: Mapped[date | None]


class BoardSeat(Base):
    """One seat of a provider's board, and who fills it."""

    __tablename__ = "board_seat"

    provider_id: Mapped[int] = mapped_column(
        ForeignKey("provider.organization_id"), primary_key=True, autoincrement=False
    )
    seat: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holder_name: Mapped[str]
    # "member workers" or the body that appoints; elected_by_members is what the criterion counts.
    appointed_by: Mapped[str]
    elected_by_members: Mapped[bool]


class ProviderDecision(Base):
    """A change of a provider's state that one regulator proposes and another agrees to."""

    __tablename__ = "provider_decision"
    __table_args__ = (
        one_of("state", DecisionState),
        one_of("becomes", ProviderState),
        CheckConstraint("decided_by_id IS NULL OR decided_by_id <> proposed_by_id", name="two_people"),
        CheckConstraint("(state = 'proposed') = (decided_at IS NULL)", name="decided_when_answered"),
        CheckConstraint("voices >= 0", name="voices_not_negative"),
        Index(
            "uq_provider_decision_open", "provider_id",
            unique=True, postgresql_where=text("state = 'proposed'"), sqlite_where=text("state = 'proposed'"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.organization_id"))
    becomes: Mapped[ProviderState] = mapped_column(Choice(ProviderState))
    reason: Mapped[str]
    state: Mapped[DecisionState] = mapped_column(Choice(DecisionState))
    # Empty when the system proposes (a provider that fell below the floor): then nobody has agreed yet.
    proposed_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    proposed_at: Mapped[datetime]
    # How many people stand behind it (``DecisionVoice``), counted by one statement so that none is missed.
    voices: Mapped[int]
    # Whoever agreed last, or rejected it.
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    decided_at: Mapped[datetime | None]


class DecisionVoice(Base):
    """That a person stands behind a decision: each counts once, the one who proposed it included."""

    __tablename__ = "decision_voice"

    decision_id: Mapped[int] = mapped_column(ForeignKey("provider_decision.id"), primary_key=True, autoincrement=False)
    login_id: Mapped[int] = mapped_column(ForeignKey("login.id"), primary_key=True, autoincrement=False)
    given_at: Mapped[datetime]


class Package(Base):
    """What a provider sells, year after year; its terms stand in its versions."""

    __tablename__ = "package"
    __table_args__ = (
        UniqueConstraint("provider_id", "name"),
        CheckConstraint("successor_id IS NULL OR successor_id <> id", name="successor_is_another"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.organization_id"))
    name: Mapped[str]
    created_at: Mapped[datetime]
    # Discontinued from the plan year after this one on; members go to the successor.
    last_plan_year: Mapped[str | None]
    successor_id: Mapped[int | None] = mapped_column(ForeignKey("package.id"))


class PackageVersion(Base):
    """The terms of a package for one plan year. Once it is no longer a draft only its state moves.

    The shares of its components and the fee, in basis points, are the whole contribution: 10,000.
    """

    __tablename__ = "package_version"
    __table_args__ = (
        one_of("state", VersionState),
        UniqueConstraint("package_id", "plan_year", "number"),
        Index(
            "uq_package_version_listed", "package_id", "plan_year",
            unique=True, postgresql_where=text("state = 'listed'"), sqlite_where=text("state = 'listed'"),
        ),
        Index("ix_package_version_plan_year_state", "plan_year", "state"),
        CheckConstraint("fee_bp BETWEEN 0 AND 10000", name="fee_range"),
        CheckConstraint("number >= 1", name="number_from_one"),
        CheckConstraint("(state = 'draft') = (submitted_at IS NULL)", name="submitted_unless_draft"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    package_id: Mapped[int] = mapped_column(ForeignKey("package.id"))
    plan_year: Mapped[str]
    number: Mapped[int]
    state: Mapped[VersionState] = mapped_column(Choice(VersionState))
    summary: Mapped[str]
    fee_bp: Mapped[int]
    # How and when a member may take money or leave out, in words.
    withdrawal_terms: Mapped[str]
    # A place of the policy: whoever lives there, or in a place within it, is served.
    service_area: Mapped[str]
    # The catalogue plan that the health component buys, if it buys one.
    health_plan_id: Mapped[int | None] = mapped_column(ForeignKey("health_plan.id"))
    created_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    certified_at: Mapped[datetime | None]
    listed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class PackageComponent(Base):
    """One component of a version: its share of each contribution and its terms."""

    __tablename__ = "package_component"
    __table_args__ = (
        CheckConstraint("share_bp BETWEEN 0 AND 10000", name="share_range"),
        CheckConstraint("waiting_days >= 0", name="waiting_not_negative"),
        CheckConstraint("accrual_hours IS NULL OR accrual_hours > 0", name="accrual_positive"),
    )

    version_id: Mapped[int] = mapped_column(ForeignKey("package_version.id"), primary_key=True, autoincrement=False)
    component: Mapped[str] = mapped_column(primary_key=True)
    share_bp: Mapped[int]
    waiting_days: Mapped[int] = mapped_column(default=0)
    # Leave only: hours of work for one hour of leave (30 or 40 in the laws met so far).
    accrual_hours: Mapped[int | None]
    # Who stands behind it (insurer, bank, fund manager); the provider stays answerable.
    vendor: Mapped[str | None]
    terms: Mapped[str] = mapped_column(default="")


class ReserveFiling(Base):
    """A provider's statement of what it holds on a date. Never changed: a later one counts instead."""

    __tablename__ = "reserve_filing"
    __table_args__ = (Index("ix_reserve_filing_provider_id_as_of", "provider_id", "as_of"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.organization_id"))
    as_of: Mapped[date]
    filed_at: Mapped[datetime]
    filed_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    note: Mapped[str] = mapped_column(default="")


class ReserveHolding(Base):
    """One line of a filing: an asset class of the policy and its amount."""

    __tablename__ = "reserve_holding"
    __table_args__ = (CheckConstraint("amount_cents >= 0", name="not_negative"),)

    filing_id: Mapped[int] = mapped_column(ForeignKey("reserve_filing.id"), primary_key=True, autoincrement=False)
    asset_class: Mapped[str] = mapped_column(primary_key=True)
    amount_cents: Mapped[int]


class ReserveCheck(Base):
    """What a provider had to hold, what it held, and the tier that followed. Never changed.

    Liabilities come from the exchange's ledger, holdings from the filing that was the last by then.
    """

    __tablename__ = "reserve_check"
    __table_args__ = (
        one_of("cause", CheckCause),
        Index("ix_reserve_check_provider_id_on_date", "provider_id", "on_date"),
        Index("ix_reserve_check_checked_at", "checked_at"),
        # Each day and provider has exactly one daily check (domain §12, rule 10).
        Index(
            "uq_reserve_check_daily", "provider_id", "on_date",
            unique=True, postgresql_where=text("cause = 'daily'"), sqlite_where=text("cause = 'daily'"),
        ),
        CheckConstraint(
            "required_cents = individual_cents + pooled_cents + contingency_cents", name="required_adds_up"
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.organization_id"))
    on_date: Mapped[date]
    cause: Mapped[CheckCause] = mapped_column(Choice(CheckCause))
    checked_at: Mapped[datetime]
    late: Mapped[bool] = mapped_column(default=False)
    filing_id: Mapped[int | None] = mapped_column(ForeignKey("reserve_filing.id"))
    filing_overdue: Mapped[bool]
    # What the ledger says is owed to workers, and what policy wants held against it.
    liabilities_cents: Mapped[int]
    individual_cents: Mapped[int]
    pooled_cents: Mapped[int]
    contingency_cents: Mapped[int]
    required_cents: Mapped[int]
    # The size of the sealed journal that the ledger's figure speaks of; empty where nothing was sealed lately.
    journal_size: Mapped[int | None] = mapped_column(ForeignKey("seal_checkpoint.size"))
    # Net cash of settlements in effect since the filing's date: in with members who came, out with those who left.
    settlement_cents: Mapped[int]
    held_cents: Mapped[int]
    # held / required in basis points; empty when nothing is required.
    ratio_bp: Mapped[int | None]
    # The rung by the ratio alone, and the one that counts: lower where a filing is overdue.
    ratio_tier: Mapped[str]
    tier: Mapped[str]


class ReserveCheckStatement(Base):
    """A statement of liabilities that a check rests on: signed, of the same size of the journal. Never changed."""

    __tablename__ = "reserve_check_statement"

    check_id: Mapped[int] = mapped_column(ForeignKey("reserve_check.id"), primary_key=True, autoincrement=False)
    statement_id: Mapped[int] = mapped_column(
        ForeignKey("liability_statement.id"), primary_key=True, autoincrement=False
    )


class Finding(Base):
    """Something a reserve check came upon, once: a border of the ladder crossed, or a fast fall."""

    __tablename__ = "finding"
    __table_args__ = (
        one_of("kind", FindingKind),
        one_of("state", FindingState),
        Index("ix_finding_provider_id", "provider_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.organization_id"))
    check_id: Mapped[int] = mapped_column(ForeignKey("reserve_check.id"))
    kind: Mapped[FindingKind] = mapped_column(Choice(FindingKind))
    from_tier: Mapped[str | None]
    to_tier: Mapped[str]
    found_at: Mapped[datetime]
    state: Mapped[FindingState] = mapped_column(Choice(FindingState))
    # By when the provider hands in its plan, and the regulator answers, where the rung asks for one.
    plan_due_on: Mapped[date | None]
    answer_due_on: Mapped[date | None]
