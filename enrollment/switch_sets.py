"""Which statements carry out a batch of switches?

The set-based half of ``switching.carry_out``: every step is one statement over the batch, which
stands in temporary tables of the connection, so that no row comes to Python however large it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    FromClause,
    Select,
    String,
    Subquery,
    Table,
    Text,
    and_,
    case,
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

from enrollment.models import Election, ElectionState, MemberRight, Membership, Switch, SwitchState
from exchange.clock import local_date
from exchange.database import Instant, core, db, from_microseconds, is_sqlite, rows_of
from exchange.identity.actors import Actor
from exchange.identity.organizations import exchange_id
from exchange.ledger import moves, staging
from exchange.ledger.accounts import LedgerAccount, LedgerBalance
from exchange.policy.document import Policy
from providers.models import PackageComponent

if TYPE_CHECKING:
    from enrollment.switching import Destination

# The switches as they were asked for. A table of its own, because PostgreSQL sees how large it is when it joins it.
asked = staging.temporary(
    "batch_asked",
    Column("switch_id", BigInteger, nullable=False),
    Column("benefit_account_id", BigInteger, nullable=False),
    Column("election_id", BigInteger),
    Column("plan_year", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("to_provider_id", BigInteger, nullable=False),
    Column("to_package_id", BigInteger, nullable=False),
    Column("to_version_id", BigInteger, nullable=False),
    # Ends the journal's key when the switch was carried out and rolled back before.
    Column("again", Text, nullable=False),
    Column("effective_at", BigInteger, nullable=False),
)
batch = staging.temporary(
    "batch_switch",
    Column("switch_id", BigInteger, nullable=False),
    Column("benefit_account_id", BigInteger, nullable=False),
    Column("election_id", BigInteger),
    Column("plan_year", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("to_provider_id", BigInteger, nullable=False),
    Column("to_package_id", BigInteger, nullable=False),
    Column("to_version_id", BigInteger, nullable=False),
    Column("again", Text, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("membership_id", BigInteger),
    # The numbers of the membership that begins, and of the journal entry if there is something to move.
    Column("new_membership_id", BigInteger, nullable=False),
    Column("entry_id", BigInteger, primary_key=True, autoincrement=False),
)
destination = staging.temporary(
    "batch_destination",
    Column("version_id", BigInteger, primary_key=True, autoincrement=False),
    Column("component", Text, primary_key=True),
    Column("target_component", Text, nullable=False),
    Column("held_by_exchange", Boolean, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be known of a batch beside its rows; ``first``, its lowest switch, is its name in the audit log."""

    count: int
    first: int
    version_ids: frozenset[int]
    instants: frozenset[int]


def pick(which: Select[int]) -> Batch | None:
    """Put the switches into the batch, the earliest of each account, with the memberships they end. None: no more.

    Both are held until the transaction ends, so that no contribution is posted to the old memberships meanwhile.
    """
    staging.empty(asked, batch, destination)
    staging.plan_by_index()
    _ask(which)
    held = _current(asked)
    rows = select(
        *[column for column in asked.c if column.name != "effective_at"],
        _start(asked.c.effective_at, held.c.starts_at).label("starts_at"),
        held.c.id.label("membership_id"),
    ).outerjoin(held, held.c.benefit_account_id == asked.c.benefit_account_id)
    if not is_sqlite():
        rows = select(*rows.order_by(asked.c.switch_id).subquery().c)  # numbers are drawn in the order of rows
    place = literal_column(f"{asked.name}.rowid", BigInteger)  # on SQLite, from 1, as they were asked for
    numbers = [staging.next_id(place, table).label(f"{table}_id") for table in ("membership", "ledger_entry")]
    names = [*rows.selected_columns.keys(), "new_membership_id", "entry_id"]
    db.session.execute(insert(batch).from_select(names, rows.add_columns(*numbers)))
    _hold_those_left_out()
    return _described()


