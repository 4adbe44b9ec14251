"""In which ways may a law say what is owed for a piece of work?

Values only: what they come to is computed in ``enrollment.contribution_rules``. Shapes seen in laws
and programs: dollars per hour prorated per minute, dollars per job, a percentage of earnings, fee or
fare, and the lesser, the greater or the sum of such.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from exchange.policy.names import Named


class Basis(StrEnum):
    """A figure of a work line that something may be owed on."""

    MINUTES = "minutes"
    JOBS = "jobs"
    EARNINGS = "earnings"  # of the worker, before tips
    FEE = "fee"  # what the customer pays for the work (a fare), before tolls, taxes and tips
    FEE_AND_TOLLS = "fee_and_tolls"


class OwedOn(StrEnum):
    """What a percentage counts once a threshold is reached."""

    WHOLE_QUARTER = "whole_quarter"  # everything earned in the quarter, what came before the threshold included
    ABOVE_THRESHOLD = "above_threshold"


class Rounding(StrEnum):
    """How a fraction of a cent becomes whole cents."""

    HALF_UP = "half_up"
    UP = "up"
    DOWN = "down"


class Joining(StrEnum):
    """How several amounts become one."""

    LESSER_OF = "lesser_of"
    GREATER_OF = "greater_of"
    SUM_OF = "sum_of"


class WorkerClass(StrEnum):
    """How the tax form calls the worker."""

    INDEPENDENT = "1099"
    EMPLOYEE = "W-2"


@dataclass(frozen=True, slots=True)
class PerHour:
    """``cents`` for an hour of work, prorated per minute."""

    cents: int


@dataclass(frozen=True, slots=True)
class PerJob:
    """``cents`` for each job."""

    cents: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """Nothing is owed until ``cents`` have been earned with this employer in a calendar quarter."""

    cents: int
    owed_on: OwedOn


@dataclass(frozen=True, slots=True)
class PercentOf:
    """``bp`` basis points of a basis in cents; with a threshold only where that basis is the earnings."""

    bp: int
    basis: Basis
    threshold: Threshold | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """The lesser, the greater or the sum of at least two formulas."""

    how: Joining
    parts: tuple[Formula, ...]


Formula = PerHour | PerJob | PercentOf | Joined


def bases_of(formula: Formula) -> frozenset[Basis]:
    """The figures that a report must give so that this formula can be computed."""
    if isinstance(formula, PerHour):
        return frozenset({Basis.MINUTES})
    if isinstance(formula, PerJob):
        return frozenset({Basis.JOBS})
    if isinstance(formula, PercentOf):
        return frozenset({formula.basis})
    return frozenset().union(*(bases_of(part) for part in formula.parts))


def counts_quarter(formula: Formula) -> bool:
    """Whether it matters for this formula what was earned earlier in the quarter."""
    if isinstance(formula, Joined):
        return any(counts_quarter(part) for part in formula.parts)
    return isinstance(formula, PercentOf) and formula.threshold is not None


@dataclass(frozen=True, slots=True)
class ClassFrom:
    """Workers of ``worker_class`` are covered from ``from_on`` on."""

    worker_class: WorkerClass
    from_on: date


@dataclass(frozen=True, slots=True)
class ContributionRule(Named):
    """What some employers owe for some work in some places.

    ``sectors`` is empty where every sector is meant. The employer's size is counted in workers over
    twelve months: at least ``size_at_least``, fewer than ``size_below`` where that is given.
    """

    code: str
    written: str
    places: tuple[str, ...]
    sectors: tuple[str, ...]
    classes: tuple[ClassFrom, ...]
    size_at_least: int
    size_below: int | None
    formula: Formula
    rounding: Rounding

    @property
    def bases(self) -> frozenset[Basis]:
        """The figures that a report must give for work under this rule."""
        return bases_of(self.formula)


def covers(place: str, inner: str) -> bool:
    """Whether ``inner`` is ``place`` or lies in it (``US-WA`` covers ``US-WA/Seattle``)."""
    return inner == place or inner.startswith(f"{place}/")


def depth(place: str) -> int:
    """How deep a place lies: 0 for the jurisdiction itself, 1 for a city in it."""
    return place.count("/")


def ties(one: ContributionRule, other: ContributionRule) -> Iterator[str]:
    """The places in which both rules could hold for the same work, neither being the more specific."""
    if bool(one.sectors) != bool(other.sectors):
        return
    if one.sectors and not set(one.sectors) & set(other.sectors):
        return
    if not {c.worker_class for c in one.classes} & {c.worker_class for c in other.classes}:
        return
    if _ends_before(one, other) or _ends_before(other, one):
        return
    yield from sorted(set(one.places) & set(other.places))


def _ends_before(one: ContributionRule, other: ContributionRule) -> bool:
    return one.size_below is not None and one.size_below <= other.size_at_least
