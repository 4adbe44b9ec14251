"""What does a policy say?

Frozen values, read from a policy file by ``exchange.policy.reading`` and never made by hand outside
of it. Every figure of the law that the program acts by stands here as data. Shares are basis points
(10,000 = 100 %), money is cents, work and leave are minutes, periods exclude their end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple, TypeVar

from flask_babel import lazy_gettext as _l

from exchange.errors import NotFound, Refusal
from exchange.money import Unit
from exchange.policy.formulas import ContributionRule, Rounding
from exchange.policy.names import Named, in_words

EXCHANGE = "exchange"  # written for ``like`` in a policy file: such a balance is held by the exchange


class NoPolicyInForce(Refusal):
    """The date lies before the first version of the policy."""

    code = "no_policy_in_force"


class NotInPolicy(NotFound):
    """The policy does not know this code (of a component, a cause, an asset class, …)."""

    code = "not_in_policy"


# --- the calendar ---------------------------------------------------------------------------------


class MonthDay(NamedTuple):
    """A day that every year has (29 February is none)."""

    month: int
    day: int

    def in_year(self, year: int) -> date:
        """The date in that calendar year."""
        return date(year, self.month, self.day)


@dataclass(frozen=True, slots=True)
class EnrollmentDates:
    """Open enrollment for one plan year by exact local dates, where it differs from the yearly rule."""

    plan_year: str
    opens_on: date
    closes_on: date


@dataclass(frozen=True, slots=True)
class CalendarRules:
    """When plan years begin and when everybody may choose; ``closes`` is the first day without choice.

    ``opens`` and ``closes`` are days of the twelve months before the plan year. ``holidays`` are
    banks': no business days.
    """

    plan_year_starts: MonthDay
    opens: MonthDay
    closes: MonthDay
    exact: tuple[EnrollmentDates, ...]
    yearly_holidays: frozenset[MonthDay]
    single_holidays: frozenset[date]


class Trigger(StrEnum):
    """What opens a special enrollment."""

    CLAIMED = "claimed"  # the worker says so and shows evidence
    FIRST_CONTRIBUTION = "first_contribution"
    PLACED = "placed"  # by policy, with a provider that he did not choose
    PACKAGE_CHANGED = "package_changed"
    PACKAGE_CLOSED = "package_closed"
    PROVIDER_RESTRICTED = "provider_restricted"
    PROVIDER_SUSPENDED = "provider_suspended"
    PROVIDER_WITHDRAWN = "provider_withdrawn"
    PROVIDER_WOUND_UP = "provider_wound_up"
    EXCHANGE_ERROR = "exchange_error"


class EffectiveKind(StrEnum):
    """From when a choice in a special enrollment counts."""

    DATE_OF_EVENT = "date_of_event"
    FIRST_OF_NEXT_MONTH = "first_of_next_month"
    BY_DAY = "by_day"  # chosen by that day of the month: first of the next; later: first of the month after


@dataclass(frozen=True, slots=True)
class EffectiveRule:
    """The rule; ``by_day`` (1 … 28) is given with ``EffectiveKind.BY_DAY`` only."""

    kind: EffectiveKind
    by_day: int | None = None


@dataclass(frozen=True, slots=True)
class Cause(Named):
    """A reason for one worker to choose outside of open enrollment."""

    code: str
    written: str
    trigger: Trigger
    days_before: int
    days_after: int
    effective: EffectiveRule


# --- benefits -------------------------------------------------------------------------------------


class Nature(StrEnum):
    """Whose the money in a component is."""

    INDIVIDUAL = "individual"  # the worker's own, vested at once, with a balance that moves on a switch
    POOLED = "pooled"  # insurance: a contribution buys cover


@dataclass(frozen=True, slots=True)
class Component(Named):
    """One kind of benefit. ``like``: where an individual balance goes that a new package has no place for.

    ``like`` is the code of another individual component of the same units, or None: the exchange holds it.
    """

    code: str
    written: str
    nature: Nature
    units: tuple[Unit, ...]
    mandatory: bool
    like: str | None


@dataclass(frozen=True, slots=True)
class LeaveAccrual:
    """``minutes_earned`` of leave for every ``minutes_worked``; ``funded``: its cash value is set aside at once."""

    component: str
    places: tuple[str, ...]
    minutes_worked: int
    minutes_earned: int
    funded: bool


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """Within how many days a provider must decide on a worker's request for leave or money."""

    decide_within_days: int


