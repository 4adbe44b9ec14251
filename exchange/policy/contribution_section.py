"""How is it written what employers owe, and which of these rules could not be told apart?"""

from __future__ import annotations

from itertools import combinations

from flask_babel import lazy_gettext as _l

from exchange.policy import scalars as s
from exchange.policy.document import Contributions, Due, LateMoney
from exchange.policy.formulas import (
    Basis,
    ClassFrom,
    ContributionRule,
    Formula,
    Joined,
    Joining,
    OwedOn,
    PercentOf,
    PerHour,
    PerJob,
    Rounding,
    Threshold,
    WorkerClass,
    ties,
)
from exchange.policy.nodes import At, Broken, Section

_PERCENT_BASES = [basis for basis in Basis if basis not in {Basis.MINUTES, Basis.JOBS}]
_MAX_SIZE = 10_000_000  # more workers than any employer has


def contributions(at: At) -> Contributions:
    """What employers owe, when, and who may add."""
    part = at.section()
    found = Contributions(
        rules=part.take("rules", _rules),
        due=part.take("due", _due),
        itemized_per_job=part.take("itemized_per_job", s.yes_no),
        employer_may_pay_more=part.take("employer_may_pay_more", s.yes_no),
        worker_may_add=part.take("worker_may_add", s.yes_no),
        government_may_add=part.take("government_may_add", s.yes_no),
        late=part.take("late", _late),
        administration_cap_bp=part.take("administration_cap", s.percent()),
    )
    part.close()
    return found


def _rules(at: At) -> tuple[ContributionRule, ...]:
    """The rules by code; none may tie with another."""
    found = s.by_code(_rule)(at)
    entries = at.entries()
    broken = False
    for one, other in combinations(found, 2):
        for place in ties(one, other):
            rule = _l(
                "ambiguous: “%(other)s” holds for the same work in %(place)s, and neither is more specific",
                other=one.code,
                place=place,
            )
            entries[other.code].fault(rule)
            broken = True
    if broken:
        raise Broken
    return found


def _rule(code: str, at: At) -> ContributionRule:
    part = at.section()
    rule = ContributionRule(
        code=code,
        written=part.take("name", s.name),
        places=part.take("places", s.each(s.place)),
        sectors=part.take_or("sectors", s.each(s.code), ()),
        classes=part.take("worker_classes", s.by_code(_class_from, key=s.one_of(WorkerClass))),
        size_at_least=part.take_or("employers_with_at_least", s.whole(1, _MAX_SIZE), 0),
        size_below=part.take_or("employers_with_fewer_than", s.whole(1, _MAX_SIZE), None),
        formula=part.take("owed", _formula),
        rounding=part.take("rounding", s.one_of(Rounding)),
    )
    part.close()
    if rule.size_below is not None and rule.size_below <= rule.size_at_least:
        raise at.fault(_l("no employer is of this size: “fewer than” must be above “at least”"))
    return rule


def _class_from(word: str, at: At) -> ClassFrom:
    return ClassFrom(WorkerClass(word), s.day(at))


def _formula(at: At) -> Formula:
    """One of ``per_hour``, ``per_job``, ``percent``, or the lesser, the greater or the sum of several."""
    part = at.section()
    kinds = [kind for kind in ("per_hour", "per_job", "percent", *Joining) if part.has(kind)]
    if len(kinds) != 1:
        known = ", ".join(("per_hour", "per_job", "percent", *Joining))
        raise at.fault(_l("exactly one of these must stand here: %(known)s", known=known))
    formula: Formula
    match kinds[0]:
        case "per_hour":
            formula = PerHour(part.take("per_hour", s.dollars))
        case "per_job":
            formula = PerJob(part.take("per_job", s.dollars))
        case "percent":
            formula = _percent_of(part)
        case how:
            formula = Joined(Joining(how), part.take(how, s.each(_formula, at_least=2)))
    part.close()
    return formula


def _percent_of(part: Section) -> PercentOf:
    bp = part.take("percent", s.percent())
    basis = part.take("of", s.one_of(Basis))
    threshold = None
    if basis in {Basis.MINUTES, Basis.JOBS}:
        part.fault(_l("a percentage is of one of these: %(known)s", known=", ".join(_PERCENT_BASES)), "of")
    if part.has("once_quarter_reaches") or part.has("owed_on"):
        if basis is not Basis.EARNINGS:
            part.fault(
                _l("a threshold counts what was earned in the quarter: the percentage must be of earnings"), "of"
            )
        threshold = Threshold(part.take("once_quarter_reaches", s.dollars), part.take("owed_on", s.one_of(OwedOn)))
    return PercentOf(bp, basis, threshold)


def _due(at: At) -> Due:
    part = at.section()
    due = Due(part.take("day", s.whole(1, 28)), part.take("months_after", s.whole(1, 12)))
    part.close()
    return due


def _late(at: At) -> LateMoney:
    part = at.section()
    late = LateMoney(
        grace_days=part.take("grace_days", s.whole(0, 3660)),
        interest_bp_per_year=part.take("interest_per_year", s.percent()),
        days_in_year=part.take("days_in_year", s.whole(360, 366)),
        penalty_bp=part.take("penalty", s.percent()),
        rounding=part.take("rounding", s.one_of(Rounding)),
    )
    part.close()
    return late
