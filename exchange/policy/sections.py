"""How is each part of a policy written, and which parts contradict themselves?

One reader per part. Rules that one part alone can break are checked here; rules between the parts
stand in ``exchange.policy.reading``.
"""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from flask_babel import lazy_gettext as _l

from exchange.money import BP, Unit
from exchange.policy import scalars as s
from exchange.policy.document import (
    EXCHANGE,
    AssetClass,
    CalendarRules,
    Cause,
    Component,
    Criterion,
    CriterionKind,
    EffectiveKind,
    EffectiveRule,
    EnrollmentDates,
    LeaveAccrual,
    Limits,
    MonthDay,
    Nature,
    Notices,
    Place,
    Placement,
    PlacementOrder,
    Qualification,
    Requirement,
    Reserves,
    Sector,
    SwitchGuarantee,
    Tier,
    Trend,
    Trigger,
    Withdrawals,
)
from exchange.policy.formulas import Rounding
from exchange.policy.nodes import At, Broken

DAYS = s.whole(0, 3660)
_SOME_DAYS = s.whole(1, 3660)
_WEEKS = s.whole(0, 520)


# --- the calendar ---------------------------------------------------------------------------------


def calendar(at: At) -> CalendarRules:
    """Plan years, open enrollment, holidays."""
    part = at.section()
    starts = part.take("plan_year_starts", s.month_day)
    window = part.take("open_enrollment", _yearly_window)
    exact = part.take_or("exact_dates", s.each(_exact_dates), ())
    holidays = part.take_or("bank_holidays", s.each(_holiday), ())
    part.close()
    opens, closes = window
    if not _since(starts, opens) < (_since(starts, closes) or 12 * 31):
        part.fault(
            _l("the open enrollment ends before it begins (both are days of the year before the plan year)"),
            "open_enrollment",
        )
    for dates in exact:
        if dates.opens_on >= dates.closes_on:
            part.fault(
                _l("the open enrollment for %(year)s ends before it begins", year=dates.plan_year), "exact_dates"
            )
        if dates.closes_on > starts.in_year(int(dates.plan_year)):
            part.fault(
                _l("the open enrollment for %(year)s ends after the plan year began", year=dates.plan_year),
                "exact_dates",
            )
    if len({dates.plan_year for dates in exact}) < len(exact):
        part.fault(_l("a plan year has its exact dates only once"), "exact_dates")
    part.close()
    return CalendarRules(
        plan_year_starts=starts,
        opens=opens,
        closes=closes,
        exact=exact,
        yearly_holidays=frozenset(h for h in holidays if isinstance(h, MonthDay)),
        single_holidays=frozenset(h for h in holidays if isinstance(h, date)),
    )


def _since(start: MonthDay, day: MonthDay) -> int:
    """A number that orders the days of the year that ``start`` begins (every month counted with 31 days)."""
    return ((day.month - start.month) * 31 + day.day - start.day) % (12 * 31)


def _yearly_window(at: At) -> tuple[MonthDay, MonthDay]:
    part = at.section()
    dates = part.take("opens_on", s.month_day), part.take("closes_on", s.month_day)
    part.close()
    return dates


def _exact_dates(at: At) -> EnrollmentDates:
    part = at.section()
    year = part.take("plan_year", s.whole(1900, 9000))
    dates = EnrollmentDates(str(year), part.take("opens_on", s.day), part.take("closes_on", s.day))
    part.close()
    return dates


def _holiday(at: At) -> MonthDay | date:
    return s.month_day(at) if len(at.text()) == len("01-31") else s.day(at)


def causes(at: At) -> tuple[Cause, ...]:
    """Special enrollment: what may be its cause, and when a choice then counts."""
    found = s.by_code(_cause)(at)
    entries = at.entries()
    triggers: set[Trigger] = set()
    for cause in found:
        if cause.trigger is not Trigger.CLAIMED and cause.trigger in triggers:
            raise entries[cause.code].fault(
                _l("another cause is opened by “%(trigger)s” already", trigger=cause.trigger.value)
            )
        triggers.add(cause.trigger)
    return found


def _cause(code: str, at: At) -> Cause:
    part = at.section()
    cause = Cause(
        code=code,
        written=part.take("name", s.name),
        trigger=part.take("opened_by", s.one_of(Trigger)),
        days_before=part.take_or("days_before", DAYS, 0),
        days_after=part.take("days_after", DAYS),
        effective=part.take("effective", _effective),
    )
    part.close()
    return cause


def _effective(at: At) -> EffectiveRule:
    """``date_of_event``, ``first_of_next_month``, or ``{by_day: 15}``."""
    if not at.is_group:
        kind = s.one_of(EffectiveKind)(at)
        if kind is EffectiveKind.BY_DAY:
            raise at.fault(_l("write {by_day: 15}, with the day of the month"))
        return EffectiveRule(kind)
    part = at.section()
    day = part.take("by_day", s.whole(1, 28))
    part.close()
    return EffectiveRule(EffectiveKind.BY_DAY, day)


