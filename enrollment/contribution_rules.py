"""Which rule holds for a piece of work, and what is owed under it?

Pure and exact: amounts are fractions until the rule's own rounding makes whole cents of them, once.
Work is judged by the policy that holds on the first day of its period, and by the place where it was
done. Every answer says in words and figures how it came about.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from exchange.money import BP, format_dollars, format_minutes
from exchange.policy.document import LateMoney, LeaveAccrual, Policy
from exchange.policy.formulas import (
    Basis,
    ContributionRule,
    Formula,
    Joined,
    Joining,
    OwedOn,
    PercentOf,
    PerHour,
    PerJob,
    Rounding,
    WorkerClass,
    covers,
    depth,
)


@dataclass(frozen=True, slots=True)
class WorkLine:
    """What one worker did for one employer in [starts_on, ends_on), in one place and trade.

    Minutes are worked minutes; ``earnings_cents`` are before tips and never hold them; ``fee_cents`` is
    what the customer paid for the work (a fare), without tolls, taxes and tips.
    """

    place: str
    sector: str
    worker_class: WorkerClass
    starts_on: date
    ends_on: date
    minutes: int = 0
    earnings_cents: int = 0
    fee_cents: int = 0
    tolls_cents: int = 0
    jobs: int = 0


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed for a line, under which rule, and how it was computed."""

    cents: int
    rule_code: str
    explanation: LazyString


@dataclass(frozen=True, slots=True)
class LateCharge:
    """What is owed on top of money that came late; both parts are the worker's."""

    days: int
    interest_cents: int
    penalty_cents: int
    explanation: LazyString

    @property
    def cents(self) -> int:
        """Interest and penalty together."""
        return self.interest_cents + self.penalty_cents


@dataclass(frozen=True, slots=True)
class _Amount:
    """An exact amount of cents on its way to be rounded, and the words for it."""

    cents: Fraction
    words: LazyString


def rule_for(policy: Policy, line: WorkLine, *, employer_size: int) -> ContributionRule | None:
    """The rule that holds for the line, or None where nothing is owed by law.

    ``employer_size`` counts the employer's workers over twelve months. Of the rules that match, the
    one for the innermost place holds, then one that names the sector: the policy has no ties.
    """
    matching = [rule for rule in policy.contributions.rules if _matches(rule, line, employer_size)]
    return max(matching, key=lambda rule: (_innermost(rule.places, line.place), bool(rule.sectors)), default=None)


def _matches(rule: ContributionRule, line: WorkLine, employer_size: int) -> bool:
    return (
        any(covers(place, line.place) for place in rule.places)
        and (not rule.sectors or line.sector in rule.sectors)
        and any(c.worker_class is line.worker_class and c.from_on <= line.starts_on for c in rule.classes)
        and rule.size_at_least <= employer_size
        and (rule.size_below is None or employer_size < rule.size_below)
    )


def _innermost(places: tuple[str, ...], place: str) -> int:
    return max((depth(outer) for outer in places if covers(outer, place)), default=-1)


def owed(rule: ContributionRule, line: WorkLine, *, earned_before_cents_in_quarter: int) -> Owed:
    """What the employer owes at least for the line.

    ``earned_before_cents_in_quarter``: the worker's earnings with this employer in the calendar quarter
    of ``line.starts_on``, before this line; only rules with a threshold look at it.
    """
    amount = _amount(rule.formula, line, earned_before_cents_in_quarter)
    cents = rounded(amount.cents, rule.rounding)
    words = _l("%(words)s = %(cents)s", words=amount.words, cents=format_dollars(cents))
    return Owed(cents, rule.code, words)


