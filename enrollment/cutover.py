"""What does a cutover move between providers: beforehand, as things stand, and afterwards, for the cash?

Carrying out is ``switching.carry_out``; here are the sums around it: what standing elections would
move (so that the regulator sees the projected reserves while the window is still open), the gross
obligations that the carried-out switches left, and their settlement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, ColumnElement, Select, cast, exists, func, select, union_all

from enrollment import switching
from enrollment.models import Election, ElectionState, EnrollmentWindow, Membership, Switch, SwitchState
from enrollment.pieces import Piece
from exchange import audit, settlement
from exchange.database import core, db, from_microseconds, is_sqlite
from exchange.identity.actors import Actor
from exchange.identity.organizations import Organization, exchange_id
from exchange.ledger import invariants
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.ledger.journal import LedgerTransfer
from exchange.money import Unit
from exchange.scheduler.jobs import PutOff
from providers.models import Package, PackageVersion, VersionState


@dataclass(frozen=True, slots=True)
class Flow:
    """What would go from one organization to another if elections were carried out as they stand."""

    from_id: int
    to_id: int
    workers: int
    cents: int


def projected_flows(window: EnrollmentWindow, *, piece: Piece | None = None) -> Sequence[Flow]:
    """Flows of vested individual balances between organizations, by the elections that stand now.

    With them go the members of packages that end: who chooses nothing follows to the successor. ``piece``: of these
    accounts only; ``together`` adds pieces up.
    """
    choosing, following = _choosing(window), _following(window)
    if piece is not None:
        ours = piece.has(Membership.benefit_account_id)
        choosing = choosing.where(ours, piece.has(Election.benefit_account_id))
        following = following.where(ours)
    moving = union_all(choosing, following).subquery()
    pair = (moving.c.from_id, moving.c.to_id)
    workers = select(*pair, func.count()).group_by(*pair)
    is_theirs = (LedgerAccount.holder_id == moving.c.benefit_account_id) & (
        LedgerAccount.organization_id == moving.c.from_id
    )
    if piece is not None:
        is_theirs &= piece.has(LedgerAccount.holder_id)
    cents = (
        select(*pair, func.sum(LedgerBalance.amount).cast(BigInteger))
        .join(LedgerAccount, is_theirs)
        .join(LedgerBalance, LedgerBalance.account_id == LedgerAccount.id)
        .where(LedgerAccount.unit == Unit.USD, LedgerAccount.kind == AccountKind.WORKER)
        .group_by(*pair)
    )
    sums = {(from_id, to_id): int(amount) for from_id, to_id, amount in db.session.execute(cents)}
    return [
        Flow(from_id, to_id, count, sums.get((from_id, to_id), 0))
        for from_id, to_id, count in db.session.execute(workers)
    ]


def together(pieces: Iterable[Sequence[Flow]]) -> list[Flow]:
    """The flows of several pieces as those of one. Pure."""
    sums: dict[tuple[int, int], tuple[int, int]] = {}
    for flow in (flow for flows in pieces for flow in flows):
        workers, cents = sums.get((flow.from_id, flow.to_id), (0, 0))
        sums[flow.from_id, flow.to_id] = (workers + flow.workers, cents + flow.cents)
    return [Flow(*pair, workers, cents) for pair, (workers, cents) in sums.items()]


def _choosing(window: EnrollmentWindow) -> Select[int, int, int]:
    """Who has chosen another provider: (account, from, to)."""
    e, m, v = Election, Membership, PackageVersion
    return (
        select(e.benefit_account_id, m.provider_id.label("from_id"), Package.provider_id.label("to_id"))
        .join(m, (m.benefit_account_id == e.benefit_account_id) & m.ends_at.is_(None))
        .join(v, v.id == e.package_version_id)
        .join(Package, Package.id == v.package_id)
        .where(e.window_id == window.id, e.state == ElectionState.STANDING, m.provider_id != Package.provider_id)
    )


def _following(window: EnrollmentWindow) -> Select[int, int, int]:
    """Whose package ends before the plan year, with a successor at another provider, and who has chosen nothing."""
    e, m, v = Election, Membership, PackageVersion
    old, new = core(Package).alias("old"), core(Package).alias("new")
    chooses = exists().where(
        e.benefit_account_id == m.benefit_account_id, e.window_id == window.id, e.state == ElectionState.STANDING
    )
    return (
        select(m.benefit_account_id, m.provider_id.label("from_id"), new.c.provider_id.label("to_id"))
        .join(old, old.c.id == m.package_id)
        .join(new, new.c.id == old.c.successor_id)
        .join(v, (v.package_id == new.c.id) & (v.plan_year == window.plan_year) & (v.state == VersionState.LISTED))
        .where(
            m.ends_at.is_(None),
            old.c.last_plan_year < window.plan_year,
            m.provider_id != new.c.provider_id,
            ~chooses,
        )
    )


def projected_changes(window: EnrollmentWindow) -> dict[int, int]:
    """Each organization's change of liabilities in cents, if elections were carried out as they stand."""
    changes: dict[int, int] = {}
    for flow in projected_flows(window):
        changes[flow.from_id] = changes.get(flow.from_id, 0) - flow.cents
        changes[flow.to_id] = changes.get(flow.to_id, 0) + flow.cents
    return changes