# --- contributions --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """Contributions for a month are due on ``day`` of the month ``months_after`` it."""

    day: int
    months_after: int


@dataclass(frozen=True, slots=True)
class LateMoney:
    """Simple interest for each day after the grace, and a penalty once, both on what was late."""

    grace_days: int
    interest_bp_per_year: int
    days_in_year: int
    penalty_bp: int
    rounding: Rounding


@dataclass(frozen=True, slots=True)
class Contributions:
    """What employers owe, when, and who may add to it (a floor, not a ceiling)."""

    rules: tuple[ContributionRule, ...]
    due: Due
    itemized_per_job: bool
    employer_may_pay_more: bool
    worker_may_add: bool
    government_may_add: bool
    late: LateMoney
    administration_cap_bp: int


# --- providers ------------------------------------------------------------------------------------


class CriterionKind(StrEnum):
    """How a criterion is examined."""

    IRS_REGISTER = "irs_register"
    ELECTED_BOARD = "elected_board"
    DECLARATION = "declaration"
    ADMINISTRATION_CAP = "administration_cap"
    BOND = "bond"
    VENDORS_NAMED = "vendors_named"
    RESERVE_FILING = "reserve_filing"


@dataclass(frozen=True, slots=True)
class Criterion(Named):
    """One thing that a provider must show. Which figures are given depends on the kind; the others are empty."""

    code: str
    written: str
    kind: CriterionKind
    expires_after_months: int
    subsections: tuple[str, ...] = ()  # irs_register: two digits each
    statuses: tuple[str, ...] = ()  # irs_register: two digits each
    elected_bp: int | None = None  # elected_board
    at_least_cents: int | None = None  # bond
    tier: str | None = None  # reserve_filing: this one or a better


@dataclass(frozen=True, slots=True)
class Qualification:
    """How many regulators must agree, and on what."""

    deciders: int
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must be held: a share of individual balances, and weeks of pooled cost, averaged over some weeks."""

    individual_bp: int
    pooled_weeks: int
    contingency_weeks: int
    averaged_over_weeks: int


@dataclass(frozen=True, slots=True)
class AssetClass(Named):
    """A kind of asset, and the share of its value that does not count."""

    code: str
    written: str
    haircut_bp: int


@dataclass(frozen=True, slots=True)
class Tier(Named):
    """A rung of the ladder and what follows from standing on it. ``at_least_bp`` is held over required."""

    code: str
    written: str
    at_least_bp: int
    on_sale: bool
    may_leave_at_once: bool
    run_off: bool
    plan_due_days: int | None
    answer_due_days: int | None


@dataclass(frozen=True, slots=True)
class Trend:
    """Falling by ``falls_bp`` of the ratio within ``within_days`` calls for a notice even on the top rung."""

    falls_bp: int
    within_days: int


@dataclass(frozen=True, slots=True)
class Reserves:
    """The reserve formula and the ladder, best rung first; the last rung begins at 0."""

    requirement: Requirement
    assets: tuple[AssetClass, ...]
    insured_cap_bp: int  # of the requirement
    ladder: tuple[Tier, ...]
    hysteresis_bp: int  # how far above a border the ratio must be to climb back
    filing_every_days: int
    filing_due_days: int
    late_filing_drops: int  # rungs
    trend: Trend

    def tier_at(self, ratio_bp: int) -> Tier:
        """The rung for a ratio (not negative) before hysteresis and late filings are thought of."""
        return next(tier for tier in self.ladder if ratio_bp >= tier.at_least_bp)

    def tier(self, code: str) -> Tier:
        """The rung of that code; refuses ``NotInPolicy``."""
        return _named(self.ladder, code)

    def asset(self, code: str) -> AssetClass:
        """The asset class of that code; refuses ``NotInPolicy``."""
        return _named(self.assets, code)


# --- the rest -------------------------------------------------------------------------------------


class PlacementOrder(StrEnum):
    """What decides where a worker is placed who has chosen nobody."""

    BEST_STANDING = "best_standing"
    LOWEST_FEE = "lowest_fee"
    MOST_MEMBERS = "most_members"


@dataclass(frozen=True, slots=True)
class Placement:
    """By which order, one deciding where the one before is equal, and how long ahead the worker is told.

    ``held``: into which components the exchange puts what comes in for him until then, with their shares.
    """

    order: tuple[PlacementOrder, ...]
    notice_days: int
    held: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SwitchGuarantee:
    """Cash within these business days of the effective date; lateness earns the worker interest."""

    cash_within_business_days: int
    late_interest_bp_per_year: int
    days_in_year: int
    rounding: Rounding


@dataclass(frozen=True, slots=True)
class Notices:
    """How long before they take effect these must be announced, in days."""

    provider_withdrawal_days: int
    appeal_days: int
    package_discontinued_days: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a report or a file may hold at most."""

    backdating_days: int
    future_days: int
    period_days: int
    minutes_per_day: int
    file_rows: int
    contribution_cents: int


