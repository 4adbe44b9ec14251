"""How do standing elections become switches, and how are switches carried out, one or a million?

A switch takes everything a worker has earned from one provider to another at the effective instant:
the old provider's liability goes and the new one's comes, the same figure for every component and
unit, in one journal entry for each worker, all or nothing. Until that transaction the money stands
with the old provider, after it with the new one, and never between.

One path serves one worker's special enrollment and the cutover of all: ``carry_out`` takes a batch
set by set; a batch of one is a batch. It may be stopped anywhere and run again: what is carried out
is no longer ordered, and the journal's key (``switch:<plan year>:<id>``) admits each only once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    Text,
    bindparam,
    cast,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
)

from enrollment import elections, switch_sets
from enrollment.models import (
    BenefitAccount,
    Election,
    ElectionState,
    EnrollmentWindow,
    Membership,
    Switch,
    SwitchCause,
    SwitchState,
    WindowKind,
)
from exchange import audit
from exchange.database import Instant, core, db, is_sqlite, rows_of
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.ledger import invariants
from exchange.ledger.accounts import LedgerAccount
from exchange.ledger.journal import LedgerTransfer
from exchange.policy.document import Nature, Policy
from providers.models import Package, PackageComponent, PackageVersion
from providers.package_terms import home_of

# State → the states it may become. Nothing else sets a state.
STEPS = {
    SwitchState.ORDERED: {SwitchState.CARRIED_OUT, SwitchState.ABANDONED},
    SwitchState.CARRIED_OUT: {SwitchState.ORDERED},  # its cutover is rolled back
    SwitchState.ABANDONED: set(),
}
BATCH = 5_000  # workers in one transaction, at most
_MICROSECONDS = 1_000_000  # a second: switches less far apart were chosen for the same instant


class WindowStillOpen(Refusal):
    """Elections become orders when their window is closed, not before."""

    code = "window_still_open"


class AlreadyCarriedOut(Refusal):
    """A switch that was carried out is not abandoned; another switch leads back."""

    code = "already_carried_out"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a balance of a component goes: the component there, or held by the exchange as what it is."""

    component: str
    held_by_exchange: bool


def destinations_of(policy: Policy, offered: Sequence[str]) -> Mapping[str, Destination]:
    """For each individual component of the policy: where its balance goes when a package offers ``offered``.

    The same component if the package has it; else the like one that the policy names, if the package
    has that; else the exchange holds it for the worker (domain §8.4). Nothing is lost.
    """
    destinations = {}
    for component in policy.components:
        if component.nature is Nature.INDIVIDUAL:
            home = home_of(component, offered)
            destinations[component.code] = Destination(home or component.code, held_by_exchange=home is None)
    return destinations


# --- orders ---------------------------------------------------------------------------------------


def order_window(window: EnrollmentWindow, *, by: Actor, at: datetime) -> int:
    """Turn the standing elections of a closed open enrollment into switch orders; once. Returns how many.

    An election for the package the worker has already is done with that: he stays.
    """
    assert window.kind is WindowKind.OPEN, "special enrollments are ordered one by one, when they take effect"
    if not is_sqlite():
        db.session.execute(select(EnrollmentWindow.id).where(EnrollmentWindow.id == window.id).with_for_update())
        db.session.refresh(window)
    if at < window.closes_at:
        raise WindowStillOpen(_l("This enrollment is still open: its choices can still change."))
    if window.ordered_at is not None:
        return 0
    ordered = _order(Election.window_id == window.id, window_id=window.id, at=at)
    window.ordered_at = at
    audit.record("window.ordered", f"window:{window.id}", by=by, at=at, facts=f"switches={ordered}")
    return ordered


def order_special(*, by: Actor, at: datetime) -> int:
    """Turn elections of special enrollments into orders as soon as they take effect; each once. Returns how many."""
    special = select(EnrollmentWindow.id).where(EnrollmentWindow.kind == WindowKind.SPECIAL)
    # It stands until its order is carried out: whoever asks in between, after a kill, finds it ordered.
    order = core(Switch).alias("order_of_it")
    is_ordered = exists().where(order.c.election_id == Election.id)
    due = Election.window_id.in_(special) & (Election.effective_at <= at) & ~is_ordered
    # A worker who chooses again at this moment waits, and voids the order of his first choice; or is here first.
    choosers = select(Election.benefit_account_id).where(Election.state == ElectionState.STANDING, due)
    elections.hold_accounts(BenefitAccount.id.in_(choosers))
    ordered = _order(due, window_id=None, at=at)
    if ordered:
        audit.record("switch.ordered", "window:special", by=by, at=at, facts=f"switches={ordered}")
    return ordered