# --- benefits -------------------------------------------------------------------------------------


def places(at: At) -> tuple[Place, ...]:
    """Places known by name, by code."""
    return s.by_code(lambda code, value: Place(code, s.name(value)), key=s.place)(at)


def sectors(at: At) -> tuple[Sector, ...]:
    """Trades, by code."""
    return s.by_code(lambda code, value: Sector(code, s.name(value)))(at)


def components(at: At) -> tuple[Component, ...]:
    """Kinds of benefits, by code; ``like`` leads to one that can take the balance."""
    found = s.by_code(_component)(at)
    entries = at.entries()
    known = {component.code: component for component in found}
    broken = False
    for component in found:
        if component.like is None:
            continue
        like, where = known.get(component.like), entries[component.code].entries()["like"]
        if like is None or like is component or like.nature is not Nature.INDIVIDUAL:
            where.fault(_l("“like” names another individual component, or “exchange”"))
            broken = True
        elif like.units != component.units:
            where.fault(_l("“%(like)s” does not count in the same units", like=like.code))
            broken = True
    if not any(component.mandatory for component in found):
        at.fault(_l("at least one component is mandatory"))
        broken = True
    if broken:
        raise Broken
    return found


def _component(code: str, at: At) -> Component:
    part = at.section()
    nature = part.take("nature", s.one_of(Nature))
    units = part.take("units", s.each(s.one_of(Unit)))
    mandatory = part.take("mandatory", s.yes_no)
    name = part.take("name", s.name)
    if nature is Nature.POOLED:
        if part.has("like"):
            part.fault(_l("a pooled component has no balance that could go elsewhere"), "like")
        if units and units != (Unit.USD,):
            part.fault(_l("a pooled component is counted in USD only"), "units")
        like = part.take_or("like", s.code, "")
    else:
        like = part.take("like", s.code)
    part.close()
    if code == EXCHANGE:
        raise at.fault(_l("“exchange” cannot be the code of a component"))
    ordered = tuple(unit for unit in Unit if unit in units)
    return Component(code, name, nature, ordered, mandatory, None if like in {"", EXCHANGE} else like)


def leave(at: At) -> tuple[LeaveAccrual, ...]:
    """How leave accrues."""
    return s.each(_accrual)(at)


def _accrual(at: At) -> LeaveAccrual:
    part = at.section()
    accrual = LeaveAccrual(
        component=part.take("component", s.code),
        places=part.take("places", s.each(s.place)),
        minutes_worked=part.take("minutes_worked", s.whole(1, 600_000)),
        minutes_earned=part.take("minutes_earned", s.whole(1, 600_000)),
        funded=part.take("funded", s.yes_no),
    )
    part.close()
    if accrual.minutes_earned > accrual.minutes_worked:
        raise at.fault(_l("more leave is earned than work is done"))
    return accrual


def withdrawals(at: At) -> Withdrawals:
    """Requests for leave and money."""
    part = at.section()
    rules = Withdrawals(decide_within_days=part.take("decide_within_days", _SOME_DAYS))
    part.close()
    return rules


# --- providers ------------------------------------------------------------------------------------


def qualification(at: At) -> Qualification:
    """What providers must show."""
    part = at.section()
    rules = Qualification(part.take("deciders", s.whole(2, 9)), part.take("criteria", s.by_code(_criterion)))
    part.close()
    return rules


def _criterion(code: str, at: At) -> Criterion:
    part = at.section()
    name = part.take("name", s.name)
    kind = part.take("kind", s.one_of(CriterionKind))
    months = part.take("expires_after_months", s.whole(1, 120))
    # Each kind has figures of its own; those of another kind are unknown keys.
    register = kind is CriterionKind.IRS_REGISTER
    criterion = Criterion(
        code=code,
        written=name,
        kind=kind,
        expires_after_months=months,
        subsections=part.take("subsections", s.each(s.irs_code)) if register else (),
        statuses=part.take("statuses", s.each(s.irs_code)) if register else (),
        elected_bp=part.take("elected_by_members", s.percent()) if kind is CriterionKind.ELECTED_BOARD else None,
        at_least_cents=part.take("at_least", s.dollars) if kind is CriterionKind.BOND else None,
        tier=part.take("tier_at_least", s.code) if kind is CriterionKind.RESERVE_FILING else None,
    )
    part.close()
    return criterion


def reserves(at: At) -> Reserves:
    """The reserve formula and the ladder."""
    part = at.section()
    rules = Reserves(
        requirement=part.take("requirement", _requirement),
        assets=part.take("assets", s.by_code(_asset)),
        insured_cap_bp=part.take("insured_cap", s.percent()),
        ladder=part.take("ladder", _ladder),
        hysteresis_bp=part.take("hysteresis", s.percent()),
        filing_every_days=part.take("filing_every_days", _SOME_DAYS),
        filing_due_days=part.take("filing_due_days", DAYS),
        late_filing_drops=part.take("late_filing_drops", s.whole(0, 9)),
        trend=part.take("trend", _trend),
    )
    part.close()
    return rules