def rounded(amount: Fraction, rounding: Rounding) -> int:
    """Whole cents of an amount that is not negative."""
    if rounding is Rounding.DOWN:
        return amount.numerator // amount.denominator
    if rounding is Rounding.UP:
        return -(-amount.numerator // amount.denominator)
    assert rounding is Rounding.HALF_UP, "there are three roundings"
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


def _amount(formula: Formula, line: WorkLine, before: int) -> _Amount:
    if isinstance(formula, PerHour):
        rate = format_dollars(formula.cents)
        words = _l("%(time)s at %(rate)s per hour", time=format_minutes(line.minutes), rate=rate)
        return _Amount(Fraction(formula.cents * line.minutes, 60), words)
    if isinstance(formula, PerJob):
        words = _l("%(jobs)s × %(rate)s per job", jobs=line.jobs, rate=format_dollars(formula.cents))
        return _Amount(Fraction(formula.cents * line.jobs), words)
    if isinstance(formula, PercentOf):
        return _percent_of(formula, line, before)
    return _joined(formula, line, before)


def _percent_of(formula: PercentOf, line: WorkLine, before: int) -> _Amount:
    rate = format_percent(formula.bp)
    if formula.threshold is None:
        base, base_words = _base(formula.basis, line)
        words = _l("%(rate)s of %(base)s", rate=rate, base=base_words)
        return _Amount(Fraction(base * formula.bp, BP), words)
    threshold = formula.threshold
    after = before + line.earnings_cents
    limit = format_dollars(threshold.cents)
    if after < threshold.cents:
        words = _l(
            "nothing yet: %(earned)s earned in the quarter, %(limit)s are needed",
            earned=format_dollars(after),
            limit=limit,
        )
        return _Amount(Fraction(0), words)
    if threshold.owed_on is OwedOn.ABOVE_THRESHOLD:
        base = after - max(before, threshold.cents)
        words = _l(
            "%(rate)s of %(base)s earned above %(limit)s in the quarter",
            rate=rate,
            base=format_dollars(base),
            limit=limit,
        )
    else:
        # Crossing the threshold brings in what was earned before it.
        base = after if before < threshold.cents else line.earnings_cents
        words = _l(
            "%(rate)s of %(base)s, %(limit)s having been earned in the quarter",
            rate=rate,
            base=format_dollars(base),
            limit=limit,
        )
    return _Amount(Fraction(base * formula.bp, BP), words)


def _base(basis: Basis, line: WorkLine) -> tuple[int, LazyString]:
    if basis is Basis.EARNINGS:
        return line.earnings_cents, _l("%(amount)s earned", amount=format_dollars(line.earnings_cents))
    fee = format_dollars(line.fee_cents)
    if basis is Basis.FEE:
        return line.fee_cents, _l("the fee of %(fee)s", fee=fee)
    assert basis is Basis.FEE_AND_TOLLS, "a percentage is of money"
    tolls = format_dollars(line.tolls_cents)
    return line.fee_cents + line.tolls_cents, _l("the fee of %(fee)s and tolls of %(tolls)s", fee=fee, tolls=tolls)


def _joined(formula: Joined, line: WorkLine, before: int) -> _Amount:
    amounts = [_amount(part, line, before) for part in formula.parts]
    words = amounts[0].words
    for amount in amounts[1:]:
        words = _JOINED_WORDS[formula.how](words, amount.words)
    figures = [amount.cents for amount in amounts]
    if formula.how is Joining.LESSER_OF:
        return _Amount(min(figures), _l("the lesser of %(amounts)s", amounts=words))
    if formula.how is Joining.GREATER_OF:
        return _Amount(max(figures), _l("the greater of %(amounts)s", amounts=words))
    return _Amount(sum(figures, Fraction(0)), words)


def _and(one: LazyString, other: LazyString) -> LazyString:
    return _l("%(one)s and %(other)s", one=one, other=other)


def _plus(one: LazyString, other: LazyString) -> LazyString:
    return _l("%(one)s, plus %(other)s", one=one, other=other)


_JOINED_WORDS = {Joining.LESSER_OF: _and, Joining.GREATER_OF: _and, Joining.SUM_OF: _plus}


def format_percent(bp: int) -> str:
    """250 → ``2.5 %``."""
    whole, rest = divmod(bp, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + " %"


def accrual_for(policy: Policy, component: str, place: str) -> LeaveAccrual | None:
    """The rule by which leave of that component accrues for work in that place; the innermost place's holds."""
    matching = [a for a in policy.leave if a.component == component and _innermost(a.places, place) >= 0]
    return max(matching, key=lambda accrual: _innermost(accrual.places, place), default=None)


def leave_minutes(accrual: LeaveAccrual, minutes: int, *, worked_before_minutes: int) -> int:
    """Minutes of leave that ``minutes`` of work earn after ``worked_before_minutes`` under the same rule.

    Counted from the running total, so that however the work is cut into lines, nothing is lost: after
    each line the worker has the whole minutes of leave for all that he worked.
    """
    total = worked_before_minutes + minutes
    return _whole_leave(accrual, total) - _whole_leave(accrual, worked_before_minutes)


def _whole_leave(accrual: LeaveAccrual, minutes: int) -> int:
    return minutes * accrual.minutes_earned // accrual.minutes_worked


def late_charge(late: LateMoney, owed_cents: int, *, due_on: date, paid_on: date) -> LateCharge:
    """What comes on top of ``owed_cents`` that were due on ``due_on`` and are paid on ``paid_on``.

    In time (the days of grace included) it is nothing; later, interest counts every day since the due
    date, and the penalty is added once.
    """
    days = (paid_on - due_on).days
    if days <= late.grace_days:
        return LateCharge(0, 0, 0, _l("paid in time"))
    interest = rounded(Fraction(owed_cents * late.interest_bp_per_year * days, BP * late.days_in_year), late.rounding)
    penalty = rounded(Fraction(owed_cents * late.penalty_bp, BP), late.rounding)
    words = _l(
        "%(days)s days late: %(rate)s a year on %(owed)s = %(interest)s, "
        "and a penalty of %(penalty_rate)s = %(penalty)s",
        days=days,
        rate=format_percent(late.interest_bp_per_year),
        owed=format_dollars(owed_cents),
        interest=format_dollars(interest),
        penalty_rate=format_percent(late.penalty_bp),
        penalty=format_dollars(penalty),
    )
    return LateCharge(days, interest, penalty, words)
