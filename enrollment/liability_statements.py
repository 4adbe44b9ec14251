"""Whose balances stand in the statement of a provider, component and unit?

Every open benefit account whose package has the component, a balance of zero included, and whoever
still has something there although his package lacks it. What is with no provider stands in the
exchange's own statements, so that all statements of a unit add up to all workers' balances. A statement
whose leaves do not add up to what the books say is not made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Select, func, select, union, union_all

from enrollment.models import BenefitAccount, Membership, Worker
from exchange.calendar import plan_year_of
from exchange.database import core, db
from exchange.identity.actors import Actor
from exchange.identity.organizations import exchange_id
from exchange.ledger import earlier, statements
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.ledger.keys import KeyRing
from exchange.ledger.liabilities import HELD_BY_EXCHANGE, Subject
from exchange.ledger.seal_store import LiabilityStatement
from exchange.ledger.statements import Moment, Owed, Tree
from exchange.money import Unit
from exchange.policy.document import Nature, Policy
from providers import shelf
from providers.models import Package, PackageComponent

_AT_ONCE = 5_000
_COSTS = 100  # a statement takes as long as so many leaves, however few it has


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement to be made: the packages that have its component, and what the books say it must add up to."""

    tree: Tree
    packages: Collection[int]
    sum: int


def state_all(*, policy: Policy, as_of: date, cause: str, keys: KeyRing, by: Actor, at: datetime) -> int:
    """State what every provider, and the exchange itself, owes now. Returns how many statements were made.

    In a unit of work that began with ``statements.begin_snapshot``. Refuses as ``statements.freeze`` does.
    """
    moment = Moment(statements.freeze(keys, by=by, at=at), as_of, cause)
    planned = plan(policy=policy, as_of=as_of)
    for one in planned:
        _state(one, moment=moment, size=None, keys=keys, by=by, at=at)
    return len(planned)


def state_some(
    planned: Sequence[Planned], *, moment: Moment, leaves: int, keys: KeyRing, by: Actor, at: datetime
) -> int:
    """State what was owed at a moment that may be past, as it was planned for the size of its journal.

    Makes the next ones that are not made yet, until they have ``leaves`` leaves; returns how many, zero
    when all are there. In a unit of work that began with ``statements.begin_snapshot``.
    """
    s = LiabilityStatement
    rows = select(s.organization_id, s.component, s.unit).where(s.journal_size == moment.head.size)
    there = {(organization_id, code, unit) for organization_id, code, unit in db.session.execute(rows)}
    made = 0
    for one in planned:
        if (one.tree.organization_id, one.tree.component, one.tree.unit) not in there and leaves > 0:
            statement = _state(one, moment=moment, size=moment.head.size, keys=keys, by=by, at=at)
            leaves -= max(statement.count, _COSTS)
            made += 1
    return made


def _state(
    one: Planned, *, moment: Moment, size: int | None, keys: KeyRing, by: Actor, at: datetime
) -> LiabilityStatement:
    leaves = owed(one.tree, one.packages, size=size)
    made = statements.state(one.tree, leaves, moment=moment, keys=keys, by=by, at=at)
    assert int(made.sum) == one.sum, f"the leaves of {one.tree} add up to what the books say"
    return made


def provider_called(organization_id: int) -> str:
    """An organization as statements call it."""
    return HELD_BY_EXCHANGE if organization_id == exchange_id() else f"org-{organization_id}"


def owed(tree: Tree, packages: Collection[int], *, size: int | None = None) -> Iterator[Owed]:
    """The leaves of a tree, where ``packages`` are those that have its component. Flat in memory.

    Balances are those of now, or of the sealed journal of ``size`` entries. Whoever has a line in a
    provider's books was its member at some time: this is how they are found.
    """
    rows = db.session.execute(_rows_of(tree, packages, size))
    for number, email, legal_name, cents, account_id in rows:
        yield Owed(Subject(number, email, legal_name), cents, account_id)