def _requirement(at: At) -> Requirement:
    part = at.section()
    rules = Requirement(
        individual_bp=part.take("individual_balances", s.percent(1000)),
        pooled_weeks=part.take("pooled_weeks", _WEEKS),
        contingency_weeks=part.take("contingency_weeks", _WEEKS),
        averaged_over_weeks=part.take("averaged_over_weeks", s.whole(1, 520)),
    )
    part.close()
    if rules.individual_bp < 10_000:
        raise at.fault(_l("individual balances are the workers' own: at least 100%% must be held", most=100))
    return rules


def _asset(code: str, at: At) -> AssetClass:
    part = at.section()
    asset = AssetClass(code, part.take("name", s.name), part.take("haircut", s.percent()))
    part.close()
    return asset


def _trend(at: At) -> Trend:
    part = at.section()
    trend = Trend(part.take("falls", s.percent(1000)), part.take("within_days", _SOME_DAYS))
    part.close()
    return trend


def _ladder(at: At) -> tuple[Tier, ...]:
    """Best rung first, strictly descending to 0 %; a lower rung is never milder than the one above it."""
    tiers = s.each(_tier)(at)
    broken = False
    for (above, below), item in zip(pairwise(tiers), at.items()[1:], strict=True):
        if below.at_least_bp >= above.at_least_bp:
            item.fault(_l("the ladder is not monotone: each tier begins lower than the one above it"))
            broken = True
        if _milder(below, above):
            item.fault(_l("this tier is milder than the one above it"))
            broken = True
    if len({tier.code for tier in tiers}) < len(tiers):
        at.fault(_l("two tiers have the same code"))
        broken = True
    if tiers[-1].at_least_bp != 0:
        at.items()[-1].fault(_l("the lowest tier begins at 0%%, so that the ladder covers every ratio", most=0))
        broken = True
    if broken:
        raise Broken
    return tiers


def _milder(below: Tier, above: Tier) -> bool:
    return (
        (below.on_sale and not above.on_sale)
        or (above.may_leave_at_once and not below.may_leave_at_once)
        or (above.run_off and not below.run_off)
    )


def _tier(at: At) -> Tier:
    part = at.section()
    tier = Tier(
        code=part.take("tier", s.code),
        written=part.take("name", s.name),
        at_least_bp=part.take("at_least", s.percent(1000)),
        on_sale=part.take("on_sale", s.yes_no),
        may_leave_at_once=part.take("may_leave_at_once", s.yes_no),
        run_off=part.take("run_off", s.yes_no),
        plan_due_days=part.take_or("plan_due_days", _SOME_DAYS, None),
        answer_due_days=part.take_or("answer_due_days", _SOME_DAYS, None),
    )
    part.close()
    if tier.run_off and tier.on_sale:
        raise at.fault(_l("a provider in run-off cannot be on sale"))
    return tier


# --- the rest -------------------------------------------------------------------------------------


def switching(at: At) -> SwitchGuarantee:
    """The switch guarantee."""
    part = at.section()
    rules = SwitchGuarantee(
        cash_within_business_days=part.take("cash_within_business_days", s.whole(1, 60)),
        late_interest_bp_per_year=part.take("late_interest_per_year", s.percent()),
        days_in_year=part.take("days_in_year", s.whole(360, 366)),
        rounding=part.take("rounding", s.one_of(Rounding)),
    )
    part.close()
    return rules


def placement(at: At) -> Placement:
    """Where workers are placed who have chosen nobody, and how their money is held until then."""
    part = at.section()
    rules = Placement(
        order=part.take("order", s.each(s.one_of(PlacementOrder))),
        notice_days=part.take("notice_days", DAYS),
        held=part.take("held", s.by_code(lambda component, share: (component, s.percent()(share)))),
    )
    part.close()
    if sum(share_bp for _, share_bp in rules.held) != BP:
        raise at.entries()["held"].fault(_l("the shares of what is held are 100%% together", most=100))
    return rules


def notices(at: At) -> Notices:
    """How long ahead things are announced."""
    part = at.section()
    rules = Notices(
        provider_withdrawal_days=part.take("provider_withdrawal_days", DAYS),
        appeal_days=part.take("appeal_days", DAYS),
        package_discontinued_days=part.take("package_discontinued_days", DAYS),
    )
    part.close()
    return rules


def limits(at: At) -> Limits:
    """What a report or a file may hold at most."""
    part = at.section()
    rules = Limits(
        backdating_days=part.take("backdating_days", DAYS),
        future_days=part.take("future_days", DAYS),
        period_days=part.take("period_days", s.whole(1, 366)),
        minutes_per_day=part.take("minutes_per_day", s.whole(1, 1_440)),
        file_rows=part.take("file_rows", s.whole(1, 10_000_000)),
        contribution_cents=part.take("contribution", s.dollars),
    )
    part.close()
    return rules