def _order(which: ColumnElement[bool], *, window_id: int | None, at: datetime) -> int:
    e, m, v = Election, Membership, PackageVersion
    election = (e.id, e.benefit_account_id, e.plan_year, e.effective_at)
    chosen = (
        select(*election, m.provider_id, m.package_id, v.package_id, Package.provider_id, e.package_version_id)
        .join(m, (m.benefit_account_id == e.benefit_account_id) & m.ends_at.is_(None))
        .join(v, v.id == e.package_version_id)
        .join(Package, Package.id == v.package_id)
        .where(e.state == ElectionState.STANDING, which)
    )
    changes = m.package_id.is_distinct_from(v.package_id)
    # In the order of the accounts: what a batch touches lies close together, whoever chose first.
    c = chosen.where(changes).order_by(e.benefit_account_id, e.id).subquery()
    # A worker's own choice takes the place of what the policy had ordered for him.
    db.session.execute(
        update(Switch)
        .where(
            Switch.state == SwitchState.ORDERED,
            Switch.cause != SwitchCause.ELECTION,
            exists().where(e.benefit_account_id == Switch.benefit_account_id, e.state == ElectionState.STANDING, which),
        )
        .values(state=SwitchState.ABANDONED, reason="the worker chose")
        .execution_options(synchronize_session=False)
    )
    names = ["cause", "effective_at", "election_id", "benefit_account_id", "plan_year", "from_provider_id"]
    names += ["from_package_id", "to_package_id", "to_provider_id", "to_version_id", "window_id", "state", "ordered_at"]
    values = (literal(window_id, BigInteger), literal(SwitchState.ORDERED.value), literal(at, Instant))
    known = [column for column in c.c if column.name != "effective_at"]
    taken = _taken_instants(which)
    free = cast(func.coalesce(taken.c.last + 1, cast(c.c.effective_at, BigInteger)), Instant)
    rows = select(literal(SwitchCause.ELECTION.value), free, *known, *values)
    rows = rows.outerjoin_from(c, taken, taken.c.election_id == c.c.id).where(true())
    orders = insert(core(Switch)).from_select(names, rows).execution_options(preserve_rowcount=True)
    result = db.session.execute(orders)
    stays = chosen.where(~changes).with_only_columns(e.id)
    db.session.execute(
        update(e)
        .where(e.id.in_(stays))
        .values(state=ElectionState.CARRIED_OUT)
        .execution_options(synchronize_session=False)
    )
    return rows_of(result)


def _taken_instants(which: ColumnElement[bool]) -> Subquery:
    """The elections (``election_id``) at whose instant the worker has a switch already, and ``last``, the latest of
    those: his order takes effect right after it.

    A court's order or an error of the exchange counts from its own day, for which he may have been switched before.
    All are found at once: asked for each order anew, PostgreSQL would read the orders just written each time.
    """
    e, s = Election, Switch
    wanted, there = cast(e.effective_at, BigInteger), cast(s.effective_at, BigInteger)
    # Written out: so both engines know the index of those that were not given up.
    stands = s.state != literal_column("'abandoned'", Text)
    same = (s.benefit_account_id == e.benefit_account_id) & (there >= wanted) & (there < wanted + _MICROSECONDS)
    found = select(e.id.label("election_id"), func.max(there).label("last")).join(s, same & stands)
    return found.where(e.state == ElectionState.STANDING, which).group_by(e.id).subquery("taken")


def abandon(switch: Switch, *, reason: str, by: Actor, at: datetime) -> None:
    """Give up a switch that is not carried out yet: the worker stays where he is, and nothing moved."""
    if SwitchState.ABANDONED not in STEPS[switch.state]:
        raise AlreadyCarriedOut(_l("This switch was carried out. To go back, choose again in the next window."))
    switch.state = SwitchState.ABANDONED
    switch.reason = reason
    election = db.session.get(Election, switch.election_id) if switch.election_id else None
    if election is not None and election.state is ElectionState.STANDING:
        election.state = ElectionState.UNDONE
    audit.record("switch.abandoned", f"switch:{switch.id}", by=by, at=at, reason=reason)