def _ask(which: Select[int]) -> None:
    s = Switch
    again = case((s.rolled_back > 0, literal(":") + cast(s.rolled_back + 1, String)), else_=literal(""))
    found = which.with_only_columns(
        s.id.label("switch_id"), s.benefit_account_id, s.election_id, s.plan_year, s.cause, s.to_provider_id,
        s.to_package_id, s.to_version_id, again.label("again"), cast(s.effective_at, BigInteger).label("effective_at"),
    )  # fmt: skip
    if not is_sqlite():
        # Two that carry out at the same time take different batches.
        found = found.with_for_update(skip_locked=True, of=s)
    picked = found.cte("picked")
    place = func.row_number().over(
        partition_by=picked.c.benefit_account_id, order_by=(picked.c.effective_at, picked.c.switch_id)
    )
    placed = select(*picked.c, place.label("place")).subquery()
    names = asked.c.keys()
    rows = select(*[placed.c[name] for name in names]).where(placed.c.place == 1)
    db.session.execute(insert(asked).from_select(names, rows))


def _current(asking: Table) -> CTE | Subquery:
    """The memberships that the accounts have now, held (ascending)."""
    m = Membership
    current = select(m.id, m.benefit_account_id, cast(m.starts_at, BigInteger).label("starts_at"))
    current = current.where(m.ends_at.is_(None))
    if is_sqlite():
        return current.subquery("held")
    theirs = current.join(asking, asking.c.benefit_account_id == m.benefit_account_id)
    return theirs.order_by(m.id).with_for_update(of=m).cte("held")


def _start(effective_at: ColumnElement[int], present: ColumnElement[int]) -> ColumnElement[int]:
    """A switch that takes effect before the present membership began follows right after its beginning."""
    return case((present >= effective_at, present + 1), else_=effective_at)


def _hold_those_left_out() -> None:
    """A membership that another switch ended while we waited dropped out: ask again, the one after it is there."""
    alone = select(batch.c.benefit_account_id).where(batch.c.membership_id.is_(None))
    present = select(func.count()).where(Membership.benefit_account_id.in_(alone), Membership.ends_at.is_(None))
    while db.session.execute(present).scalar_one():
        held = _current(batch)
        db.session.execute(
            update(batch)
            .where(batch.c.membership_id.is_(None), held.c.benefit_account_id == batch.c.benefit_account_id)
            .values(membership_id=held.c.id, starts_at=_start(batch.c.starts_at, held.c.starts_at))
        )


def _described() -> Batch | None:
    places = (batch.c.to_version_id, batch.c.starts_at)
    kinds = select(*places, func.count(), func.min(batch.c.switch_id)).group_by(*places)
    found = db.session.execute(kinds).all()
    if not found:
        return None
    versions, instants, counts, firsts = zip(*found, strict=True)
    return Batch(sum(counts), min(firsts), frozenset(versions), frozenset(instants))


def add_destinations(by_version: Mapping[int, Mapping[str, Destination]]) -> None:
    """Say for each package version where the balance of each component goes."""
    rows: list[dict[str, Any]] = [
        {
            "version_id": version_id,
            "component": component,
            "target_component": target.component,
            "held_by_exchange": target.held_by_exchange,
        }
        for version_id, targets in by_version.items()
        for component, target in targets.items()
    ]
    if rows:
        db.session.execute(insert(destination), rows)


def move_balances(found: Batch, policy: Policy, *, by: Actor, at: datetime) -> None:
    """Move every balance of the batch's workers to its destination: one entry for each worker."""
    staging.empty(staging.entry, staging.move)
    _select_moves()
    key = literal("switch:") + batch.c.plan_year + literal(":") + cast(batch.c.switch_id, String) + batch.c.again
    db.session.execute(
        insert(staging.entry).from_select(
            ["ordinal", "entry_id", "key", "kind", "effective_on"],
            select(batch.c.switch_id, batch.c.entry_id, key, literal("switch"), _local_date(found, policy.zone)).join(
                staging.move, and_(staging.move.c.entry_id == batch.c.entry_id, staging.move.c.seq == 0)
            ),
        )
    )
    moves.post_moves(by=by, at=at, subject=f"switches:{found.first}")


