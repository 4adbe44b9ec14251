"""How is what comes in for a worker divided today, and which leave does his work earn?

For one remittance: what holds for a package is looked up once, however many of its members are paid for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from enrollment.accrual import Rates
from enrollment.splits import FEE, Split, held, in_force, leave_rates
from exchange.calendar import plan_year_of
from exchange.identity.organizations import exchange_id
from exchange.ledger.accounts import AccountKind, Line
from exchange.money import Unit, split
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
        self._natures = {component.code: component.nature for component in present.components}
        self._plan_year = plan_year_of(present, today).id
        self._splits: dict[int, Split] = {WITH_NOBODY: held(present)}
        self._rates: dict[Work, Rates] = {}

    def learn(self, package_ids: Collection[int]) -> None:
        """Look up the splits of packages that were not met before."""
        self._splits |= in_force(set(package_ids) - self._splits.keys(), self._plan_year)

    def shared_lines(self, providers: Mapping[int, int]) -> set[Line]:
        """The lines that members share: pools and fees, of packages by their ids with their providers."""
        lines = (
            self.shared_line(provider_id, code)
            for package_id, provider_id in providers.items()
            for code in self._splits[package_id].shares_bp
        )
        return {line for line in lines if line is not None}

    def shared_line(self, provider_id: int, code: str) -> Line | None:
        """The line that members share for a component, or the fee; None where it is the worker's own."""
        if code == FEE:
            return Line(AccountKind.FEE, provider_id, Unit.USD)
        if self._natures[code] is Nature.POOLED:
            return Line(AccountKind.POOL, provider_id, Unit.USD, code)
        return None

    def parts(self, package_id: int, cents: int) -> Iterator[tuple[int, str, int]]:
        """An amount divided by the package's shares: place, component (or ``FEE``) and cents of each part."""
        for seq, (code, part) in enumerate(split(cents, self._splits[package_id].shares_bp).items()):
            if part:
                yield seq, code, part

    def shares(self, package_id: int) -> int:
        """Into how many parts a contribution is divided, at most."""
        return len(self._splits[package_id].shares_bp)

    def rates(self, work: Work) -> Rates:
        """At which rates that work earns leave."""
        if work not in self._rates:
            how, policy = self._splits[work.package_id], self._policies[work.policy_version_id]
            self._rates[work] = leave_rates(how, policy, work.place)
        return self._rates[work]

    def version(self, package_id: int) -> int | None:
        """The version of the package that says so; None for what the exchange holds."""
        return self._splits[package_id].version_id

    def versions(self, package_ids: Collection[int]) -> Sequence[tuple[int, int | None]]:
        """The same for several packages."""
        return [(package_id, self.version(package_id)) for package_id in package_ids]