# --- carrying out ---------------------------------------------------------------------------------


def due(at: datetime, window_id: int | None = None) -> Select[int]:
    """The switches that are ordered and have taken effect, in the order in which they are carried out.

    It is the order of their index, so that each batch reads no more of them than it takes.
    """
    statement = (
        select(Switch.id).where(_is_ordered(), Switch.effective_at <= at).order_by(Switch.effective_at, Switch.id)
    )
    return statement if window_id is None else statement.where(Switch.window_id == window_id)


def has_orders(window_id: int) -> bool:
    """Whether an order of the window is open, as is committed: neither carried out nor given up; held or free."""
    found = select(Switch.id).where(_is_ordered(), Switch.window_id == window_id).limit(1)
    return db.session.execute(found).first() is not None


def _is_ordered() -> ColumnElement[bool]:
    # Written out: an engine that does not know the state yet cannot take the index of those that are ordered.
    return Switch.state == bindparam(None, SwitchState.ORDERED, type_=Switch.state.type, literal_execute=True)


def carry_out(which: Select[int], *, policy: Policy, by: Actor, at: datetime, limit: int = BATCH) -> int:
    """Carry out up to ``limit`` of the selected ordered switches; all of them, or none on any error.

    Returns how many; zero when none is left. Each worker's balances, membership, rights, switch and
    election change in this one transaction. Called again, it goes on with those that are still ordered.
    """
    batch = switch_sets.pick(which.limit(limit))
    if batch is None:
        return 0
    offered = _offered(batch.version_ids)
    switch_sets.add_destinations({id_: destinations_of(policy, components) for id_, components in offered.items()})
    switch_sets.move_balances(batch, policy, by=by, at=at)
    switch_sets.begin_memberships()
    switch_sets.carry_rights(batch, policy.zone)
    switch_sets.mark_carried_out(at)
    audit.record("switch.carried_out", f"switches:{batch.first}", by=by, at=at, facts=f"switches={batch.count}")
    return batch.count


def carry_out_others(*, policy: Policy, by: Actor, at: datetime) -> tuple[int, bool]:
    """Carry out a batch of those outside of open enrollments; how many, and whether others of them are due still.

    They come in between what is ordered for a later day: that begins where they lead.
    """
    others = due(at).where(Switch.window_id.is_(None))
    if carried := carry_out(others, policy=policy, by=by, at=at):
        switch_sets.redirect_later_orders()
    return carried, db.session.execute(others.limit(1)).first() is not None


def _offered(version_ids: Collection[int]) -> Mapping[int, list[str]]:
    offered: dict[int, list[str]] = {version_id: [] for version_id in version_ids}
    rows = select(PackageComponent.version_id, PackageComponent.component).where(
        PackageComponent.version_id.in_(version_ids)
    )
    for version_id, component in db.session.execute(rows):
        offered[version_id].append(component)
    return offered


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a cutover is: switches carried out, and in all."""

    done: int
    total: int


def progress(window_id: int) -> Progress:
    """How many switches of an open enrollment are carried out, of how many that were not abandoned."""
    rows = select(Switch.state, func.count()).where(Switch.window_id == window_id).group_by(Switch.state)
    by_state = dict(db.session.execute(rows).all())
    done = by_state.get(SwitchState.CARRIED_OUT, 0)
    return Progress(done, done + by_state.get(SwitchState.ORDERED, 0))


@invariants.rule(6, _l("a switch conserves every balance"))
def _switches_conserve() -> Sequence[str]:
    """A switch only ever moves a worker's own lines to his own lines, whole, and leaves none behind."""
    source, target = core(LedgerAccount).alias("source"), core(LedgerAccount).alias("target")
    t = LedgerTransfer
    foreign = (
        select(Switch.id)
        .join(t, t.entry_id == Switch.entry_id)
        .join(source, source.c.id == t.source_id)
        .join(target, target.c.id == t.target_id)
        .where(
            or_(
                source.c.holder_id.is_distinct_from(Switch.benefit_account_id),
                target.c.holder_id.is_distinct_from(Switch.benefit_account_id),
                source.c.unit != target.c.unit,
            )
        )
        .limit(invariants.FIRST)
    )
    return [f"switch {id_} moved something that is not its worker's" for id_ in db.session.execute(foreign).scalars()]
