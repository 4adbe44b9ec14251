"""How is what comes in for a worker divided today, and which leave does his work earn?

For one remittance: what holds for a package is looked up once, however many of its members are paid for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple

from enrollment.accrual import Rates
from enrollment.splits import FEE, Split, held, in_force, leave_rates
from exchange.calendar import plan_year_of
from exchange.identity.organizations import exchange_id
from exchange.ledger.accounts import AccountKind, Line
from exchange.money import Unit, divide
from exchange.policy.document import Nature
from exchange.policy.versions import Timeline

WITH_NOBODY = 0
"""Stands for the package of a worker who has chosen none."""


class Work(NamedTuple):
    """Where and under which policy work was done, by members of one package."""

    package_id: int
    policy_version_id: int
    place: str


class Plan:
    """How providers split what comes in for their members, and at which rates their work earns leave."""

    def __init__(self, law: Timeline, today: date) -> None:
        _, present = law.on(today)
        self.exchange_id = exchange_id()
        self._policies = dict(zip(law.ids, law.policies, strict=True))
        # A package may have what the law of today no longer knows: that is still what it was.
        policies = (*law.policies, present)
        self._natures = {component.code: component.nature for policy in policies for component in policy.components}
        self._plan_year = plan_year_of(present, today).id
        self._splits: dict[int, Split] = {}
        self._shares: dict[int, tuple[int, ...]] = {}
        self._know({WITH_NOBODY: held(present)})
        self._rates: dict[Work, Rates] = {}

    def learn(self, package_ids: Collection[int]) -> None:
        """Look up the splits of packages that were not met before."""
        self._know(in_force(set(package_ids) - self._splits.keys(), self._plan_year))

    def _know(self, splits: Mapping[int, Split]) -> None:
        self._splits |= splits
        self._shares |= {package_id: tuple(how.shares_bp.values()) for package_id, how in splits.items()}

    def targets(self, package_id: int, provider_id: int) -> list[tuple[str, Line | None]]:
        """Into what a contribution is divided: each component (or ``FEE``), and the line that members share for it;
        None where it is the worker's own.
        """
        return [(code, self._shared_line(provider_id, code)) for code in self._splits[package_id].shares_bp]

    def _shared_line(self, provider_id: int, code: str) -> Line | None:
        if code == FEE:
            return Line(AccountKind.FEE, provider_id, Unit.USD)
        if self._natures[code] is Nature.POOLED:
            return Line(AccountKind.POOL, provider_id, Unit.USD, code)
        return None

    def parts(self, package_id: int, cents: int) -> list[int]:
        """An amount divided by the package's shares: the cents of each of its ``targets``, some perhaps zero."""
        return divide(cents, self._shares[package_id])

    def rates(self, work: Work) -> Rates:
        """At which rates that work earns leave."""
        if work not in self._rates:
            how, policy = self._splits[work.package_id], self._policies[work.policy_version_id]
            self._rates[work] = leave_rates(how, policy, work.place)
        return self._rates[work]

    def version(self, package_id: int) -> int | None:
        """The version of the package that says so; None for what the exchange holds."""
        return self._splits[package_id].version_id
