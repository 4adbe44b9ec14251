"""Which rule holds for a piece of work, and what is owed under it?

Pure and exact: amounts are counted in parts of a cent until the rule's own rounding makes whole cents of
them, once.
Work is judged by the policy that holds on the first day of its period, and by the place where it was
done. Every answer says in words and figures how it came about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from operator import add
from typing import Final, NamedTuple

from flask_babel import LazyString, force_locale, get_locale, gettext
from flask_babel import lazy_gettext as _l

from exchange.money import BP, format_dollars, format_minutes
from exchange.phrases import Phrase
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


class WorkLine(NamedTuple):
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


class Owed(NamedTuple):
    """What is owed for a line, under which rule, and how it was computed."""

    cents: int
    rule_code: str
    explanation: Phrase


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


class _Amount(NamedTuple):
    """An exact amount, in parts of a cent, on its way to be rounded, and the words for it."""

    parts: int
    words: Phrase


# Of a cent: sixtieths of an hourly rate and basis points are both whole numbers of them.
_PARTS: Final = 30_000
_PER_MINUTE, _PER_BP = _PARTS // 60, _PARTS // BP


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
    parts, words = _amount(rule.formula, line, earned_before_cents_in_quarter)
    cents = _whole(parts, _PARTS, rule.rounding)
    return Owed(cents, rule.code, Phrase(_COMES_TO, {"words": words, "cents": format_dollars(cents)}))


def rounded(amount: Fraction, rounding: Rounding) -> int:
    """Whole cents of an amount that is not negative."""
    return _whole(amount.numerator, amount.denominator, rounding)


def _whole(numerator: int, denominator: int, rounding: Rounding) -> int:
    if rounding is Rounding.DOWN:
        return numerator // denominator
    if rounding is Rounding.UP:
        return -(-numerator // denominator)
    assert rounding is Rounding.HALF_UP, "there are three roundings"
    return (2 * numerator + denominator) // (2 * denominator)


def _amount(formula: Formula, line: WorkLine, before: int) -> _Amount:
    if isinstance(formula, PerHour):
        words = Phrase(_PER_HOUR, {"time": format_minutes(line.minutes), "rate": _rate(formula.cents)})
        return _Amount(formula.cents * line.minutes * _PER_MINUTE, words)
    if isinstance(formula, PerJob):
        words = Phrase(_PER_JOB, {"jobs": line.jobs, "rate": _rate(formula.cents)})
        return _Amount(formula.cents * line.jobs * _PARTS, words)
    if isinstance(formula, PercentOf):
        return _percent_of(formula, line, before)
    return _joined(formula, line, before)


def _percent_of(formula: PercentOf, line: WorkLine, before: int) -> _Amount:
    rate = format_percent(formula.bp)
    if formula.threshold is None:
        base, base_words = _base(formula.basis, line)
        return _Amount(base * formula.bp * _PER_BP, Phrase(_PERCENT_OF, {"rate": rate, "base": base_words}))
    threshold = formula.threshold
    after = before + line.earnings_cents
    limit = format_dollars(threshold.cents)
    if after < threshold.cents:
        return _Amount(0, Phrase(_NOTHING_YET, {"earned": format_dollars(after), "limit": limit}))
    if threshold.owed_on is OwedOn.ABOVE_THRESHOLD:
        base, template = after - max(before, threshold.cents), _PERCENT_ABOVE
    else:
        # Crossing the threshold brings in what was earned before it.
        base, template = after if before < threshold.cents else line.earnings_cents, _PERCENT_OF_QUARTER
    words = Phrase(template, {"rate": rate, "base": format_dollars(base), "limit": limit})
    return _Amount(base * formula.bp * _PER_BP, words)


def _base(basis: Basis, line: WorkLine) -> tuple[int, Phrase]:
    if basis is Basis.EARNINGS:
        return line.earnings_cents, Phrase(_EARNED, {"amount": format_dollars(line.earnings_cents)})
    fee = format_dollars(line.fee_cents)
    if basis is Basis.FEE:
        return line.fee_cents, Phrase(_FEE, {"fee": fee})
    assert basis is Basis.FEE_AND_TOLLS, "a percentage is of money"
    words = Phrase(_FEE_AND_TOLLS, {"fee": fee, "tolls": format_dollars(line.tolls_cents)})
    return line.fee_cents + line.tolls_cents, words


def _joined(formula: Joined, line: WorkLine, before: int) -> _Amount:
    amounts = [_amount(part, line, before) for part in formula.parts]
    parts, words = amounts[0]
    for other, other_words in amounts[1:]:
        parts = _JOINED[formula.how](parts, other)
        words = Phrase(_JOINED_WORDS[formula.how], {"one": words, "other": other_words})
    if formula.how is Joining.SUM_OF:
        return _Amount(parts, words)
    return _Amount(parts, Phrase(_ONE_OF[formula.how], {"amounts": words}))


_COMES_TO: Final = _l("%(words)s = %(cents)s")
_PER_HOUR: Final = _l("%(time)s at %(rate)s per hour")
_PER_JOB: Final = _l("%(jobs)s × %(rate)s per job")
_PERCENT_OF: Final = _l("%(rate)s of %(base)s")
_NOTHING_YET: Final = _l("nothing yet: %(earned)s earned in the quarter, %(limit)s are needed")
_PERCENT_ABOVE: Final = _l("%(rate)s of %(base)s earned above %(limit)s in the quarter")
_PERCENT_OF_QUARTER: Final = _l("%(rate)s of %(base)s, %(limit)s having been earned in the quarter")
_EARNED: Final = _l("%(amount)s earned")
_FEE: Final = _l("the fee of %(fee)s")
_FEE_AND_TOLLS: Final = _l("the fee of %(fee)s and tolls of %(tolls)s")
_AND: Final = _l("%(one)s and %(other)s")
_PLUS: Final = _l("%(one)s, plus %(other)s")
_ONE_OF: Final = {
    Joining.LESSER_OF: _l("the lesser of %(amounts)s"),
    Joining.GREATER_OF: _l("the greater of %(amounts)s"),
}
_JOINED: Final[Mapping[Joining, Callable[[int, int], int]]] = {
    Joining.LESSER_OF: min,
    Joining.GREATER_OF: max,
    Joining.SUM_OF: add,
}
_JOINED_WORDS: Final = {Joining.LESSER_OF: _AND, Joining.GREATER_OF: _AND, Joining.SUM_OF: _PLUS}
# In this order: what encloses before what is enclosed.
_TEMPLATES: Final = (
    _COMES_TO, *_ONE_OF.values(), _PLUS, _NOTHING_YET, _FEE_AND_TOLLS, _PERCENT_ABOVE, _PERCENT_OF_QUARTER,
    _AND, _PERCENT_OF, _PER_HOUR, _PER_JOB, _FEE, _EARNED,
)  # fmt: skip
_FIGURE: Final = re.compile(r"−?\$?[0-9][0-9.,]*(?: %| h(?: [0-9]+ min)?| min)?")


def retold(words: str) -> str:
    """A computation as it was written down, in English, said in the reader's language; what is none stays as it is."""
    locale = get_locale()
    if not words or locale is None or locale.language == "en":
        return words
    return str(_heard(words) or gettext(words))


def _heard(words: str) -> Phrase | None:
    """The phrase that these English words are."""
    for template, pattern in _patterns():
        match = pattern.fullmatch(words)
        if match is None:
            continue
        given = {name: part if _FIGURE.fullmatch(part) else _heard(part) for name, part in match.groupdict().items()}
        if all(given.values()):
            return Phrase(template, {name: part for name, part in given.items() if part is not None})
    return None


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[LazyString, re.Pattern[str]]]:
    """Each template with what its English looks like; where it has two parts, the first may end late or early."""
    with force_locale("en"):
        english = [(template, str(template)) for template in _TEMPLATES]
    return [
        (template, re.compile(re.sub(r"%\\\((\w+)\\\)s", rf"(?P<\1>{anything})", re.escape(text))))
        for template, text in english
        for anything in (".+", ".+?")
    ]


_rate: Final = lru_cache(maxsize=256)(format_dollars)  # said in nearly every line, and there are few of them


@lru_cache(maxsize=256)
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