class Sector(NamedTuple):
    """A trade that rates may differ by."""

    code: str
    written: str

    @property
    def name(self) -> str:
        """The name in the language of the moment."""
        return in_words(self.written)


class Place(NamedTuple):
    """A part of the jurisdiction that is known by name; its code begins with the jurisdiction's."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The law of one jurisdiction from one date on, whole: nothing has to be looked up elsewhere."""

    jurisdiction: str
    jurisdiction_name: str
    zone: str  # IANA name
    currency: str
    effective_on: date
    calendar: CalendarRules
    causes: tuple[Cause, ...]
    places: tuple[Place, ...]
    sectors: tuple[Sector, ...]
    components: tuple[Component, ...]
    contributions: Contributions
    leave: tuple[LeaveAccrual, ...]
    withdrawals: Withdrawals
    qualification: Qualification
    reserves: Reserves
    switching: SwitchGuarantee
    placement: Placement
    notices: Notices
    limits: Limits

    def component(self, code: str) -> Component:
        """The component of that code; refuses ``NotInPolicy``."""
        return _named(self.components, code)

    def cause(self, code: str) -> Cause:
        """The cause of that code; refuses ``NotInPolicy``."""
        return _named(self.causes, code)

    def cause_for(self, trigger: Trigger) -> Cause | None:
        """The cause that such an event opens by itself; None where this policy knows none."""
        assert trigger is not Trigger.CLAIMED, "several causes may be claimed"
        return next((cause for cause in self.causes if cause.trigger is trigger), None)

    @property
    def mandatory(self) -> tuple[Component, ...]:
        """The components that every package has."""
        return tuple(component for component in self.components if component.mandatory)


@dataclass(frozen=True, slots=True)
class Document:
    """A policy file: one jurisdiction, its versions in the order in which they take effect."""

    jurisdiction: str
    versions: tuple[Policy, ...]
    text: str
    digest: str  # SHA-256 of the text, hexadecimal

    def on(self, day: date) -> Policy:
        """The version that holds on a date; refuses ``NoPolicyInForce`` before the first."""
        holding = [policy for policy in self.versions if policy.effective_on <= day]
        if not holding:
            raise NoPolicyInForce(
                _l(
                    "The rules of this program begin on %(first)s: there is nothing that holds on %(day)s.",
                    first=self.versions[0].effective_on.isoformat(),
                    day=day.isoformat(),
                )
            )
        return holding[-1]


Coded = TypeVar("Coded", Component, Cause, Tier, AssetClass)


def _named(things: tuple[Coded, ...], code: str) -> Coded:
    for thing in things:
        if thing.code == code:
            return thing
    raise NotInPolicy(_l("The policy of this program does not know “%(code)s”.", code=code))
