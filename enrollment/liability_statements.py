"""Whose balances stand in the statement of a provider, component and unit?

Every open benefit account whose package has the component, a balance of zero included, and whoever
still has something there although his package lacks it. What is with no provider stands in the
exchange's own statements, so that all statements of a unit add up to all workers' balances.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime

from sqlalchemy import func, select

from enrollment.models import BenefitAccount, Membership, Worker
from exchange.calendar import plan_year_of
from exchange.database import db
from exchange.identity.actors import Actor
from exchange.identity.organizations import exchange_id
from exchange.ledger import statements
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.ledger.keys import KeyRing
from exchange.ledger.liabilities import HELD_BY_EXCHANGE, Subject
from exchange.ledger.statements import Moment, Owed, Tree
from exchange.money import Unit
from exchange.policy.document import Nature, Policy
from providers import shelf
from providers.models import Package, PackageComponent

_AT_ONCE = 5_000


def state_all(*, policy: Policy, as_of: date, cause: str, keys: KeyRing, by: Actor, at: datetime) -> int:
    """State what every provider, and the exchange itself, owes now. Returns how many statements were made.

    In a unit of work that began with ``statements.begin_snapshot``. Refuses as ``statements.freeze`` does.
    """
    moment = Moment(statements.freeze(keys, by=by, at=at), as_of, cause)
    offering = _packages_offering(plan_year_of(policy, as_of).id)
    trees = _trees(policy, offering)
    for tree in trees:
        packages = offering.get((tree.organization_id, tree.component), ())
        statements.state(tree, owed(tree, packages), moment=moment, keys=keys, by=by, at=at)
    return len(trees)


def provider_called(organization_id: int) -> str:
    """An organization as statements call it."""
    return HELD_BY_EXCHANGE if organization_id == exchange_id() else f"org-{organization_id}"


def owed(tree: Tree, packages: Collection[int]) -> Iterator[Owed]:
    """The leaves of a tree, by account, where ``packages`` are those that have its component. Flat in memory."""
    a, m, la, lb = BenefitAccount, Membership, LedgerAccount, LedgerBalance
    line = (
        (la.holder_id == a.id)
        & (la.organization_id == tree.organization_id)
        & (la.component == tree.component)
        & (la.unit == tree.unit)
    )
    is_member = a.closed_at.is_(None) & m.package_id.in_(packages)
    amount = func.coalesce(lb.amount, 0)
    rows = (
        select(a.number, Worker.email, Worker.legal_name, amount, la.id)
        .join(Worker, Worker.id == a.worker_id)
        .join(m, (m.benefit_account_id == a.id) & m.ends_at.is_(None))
        .outerjoin(la, line)
        .outerjoin(lb, lb.account_id == la.id)
        .where(is_member | (amount > 0))
        .order_by(a.id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for number, email, legal_name, balance, account_id in db.session.execute(rows):
        yield Owed(Subject(number, email, legal_name), balance, account_id)


def _trees(policy: Policy, offering: Mapping[tuple[int, str], Collection[int]]) -> list[Tree]:
    """Every provider × component × unit that is offered, or in which somebody has a line."""
    units = {one.code: one.units for one in policy.components if one.nature is Nature.INDIVIDUAL}
    found = {(provider, code, unit) for provider, code in offering for unit in units.get(code, ())}
    la = LedgerAccount
    lines = select(la.organization_id, la.component, la.unit).where(la.kind == AccountKind.WORKER).distinct()
    found |= {(organization_id, code, Unit(unit)) for organization_id, code, unit in db.session.execute(lines)}
    own = exchange_id()
    return [
        Tree(HELD_BY_EXCHANGE if organization_id == own else f"org-{organization_id}", organization_id, code, unit)
        for organization_id, code, unit in sorted(found)
    ]


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