def _select_moves() -> None:
    """Every line of a batch's worker that holds something and does not stand where it belongs.

    They are numbered, and written down, in the order of the lines that they lead to: so those that lead to one line
    follow one another, and new lines are opened and filled in the order of their indexes.
    """
    line = _lines()
    # A component that the policy no longer knows has no row here: the exchange holds it as what it is.
    component = func.coalesce(destination.c.target_component, line.c.component)
    organization = case(
        (destination.c.held_by_exchange.is_(False), line.c.to_provider_id), else_=literal(exchange_id(), BigInteger)
    )
    going = (
        select(
            line.c.entry_id, line.c.id, line.c.holder_id, organization.label("organization_id"),
            component.label("component"), line.c.unit, line.c.amount,
        )
        .outerjoin(
            destination,
            and_(destination.c.version_id == line.c.to_version_id, destination.c.component == line.c.component),
        )
        # Said as one condition: of two, SQLite reads everybody's balances first, to see which of them hold something.
        .where(~or_(line.c.amount == 0, and_(line.c.organization_id == organization, line.c.component == component)))
        .subquery("going")
    )  # fmt: skip
    g = going.c
    lead_to = (g.holder_id, g.organization_id, g.component, g.unit)
    target = _where_they_lead(line)
    if is_sqlite():
        # The batch is read by its entries: nothing has to be sorted.
        place = func.row_number().over(partition_by=g.entry_id)
        is_first: ColumnElement[bool] = true()
    else:
        # Those that lead to one line share a rank, and it is the place of the first of them: one window for both.
        place, rank = (
            number.over(partition_by=g.entry_id, order_by=lead_to[1:]) for number in (func.row_number(), func.rank())
        )
        is_first = place == rank
    names = ["entry_id", "seq", "source_id", "target_id", "unit", "amount"]
    names += ["holder_id", "organization_id", "component", "opens", "is_first", "coming"]
    db.session.execute(
        insert(staging.move).from_select(
            names,
            select(
                g.entry_id, place - 1, g.id, staging.id_or_new(target.c.id, "ledger_account"), g.unit, g.amount,
                g.holder_id, g.organization_id, g.component, target.c.id.is_(None), is_first, g.amount,
            ).outerjoin(target, and_(*(target.c[column.name] == column for column in lead_to))),
        )
    )  # fmt: skip


def _lines() -> CTE | Subquery:
    """Every line of the batch's workers. Who holds their memberships holds their balances still."""
    a, b = LedgerAccount, LedgerBalance
    lines = (
        select(
            a.id, a.holder_id, a.organization_id, a.component, cast(a.unit, Text).label("unit"), b.amount,
            batch.c.entry_id, batch.c.to_provider_id, batch.c.to_version_id,
        )
        .select_from(batch)
        # A sum, so that SQLite cannot begin with the lines of everybody and look each of them up in the batch.
        .join(a, a.holder_id == batch.c.benefit_account_id + 0)
        .join(b, b.account_id == a.id)
    )  # fmt: skip
    return lines.subquery("line") if is_sqlite() else lines.cte("line")


def _where_they_lead(line: CTE | Subquery) -> FromClause:
    """The lines that may be there already: on PostgreSQL among those that were just read."""
    if is_sqlite():
        return core(LedgerAccount).alias("target")
    theirs = line.c.organization_id.in_((line.c.to_provider_id, exchange_id()))
    return select(line).where(theirs).subquery("target")