def obligations_of(which: ColumnElement[bool]) -> list[settlement.Gross]:
    """What the carried-out switches moved between organizations in cents: gross, by pair and component."""
    source, target = core(LedgerAccount).alias("source"), core(LedgerAccount).alias("target")
    t = LedgerTransfer
    rows = (
        select(
            source.c.organization_id,
            target.c.organization_id,
            source.c.component,
            func.sum(t.amount).cast(BigInteger),
            func.count(Switch.id.distinct()),
        )
        .select_from(Switch)
        .join(t, t.entry_id == Switch.entry_id)
        .join(source, source.c.id == t.source_id)
        .join(target, target.c.id == t.target_id)
        .where(
            Switch.state == SwitchState.CARRIED_OUT,
            which,
            t.unit == Unit.USD,
            source.c.organization_id != target.c.organization_id,
        )
        .group_by(source.c.organization_id, target.c.organization_id, source.c.component)
        .order_by(source.c.organization_id, target.c.organization_id, source.c.component)
    )
    return [settlement.Gross(*row) for row in db.session.execute(rows)]


def finish(window: EnrollmentWindow, *, by: Actor, at: datetime) -> None:
    """Net what the cutover moved, once every switch of the window is carried out. The caller holds the window.

    Raises ``PutOff`` while an order is open that nobody could take, because somebody holds it: he may carry it out
    (and what he moves would be netted by nobody), give it up, or let it go.
    """
    assert window.effective_at is not None, "an open enrollment has an effective instant"
    # Asked first: whoever held an order that is not open any more has committed, so that the sums below count him.
    if switching.has_orders(window.id):
        raise PutOff(_l("Somebody holds a switch of this cutover just now: it is netted once that one is decided."))
    settlement.settle(
        reference_of(window),
        obligations=obligations_of(Switch.window_id == window.id),
        effective_at=window.effective_at,
        by=by,
        at=at,
    )
    window.cut_over_at = at
    audit.record("window.cut_over", f"window:{window.id}", by=by, at=at)


def hold_others() -> None:
    """Let nobody else carry out or net switches outside of open enrollments until the transaction ends.

    What is netted is told from what was netted before by its instant. So the instant of a batch, or of a netting, is
    to be read after this: one that was read before could lie on the wrong side of somebody else's.
    """
    if not is_sqlite():
        exchange = Organization.id == exchange_id()
        db.session.execute(select(Organization.id).where(exchange).with_for_update(key_share=True))


def after_last_netting(now: datetime) -> datetime:
    """The instant to carry others out or net them by: ``now``, also where the clock was set back since the last time.

    By an instant before the last netting they would count as netted.
    """
    last = db.session.execute(select(_last_netted_at())).scalar_one()
    return max(now, from_microseconds(last + 1))


def settle_others(*, by: Actor, at: datetime) -> int:
    """Net the switches outside of open enrollments that no batch has netted yet. Returns how many."""
    s = Switch
    unsettled = s.window_id.is_(None) & (cast(s.carried_out_at, BigInteger) > _last_netted_at())
    count = db.session.execute(
        select(func.count()).select_from(s).where(s.state == SwitchState.CARRIED_OUT, unsettled)
    ).scalar_one()
    if count:
        settlement.settle(
            f"{_OTHERS}{at.isoformat()}", obligations=obligations_of(unsettled), effective_at=at, by=by, at=at
        )
    return int(count)


_OTHERS = "switches:"


def _last_netted_at() -> ColumnElement[int]:
    b = settlement.SettlementBatch
    last = select(func.coalesce(func.max(cast(b.netted_at, BigInteger)), 0)).where(b.reference.startswith(_OTHERS))
    return last.scalar_subquery()


def round_of(plan_year: str, rolled_back: int) -> str:
    """The name of a cutover as a thing to do: once, and once more each time after it was rolled back."""
    return f"{plan_year}/{rolled_back + 1}" if rolled_back else plan_year


def reference_of(window: EnrollmentWindow) -> str:
    """The name under which the window's cutover is netted; another one after each time it was rolled back."""
    again = f":{window.rolled_back + 1}" if window.rolled_back else ""
    return f"cutover:{window.plan_year}{again}"


@invariants.rule(6, _l("a finished cutover leaves no order open"))
def _nothing_left_open() -> list[str]:
    open_orders = (
        select(Switch.id)
        .join(EnrollmentWindow, EnrollmentWindow.id == Switch.window_id)
        .where(EnrollmentWindow.cut_over_at.is_not(None), Switch.state == SwitchState.ORDERED)
        .limit(invariants.FIRST)
    )
    return [f"switch {id_} is still ordered after its cutover" for id_ in db.session.execute(open_orders).scalars()]
