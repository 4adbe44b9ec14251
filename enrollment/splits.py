"""How does a worker's provider split what comes in for him?

A package's version says it: shares by component, the fee, hours of work for an hour of leave. For a
worker who has chosen nobody the policy says it, and the exchange holds what comes in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from enrollment.accrual import Rate, Rates, best_rate
from exchange.money import Unit
from exchange.policy.document import Policy
from providers import shelf
from providers.package_terms import FEE

__all__ = ["FEE", "Split", "held", "in_force", "leave_rates", "of_versions"]


@dataclass(frozen=True, slots=True)
class Split:
    """Shares in basis points by component (and ``FEE``), 10,000 together; hours of work for an hour of leave.

    ``version_id`` is None for what the exchange holds.
    """

    version_id: int | None
    shares_bp: Mapping[str, int]
    accrual_hours: Mapping[str, int]


def in_force(package_ids: Collection[int], plan_year: str) -> dict[int, Split]:
    """Each package's split in a plan year, by package id."""
    versions = shelf.versions_in_force(package_ids, plan_year)
    splits = of_versions(versions.values())
    return {package_id: splits[version_id] for package_id, version_id in versions.items()}


def of_versions(version_ids: Iterable[int]) -> dict[int, Split]:
    """What each version says, by its id."""
    terms = shelf.splits_and_accruals_of(sorted(version_ids))
    return {id_: Split(id_, shares, hours) for id_, (shares, hours) in terms.items()}


def held(policy: Policy) -> Split:
    """How the exchange splits what comes in for somebody who has chosen nobody."""
    return Split(None, dict(policy.placement.held), {})


def leave_rates(how: Split, policy: Policy, place: str) -> Rates:
    """At which rates work in that place, judged by the policy of its day, earns leave where it is split so."""
    with_minutes = {component.code for component in policy.components if Unit.MIN in component.units}
    leave = sorted(with_minutes & how.shares_bp.keys())
    rates = ((code, best_rate(policy, code, place, how.accrual_hours.get(code))) for code in leave)
    return [Rate(code, rate.denominator, rate.numerator) for code, rate in rates if rate]
