"""What is kept about workers: their account, their choices, their rights, and what employers paid?"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, Choice, one_of
from exchange.ledger.accounts import set_by_set


def _unique_where(condition: str, name: str, *columns: str) -> Index:
    """No two rows that meet the condition have these columns in common."""
    return Index(name, *columns, unique=True, postgresql_where=text(condition), sqlite_where=text(condition))


class WindowKind(StrEnum):
    """For whom a window opens: everybody, or one worker for a cause."""

    OPEN = "open"
    SPECIAL = "special"


class ElectionState(StrEnum):
    """What became of a choice."""

    STANDING = "standing"
    REPLACED = "replaced"
    UNDONE = "undone"
    CARRIED_OUT = "carried_out"


class SwitchState(StrEnum):
    """How far a switch has come."""

    ORDERED = "ordered"
    CARRIED_OUT = "carried_out"
    ABANDONED = "abandoned"


class SwitchCause(StrEnum):
    """Why a switch was ordered."""

    ELECTION = "election"  # the worker chose
    SUCCESSOR = "successor"  # the package ended and named another one
    PLACEMENT = "placement"  # placed by policy, having chosen nobody


class MembershipCause(StrEnum):
    """Why a membership began."""

    OPENED = "opened"  # the account was opened; the exchange holds what comes
    ELECTION = "election"
    SUCCESSOR = "successor"
    PLACEMENT = "placement"


class EmployerKind(StrEnum):
    """What sort of body pays for work."""

    PLATFORM = "platform"
    FIRM = "firm"
    HOUSEHOLD = "household"
    PUBLIC = "public"


class RemittanceState(StrEnum):
    """How far an employer's payment has come."""

    REPORTED = "reported"
    PAID = "paid"
    CANCELLED = "cancelled"


