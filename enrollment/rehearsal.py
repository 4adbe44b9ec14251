"""What would a cutover move, if it were carried out now?

A rehearsal only reads. It follows the same rule for where a balance goes as carrying out does
(``switching.destinations_of``) and adds up what each pair of organizations would hand over, component
by component.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Subquery, func, select

from enrollment.models import Election, ElectionState, EnrollmentWindow, Membership, Switch, SwitchState
from enrollment.pieces import Piece
from enrollment.switching import Destination, destinations_of
from exchange.database import db
from exchange.identity.organizations import exchange_id
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.money import Unit
from exchange.policy.document import Policy
from providers.models import Package, PackageComponent, PackageVersion


@dataclass(frozen=True, slots=True)
class Move:
    """What would leave one component at one organization for another: cents or minutes, of so many workers."""

    from_id: int
    to_id: int
    component: str
    to_component: str
    unit: Unit
    amount: int
    workers: int


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Everything that would move. ``workers`` change package; ``of_others`` of them change provider too."""

    moves: Sequence[Move]
    workers: int
    of_others: int
    cents: int
    minutes: int


def rehearse(window: EnrollmentWindow, *, policy: Policy, piece: Piece | None = None) -> Rehearsal:
    """By the choices that stand; after they were ordered, by the orders that are not carried out yet.

    ``piece``: of these accounts only; ``together`` adds pieces up.
    """
    movers = _orders(window, piece) if window.ordered_at is not None else _elections(window, piece)
    counted = select(func.count(), func.count().filter(movers.c.from_provider_id != movers.c.to_provider_id))
    workers, of_others = db.session.execute(counted.select_from(movers)).one()
    return of_moves(_moves(movers, policy, piece), workers, of_others)


def together(pieces: Iterable[Rehearsal]) -> Rehearsal:
    """The rehearsals of several pieces as that of one. Pure."""
    sums: dict[tuple[int, int, str, str, Unit], tuple[int, int]] = {}
    workers = of_others = 0
    for piece in pieces:
        workers, of_others = workers + piece.workers, of_others + piece.of_others
        for move in piece.moves:
            key = (move.from_id, move.to_id, move.component, move.to_component, move.unit)
            before = sums.get(key, (0, 0))
            sums[key] = (before[0] + move.amount, before[1] + move.workers)
    return of_moves(_sorted(sums), workers, of_others)


def of_moves(moves: Sequence[Move], workers: int, of_others: int) -> Rehearsal:
    """The rehearsal that these moves make. Pure."""
    return Rehearsal(
        moves=moves,
        workers=workers,
        of_others=of_others,
        cents=sum(move.amount for move in moves if move.unit is Unit.USD),
        minutes=sum(move.amount for move in moves if move.unit is Unit.MIN),
    )


def _elections(window: EnrollmentWindow, piece: Piece | None) -> Subquery:
    e, m, v = Election, Membership, PackageVersion
    theirs = () if piece is None else (piece.has(e.benefit_account_id), piece.has(m.benefit_account_id))
    return (
        select(
            e.benefit_account_id,
            m.provider_id.label("from_provider_id"),
            Package.provider_id.label("to_provider_id"),
            v.id.label("to_version_id"),
        )
        .join(m, (m.benefit_account_id == e.benefit_account_id) & m.ends_at.is_(None))
        .join(v, v.id == e.package_version_id)
        .join(Package, Package.id == v.package_id)
        .where(
            e.window_id == window.id,
            e.state == ElectionState.STANDING,
            m.package_id.is_distinct_from(v.package_id),
            *theirs,
        )
        .subquery()
    )


def _orders(window: EnrollmentWindow, piece: Piece | None) -> Subquery:
    s = Switch
    theirs = () if piece is None else (piece.has(s.benefit_account_id),)
    return (
        select(s.benefit_account_id, s.from_provider_id, s.to_provider_id, s.to_version_id)
        .where(s.window_id == window.id, s.state == SwitchState.ORDERED, *theirs)
        .subquery()
    )


def _moves(movers: Subquery, policy: Policy, piece: Piece | None) -> list[Move]:
    """Each line of the movers that would not stay where it is, added up; the largest first."""
    a, b, m = LedgerAccount, LedgerBalance, movers.c
    rows = (
        select(
            m.to_version_id,
            m.to_provider_id,
            a.organization_id,
            a.component,
            a.unit,
            func.sum(b.amount).cast(BigInteger),
            func.count(m.benefit_account_id.distinct()),
        )
        .join(a, (a.holder_id == m.benefit_account_id) & (a.kind == AccountKind.WORKER))
        .join(b, b.account_id == a.id)
        .where(b.amount > 0, *(() if piece is None else (piece.has(a.holder_id),)))
        .group_by(m.to_version_id, m.to_provider_id, a.organization_id, a.component, a.unit)
    )
    found = db.session.execute(rows).all()
    if not found:
        return []
    exchange = exchange_id()
    places = _destinations({row[0] for row in found}, policy)
    sums: dict[tuple[int, int, str, str, Unit], tuple[int, int]] = {}
    for version_id, to_id, from_id, component, unit, amount, workers in found:
        # A component that the policy no longer knows is held by the exchange as what it is.
        goes_to = places[version_id].get(component, Destination(component, held_by_exchange=True))
        target = exchange if goes_to.held_by_exchange else to_id
        if (from_id, component) == (target, goes_to.component):
            continue
        key = (from_id, target, component, goes_to.component, unit)
        before = sums.get(key, (0, 0))
        sums[key] = (before[0] + amount, before[1] + workers)
    return _sorted(sums)


def _sorted(sums: Mapping[tuple[int, int, str, str, Unit], tuple[int, int]]) -> list[Move]:
    moves = [Move(*key, amount=amount, workers=workers) for key, (amount, workers) in sums.items()]
    return sorted(moves, key=lambda move: (move.unit is not Unit.USD, -move.amount, move.from_id, move.component))


def _destinations(version_ids: set[int], policy: Policy) -> dict[int, Mapping[str, Destination]]:
    offered: dict[int, list[str]] = {version_id: [] for version_id in version_ids}
    c = PackageComponent
    for version_id, component in db.session.execute(
        select(c.version_id, c.component).where(c.version_id.in_(version_ids))
    ):
        offered[version_id].append(component)
    return {version_id: destinations_of(policy, components) for version_id, components in offered.items()}
