"""What do the books say in all, organization by organization?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, func, select

from exchange.database import db
from exchange.identity.organizations import Organization, OrganizationKind
from exchange.ledger import totals
from exchange.ledger.accounts import AccountKind
from exchange.money import Unit


@dataclass(frozen=True, slots=True)
class Sums:
    """One organization's books: cents (minutes in ``minutes`` and ``accrual_minutes``), as they stand now.

    ``outside_cents`` and ``accrual_minutes`` are the world's side: negative by what came in.
    """

    organization_id: int
    name: str
    kind: OrganizationKind
    workers_cents: int
    minutes: int
    pools_cents: int
    fees_cents: int
    funds_cents: int
    outside_cents: int
    accrual_minutes: int


@dataclass(frozen=True, slots=True)
class Books:
    """Every organization whose books say anything, by name, and what all of them come to: zero for each unit."""

    rows: list[Sums]
    cents: int
    minutes: int


def books() -> Books:
    """The books in a few statements, however many organizations and lines there are."""
    total = totals.current().c
    found: dict[int, dict[tuple[AccountKind, Unit], int]] = {}
    key = (total.organization_id, total.kind, total.unit)
    per_line = select(*key, func.sum(total.amount).cast(BigInteger)).group_by(*key)
    for organization_id, kind, unit, amount in db.session.execute(per_line):
        found.setdefault(organization_id, {})[kind, unit] = int(amount)
    names = (
        select(Organization.id, Organization.name, Organization.kind)
        .where(Organization.id.in_(found))
        .order_by(func.lower(Organization.name), Organization.id)
    )
    rows = [
        _sums(id_, name, kind, found[id_]) for id_, name, kind in db.session.execute(names) if any(found[id_].values())
    ]
    in_all = dict.fromkeys(Unit, 0)
    for amounts in found.values():
        for (_, unit), amount in amounts.items():
            in_all[unit] += amount
    return Books(rows, in_all[Unit.USD], in_all[Unit.MIN])


def _sums(id_: int, name: str, kind: OrganizationKind, amounts: Mapping[tuple[AccountKind, Unit], int]) -> Sums:
    def of(line: AccountKind, unit: Unit = Unit.USD) -> int:
        return amounts.get((line, unit), 0)

    return Sums(
        organization_id=id_,
        name=name,
        kind=kind,
        workers_cents=of(AccountKind.WORKER),
        minutes=of(AccountKind.WORKER, Unit.MIN),
        pools_cents=of(AccountKind.POOL),
        fees_cents=of(AccountKind.FEE),
        funds_cents=of(AccountKind.FUNDS),
        outside_cents=of(AccountKind.OUTSIDE),
        accrual_minutes=of(AccountKind.ACCRUAL, Unit.MIN),
    )