class LeaveState(StrEnum):
    """What became of a request for leave."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Worker(Base):
    """A person who works. Personal data: nothing outside this table and ``login`` names him."""

    __tablename__ = "worker"

    id: Mapped[int] = mapped_column(primary_key=True)
    login_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"), unique=True)
    legal_name: Mapped[str]
    email: Mapped[str]
    phone: Mapped[str | None]
    # Where he lives, as a place code of the policy; decides which packages serve him.
    place: Mapped[str]
    born_on: Mapped[date | None]
    registered_at: Mapped[datetime]


class BenefitAccount(Base):
    """A worker's one account, with the permanent number he gives to everyone he works for."""

    __tablename__ = "benefit_account"
    __table_args__ = (CheckConstraint("closed_at IS NULL OR closed_at > opened_at", name="closed_after_opened"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    worker_id: Mapped[int] = mapped_column(ForeignKey("worker.id"), unique=True)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    # Set by the worker against switches he never made: no election is taken while it is on.
    switch_locked: Mapped[bool] = mapped_column(default=False)


class Employer(Base):
    """Somebody who pays for work: a platform, a firm, a household."""

    __tablename__ = "employer"
    __table_args__ = (one_of("kind", EmployerKind),)

    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True, autoincrement=False)
    kind: Mapped[EmployerKind] = mapped_column(Choice(EmployerKind))
    # The trade that its work is in, unless a line of a report says another.
    sector: Mapped[str]
    registered_at: Mapped[datetime]


class Employment(Base):
    """That a worker has given his number to an employer and was reported by it."""

    __tablename__ = "employment"
    __table_args__ = (
        *set_by_set(employer_id="employer.organization_id", benefit_account_id="benefit_account.id"),
        Index("ix_employment_benefit_account_id", "benefit_account_id"),
    )

    employer_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    benefit_account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_worked_on: Mapped[date]
    last_worked_on: Mapped[date]


class Membership(Base):
    """With whom a worker is, from an instant on: a provider's package, or the exchange (no package).

    An account's memberships follow one another without gap or overlap: each begins where the one
    before ends, and exactly one has no end (domain §12, rule 7). The version of the package that
    holds on a day is the one listed for that day's plan year.
    """

    __tablename__ = "membership"
    __table_args__ = (
        one_of("cause", MembershipCause),
        *set_by_set(benefit_account_id="benefit_account.id", provider_id="organization.id", package_id="package.id"),
        UniqueConstraint("benefit_account_id", "starts_at"),
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="ends_after_start"),
        _unique_where("ends_at IS NULL", "uq_membership_current", "benefit_account_id"),
        Index(
            "ix_membership_provider_id", "provider_id",
            postgresql_where=text("ends_at IS NULL"), sqlite_where=text("ends_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    benefit_account_id: Mapped[int]
    # The provider's organization, or the exchange's own.
    provider_id: Mapped[int]
    package_id: Mapped[int | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    cause: Mapped[MembershipCause] = mapped_column(Choice(MembershipCause))


class MemberRight(Base):
    """What a worker has earned in a component besides money: time served, deductible met, cover paid."""

    __tablename__ = "member_right"
    __table_args__ = set_by_set(membership_id="membership.id")

    membership_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    component: Mapped[str] = mapped_column(primary_key=True)
    # Since when he has been covered without a gap: waiting periods and seniority count from here.
    covered_since: Mapped[date]
    deductible_met_cents: Mapped[int] = mapped_column(default=0)
    paid_through: Mapped[date | None]


class EnrollmentWindow(Base):
    """A period [opens_at, closes_at) in which elections are taken; instants computed once, when published."""

    __tablename__ = "enrollment_window"
    __table_args__ = (
        one_of("kind", WindowKind),
        CheckConstraint("opens_at < closes_at", name="opens_before_it_closes"),
        CheckConstraint("(kind = 'special') = (benefit_account_id IS NOT NULL)", name="special_is_somebodys"),
        CheckConstraint("(kind = 'special') = (cause IS NOT NULL)", name="special_has_cause"),
        CheckConstraint("(kind = 'open') = (effective_at IS NOT NULL)", name="open_has_effective_instant"),
        CheckConstraint("confirmed_at IS NULL OR cut_over_at IS NOT NULL", name="confirmed_when_cut_over"),
        _unique_where("kind = 'open'", "uq_enrollment_window_open", "plan_year"),
        UniqueConstraint("benefit_account_id", "cause", "event_on"),
        Index("ix_enrollment_window_closes_at", "closes_at"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[WindowKind] = mapped_column(Choice(WindowKind))
    plan_year: Mapped[str]
    opens_at: Mapped[datetime]
    closes_at: Mapped[datetime]
    # Open enrollment: when its switches take effect. Special: follows from the cause's rule at the choice.
    effective_at: Mapped[datetime | None]
    published_at: Mapped[datetime]
    benefit_account_id: Mapped[int | None] = mapped_column(ForeignKey("benefit_account.id"))
    cause: Mapped[str | None]
    event_on: Mapped[date | None]
    # Set when standing elections have become switch orders, and when all of those are carried out.
    ordered_at: Mapped[datetime | None]
    cut_over_at: Mapped[datetime | None]
    # Set while no batch of the cutover may begin, when somebody stood by it, and while it is rolled back.
    paused_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    rolling_back_since: Mapped[datetime | None]
    # How often the cutover was rolled back.
    rolled_back: Mapped[int] = mapped_column(default=0, server_default=text("0"))


class Election(Base):
    """A worker's choice of a package for a plan year, taken inside a window.

    That ``decided_at`` lies inside the window is held by a trigger of the database.
    """

    __tablename__ = "election"
    __table_args__ = (
        one_of("state", ElectionState),
        # The last choice before the close counts: one stands for each worker and plan year.
        _unique_where("state = 'standing'", "uq_election_standing", "benefit_account_id", "plan_year"),
        Index("ix_election_window_id_state", "window_id", "state"),
        CheckConstraint("effective_at >= decided_at OR retroactive", name="not_backdated"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    benefit_account_id: Mapped[int] = mapped_column(ForeignKey("benefit_account.id"))
    window_id: Mapped[int] = mapped_column(ForeignKey("enrollment_window.id"))
    plan_year: Mapped[str]
    package_version_id: Mapped[int] = mapped_column(ForeignKey("package_version.id"))
    state: Mapped[ElectionState] = mapped_column(Choice(ElectionState))
    decided_at: Mapped[datetime]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    effective_at: Mapped[datetime]
    # A court's order or the exchange's own error corrected: effective before it was decided.
    retroactive: Mapped[bool] = mapped_column(default=False)


class Switch(Base):
    """A change of package that is to be carried out: who leaves whom for whom, when, and that it was done.

    When a worker changes package with the same provider the two providers are one and no balance moves.
    """

    __tablename__ = "switch"
    __table_args__ = (
        one_of("state", SwitchState),
        one_of("cause", SwitchCause),
        _unique_where("state <> 'abandoned'", "uq_switch_effective", "benefit_account_id", "effective_at"),
        CheckConstraint("(cause = 'election') = (election_id IS NOT NULL)", name="election_has_one"),
        Index(
            "ix_switch_ordered", "effective_at", "id",
            postgresql_where=text("state = 'ordered'"), sqlite_where=text("state = 'ordered'"),
        ),
        # The few that were given up: with those above, all switches of an account are found.
        Index(
            "ix_switch_abandoned", "benefit_account_id",
            postgresql_where=text("state = 'abandoned'"), sqlite_where=text("state = 'abandoned'"),
        ),
        CheckConstraint("(state = 'carried_out') = (carried_out_at IS NOT NULL)", name="carried_out_when"),
        CheckConstraint("from_package_id IS NULL OR from_package_id <> to_package_id", name="changes_package"),
        *set_by_set(entry_id="ledger_entry.id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    cause: Mapped[SwitchCause] = mapped_column(Choice(SwitchCause))
    election_id: Mapped[int | None] = mapped_column(ForeignKey("election.id"), unique=True)
    # The open enrollment whose cutover carries it out; empty for switches that take effect on their own day.
    window_id: Mapped[int | None] = mapped_column(ForeignKey("enrollment_window.id"))
    benefit_account_id: Mapped[int] = mapped_column(ForeignKey("benefit_account.id"))
    plan_year: Mapped[str]
    from_provider_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    from_package_id: Mapped[int | None] = mapped_column(ForeignKey("package.id"))
    to_provider_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    to_package_id: Mapped[int] = mapped_column(ForeignKey("package.id"))
    to_version_id: Mapped[int] = mapped_column(ForeignKey("package_version.id"))
    effective_at: Mapped[datetime]
    state: Mapped[SwitchState] = mapped_column(Choice(SwitchState))
    ordered_at: Mapped[datetime]
    carried_out_at: Mapped[datetime | None]
    # The journal entry that moved the balances; empty when there was nothing to move.
    entry_id: Mapped[int | None]
    reason: Mapped[str | None]
    # How often it was carried out and rolled back; the journal's key tells the rounds apart.
    rolled_back: Mapped[int] = mapped_column(default=0, server_default=text("0"))


class Remittance(Base):
    """One payment of an employer that covers many contributions."""

    __tablename__ = "remittance"
    __table_args__ = (
        one_of("state", RemittanceState),
        CheckConstraint("total_cents >= 0", name="not_negative"),
        CheckConstraint("(state = 'paid') = (paid_at IS NOT NULL)", name="paid_when"),
        # The same file twice is one remittance.
        _unique_where("state <> 'cancelled'", "uq_remittance_content", "employer_id", "content_digest"),
        # The same request of a program twice is one remittance.
        _unique_where("request_key IS NOT NULL", "uq_remittance_request", "employer_id", "request_key"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    employer_id: Mapped[int] = mapped_column(ForeignKey("employer.organization_id"))
    state: Mapped[RemittanceState] = mapped_column(Choice(RemittanceState))
    source: Mapped[str]
    # SHA-256 of what was reported, in its canonical form.
    content_digest: Mapped[bytes]
    # How the employer's program named its request (the header Idempotency-Key).
    request_key: Mapped[str | None]
    reported_at: Mapped[datetime]
    reported_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    paid_at: Mapped[datetime | None]
    total_cents: Mapped[int]
    # Of the total: what is due because the money came late (interest and penalty of the policy).
    late_cents: Mapped[int] = mapped_column(default=0)


class Contribution(Base):
    """What one employer owes for one worker's piece of work, and how the rule came to it."""

    __tablename__ = "contribution"
    __table_args__ = (
        *set_by_set(remittance_id="remittance.id", entry_id="ledger_entry.id", reversed_by_id="ledger_entry.id"),
        *set_by_set(employer_id="employer.organization_id", benefit_account_id="benefit_account.id"),
        *set_by_set(provider_id="organization.id", policy_version_id="policy_version.id"),
        *set_by_set(package_version_id="package_version.id"),
        UniqueConstraint("remittance_id", "line"),
        Index("ix_contribution_benefit_account_id_work_to", "benefit_account_id", "work_to"),
        Index("ix_contribution_employer_id_work_from", "employer_id", "work_from"),
        CheckConstraint("work_from <= work_to", name="period_in_order"),
        CheckConstraint("owed_cents >= 0 AND extra_cents >= 0 AND late_cents >= 0", name="not_negative"),
        CheckConstraint(
            "minutes >= 0 AND earnings_cents >= 0 AND fee_cents >= 0 AND tolls_cents >= 0 AND jobs >= 0",
            name="basis_not_negative",
        ),
        CheckConstraint("(entry_id IS NULL) = (provider_id IS NULL)", name="posted_somewhere"),
        CheckConstraint("reversed_by_id IS NULL OR entry_id IS NOT NULL", name="reversed_after_posting"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    remittance_id: Mapped[int]
    line: Mapped[int]
    employer_id: Mapped[int]
    benefit_account_id: Mapped[int]
    # First and last day of the work, both included, as laws and payslips say it.
    work_from: Mapped[date]
    work_to: Mapped[date]
    place: Mapped[str]
    sector: Mapped[str]
    worker_class: Mapped[str]
    minutes: Mapped[int] = mapped_column(default=0)
    earnings_cents: Mapped[int] = mapped_column(default=0)
    fee_cents: Mapped[int] = mapped_column(default=0)
    tolls_cents: Mapped[int] = mapped_column(default=0)
    jobs: Mapped[int] = mapped_column(default=0)
    # The rule of the policy version that held there and then, and what it came to. No rule: empty, nothing owed.
    policy_version_id: Mapped[int]
    rule: Mapped[str]
    owed_cents: Mapped[int]
    # What the employer pays above the floor.
    extra_cents: Mapped[int] = mapped_column(default=0)
    # What it pays because it paid late; the worker's too.
    late_cents: Mapped[int] = mapped_column(default=0)
    explanation: Mapped[str]
    # Filled when the remittance is paid: with whom it went, by which version's split, and the entry.
    provider_id: Mapped[int | None]
    package_version_id: Mapped[int | None]
    entry_id: Mapped[int | None]
    # The entry that took it back, because the report was wrong.
    reversed_by_id: Mapped[int | None]


class LeaveTally(Base):
    """How long somebody has worked at one rate of accrual, so that no fraction of a minute of leave is lost.

    The rate in lowest terms: ``earned`` minutes of leave for every ``worked`` minutes.
    """

    __tablename__ = "leave_tally"
    __table_args__ = (
        *set_by_set(benefit_account_id="benefit_account.id"),
        CheckConstraint("minutes >= 0 AND worked > 0 AND earned > 0", name="not_negative"),
    )

    benefit_account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    component: Mapped[str] = mapped_column(primary_key=True)
    worked: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    earned: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # Minutes of work since the beginning.
    minutes: Mapped[int]


class LeaveRequest(Base):
    """A worker's request for leave: days off, minutes asked, and what was decided and paid."""

    __tablename__ = "leave_request"
    __table_args__ = (
        one_of("state", LeaveState),
        CheckConstraint("minutes > 0", name="positive"),
        CheckConstraint("first_day <= last_day", name="days_in_order"),
        CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="decided_when_answered"),
        CheckConstraint("(state = 'approved') = (entry_id IS NOT NULL)", name="approved_is_posted"),
        Index("ix_leave_request_benefit_account_id", "benefit_account_id"),
        Index("ix_leave_request_state", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    benefit_account_id: Mapped[int] = mapped_column(ForeignKey("benefit_account.id"))
    component: Mapped[str]
    minutes: Mapped[int]
    first_day: Mapped[date]
    last_day: Mapped[date]
    state: Mapped[LeaveState] = mapped_column(Choice(LeaveState))
    asked_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    # Who paid it (the provider at the decision), how much cash the minutes were worth, and the entry.
    provider_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    paid_cents: Mapped[int | None]
    reason: Mapped[str | None]
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("ledger_entry.id"))