def _rows_of(tree: Tree, packages: Collection[int], size: int | None) -> Select[Any]:
    """The rows of ``owed``: number, e-mail address, legal name, balance, ledger account."""
    a, m, la, lb = core(BenefitAccount).c, core(Membership).c, core(LedgerAccount).c, core(LedgerBalance).c
    line = (
        (la.organization_id == tree.organization_id)
        & (la.component == tree.component)
        & (la.unit == tree.unit)
        & (la.kind == AccountKind.WORKER)
    )
    balances = select(lb.account_id, lb.amount)
    if size is not None:
        net = earlier.net_after(size).c
        amount = (lb.amount - func.coalesce(net.amount, 0)).label("amount")
        balances = select(lb.account_id, amount).outerjoin(net.account_id.table, net.account_id == lb.account_id)
    balance = balances.subquery("balance").c
    was_here = select(m.benefit_account_id).where(m.provider_id == tree.organization_id).distinct().subquery().c
    holders = (
        select(la.holder_id.label("id"))
        .join(was_here.benefit_account_id.table, was_here.benefit_account_id == la.holder_id)
        .join(balance.account_id.table, balance.account_id == la.id)
        .where(line, balance.amount > 0)
    )
    members = (
        select(m.benefit_account_id)
        .join(core(BenefitAccount), a.id == m.benefit_account_id)
        .where(m.ends_at.is_(None), m.package_id.in_(packages), a.closed_at.is_(None))
    )
    who = union(holders, members).subquery("who").c
    return (
        select(a.number, Worker.email, Worker.legal_name, func.coalesce(balance.amount, 0), la.id)
        .select_from(who.id.table)
        .join(core(BenefitAccount), a.id == who.id)
        .join(Worker, Worker.id == a.worker_id)
        .outerjoin(core(LedgerAccount), line & (la.holder_id == a.id))
        .outerjoin(balance.account_id.table, balance.account_id == la.id)
        .execution_options(yield_per=_AT_ONCE)
    )


# --- which statements there are -------------------------------------------------------------------


def of_providers(planned: Sequence[Planned], provider_ids: Collection[int]) -> Sequence[Planned]:
    """Those of these providers alone; all, the exchange's own included, where these are all that there are."""
    others = {one.tree.organization_id for one in planned if one.tree.provider != HELD_BY_EXCHANGE} - set(provider_ids)
    return [one for one in planned if one.tree.organization_id in provider_ids] if others else planned


def plan(*, policy: Policy, as_of: date, size: int | None = None) -> list[Planned]:
    """Every provider × component × unit that is offered, or in which somebody has a line; the exchange's as well.

    Sums are those of now, or of the journal of ``size`` entries.
    """
    offering = _packages_offering(plan_year_of(policy, as_of).id)
    units = {one.code: one.units for one in policy.components if one.nature is Nature.INDIVIDUAL}
    sums = {(provider, code, unit): 0 for provider, code in offering for unit in units.get(code, ())} | _in_books(size)
    own = exchange_id()
    return [
        Planned(
            Tree(HELD_BY_EXCHANGE if organization_id == own else f"org-{organization_id}", organization_id, code, unit),
            offering.get((organization_id, code), ()),
            sums[organization_id, code, unit],
        )
        for organization_id, code, unit in sorted(sums)
    ]


def _in_books(size: int | None) -> dict[tuple[int, str, Unit], int]:
    """What workers are owed by (organization, component, unit), lines of nothing included."""
    la, lb = core(LedgerAccount).c, core(LedgerBalance).c
    place = (la.organization_id, la.component, la.unit)
    held = select(*place, lb.amount).join(core(LedgerBalance), lb.account_id == la.id)
    amounts = held.where(la.kind == AccountKind.WORKER).subquery()
    if size is not None:
        net = earlier.net_after(size).c
        since = select(*place, -net.amount).join(net.account_id.table, net.account_id == la.id)
        amounts = union_all(*(part.where(la.kind == AccountKind.WORKER) for part in (held, since))).subquery()
    c = amounts.c
    rows = select(c.organization_id, c.component, c.unit, func.sum(c.amount).cast(BigInteger))
    found = db.session.execute(rows.group_by(c.organization_id, c.component, c.unit))
    return {(organization_id, code, Unit(unit)): total for organization_id, code, unit, total in found}


def _packages_offering(plan_year: str) -> dict[tuple[int, str], set[int]]:
    """(provider, component) → the packages whose version in force has the component."""
    provider_of = dict(db.session.execute(select(Package.id, Package.provider_id)).all())
    package_of = {version: package for package, version in shelf.versions_in_force(provider_of, plan_year).items()}
    c = PackageComponent
    found: dict[tuple[int, str], set[int]] = {}
    for version_id, component in db.session.execute(
        select(c.version_id, c.component).where(c.version_id.in_(package_of))
    ):
        package = package_of[version_id]
        found.setdefault((provider_of[package], component), set()).add(package)
    return found