def _local_date(found: Batch, zone: str) -> ColumnElement[date]:
    """The local date of each effective instant of the batch: few different ones, so they are listed."""
    dates = {value: literal(local_date(from_microseconds(value), zone), Date) for value in sorted(found.instants)}
    if len(dates) == 1:
        return next(iter(dates.values()))
    return case(dates, value=batch.c.starts_at)


def begin_memberships() -> None:
    """End the present membership of each worker where the new one begins."""
    m = Membership
    db.session.execute(
        update(m)
        .where(m.id == batch.c.membership_id)
        .values(ends_at=cast(batch.c.starts_at, Instant))
        .execution_options(synchronize_session=False)
    )
    b = batch.c
    columns = ["id", "benefit_account_id", "provider_id", "package_id", "starts_at", "cause"]
    new = select(b.new_membership_id, b.benefit_account_id, b.to_provider_id, b.to_package_id, b.starts_at, b.cause)
    db.session.execute(insert(core(m)).from_select(columns, new))


def carry_rights(found: Batch, zone: str) -> None:
    """Carry every right along; begin one for each component that is new to the worker."""
    r, c = MemberRight, PackageComponent
    columns = ["membership_id", "component", "covered_since", "deductible_met_cents", "paid_through"]
    carried = select(batch.c.new_membership_id, r.component, r.covered_since, r.deductible_met_cents, r.paid_through)
    along = carried.join(r, r.membership_id == batch.c.membership_id)
    came = db.session.execute(insert(core(r)).from_select(columns, along).execution_options(preserve_rowcount=True))
    begins = select(batch.c.new_membership_id, c.component, _local_date(found, zone), literal_column("0"))
    begins = begins.join(c, c.version_id == batch.c.to_version_id)
    if rows_of(came):
        begins = begins.where(~exists().where(r.membership_id == batch.c.membership_id, r.component == c.component))
    db.session.execute(insert(core(r)).from_select(columns[:4], begins))


def mark_carried_out(at: datetime) -> None:
    """Switches and elections of the batch are done; each switch that moved something names its entry."""
    moved = staging.entry.c
    done = select(batch.c.switch_id, moved.entry_id).outerjoin(staging.entry, moved.entry_id == batch.c.entry_id)
    done_ = done.subquery("done").c
    db.session.execute(
        update(Switch)
        # A sum, so that SQLite cannot begin with the switches of everybody and look each of them up in the batch.
        .where(Switch.id == done_.switch_id + 0)
        .values(state=SwitchState.CARRIED_OUT, carried_out_at=at, entry_id=done_.entry_id)
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(Election)
        .where(Election.id == batch.c.election_id)
        .values(state=ElectionState.CARRIED_OUT)
        .execution_options(synchronize_session=False)
    )


def redirect_later_orders() -> None:
    """What is ordered for the batch's workers for a later day begins where they are now; who is there already stays."""
    order, now = core(Switch), batch.c
    # Written out: so both engines know the index of those that were not given up.
    waits = and_(
        order.c.state == literal_column("'ordered'", Text), order.c.state != literal_column("'abandoned'", Text)
    )
    # A sum, so that SQLite cannot begin with the switches of everybody and look each of them up in the batch.
    theirs = and_(order.c.benefit_account_id == now.benefit_account_id + 0, waits)
    there, elsewhere = (order.c.to_package_id == now.to_package_id), (order.c.to_package_id != now.to_package_id)
    done_with = select(order.c.election_id).select_from(order).join(batch, theirs).where(there)
    # Asked again of the election itself: whoever gave it up while we waited for it was first.
    stands = Election.state == ElectionState.STANDING
    for statement in (
        update(order)
        .where(theirs, elsewhere)
        .values(from_provider_id=now.to_provider_id, from_package_id=now.to_package_id),
        update(core(Election)).where(Election.id.in_(done_with), stands).values(state=ElectionState.CARRIED_OUT),
        update(order).where(theirs, there).values(state=SwitchState.ABANDONED, reason="there already"),
    ):
        db.session.execute(statement)
