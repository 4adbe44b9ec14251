"""Which statements carry out a batch of switches?

The set-based half of ``switching.carry_out``: every step is one statement over the batch, which
stands in temporary tables of the connection, so that no row comes to Python however large it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    Select,
    String,
    Text,
    and_,
    case,
    cast,
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
from exchange.database import Instant, core, db, from_microseconds, insert_or_ignore, is_sqlite
from exchange.identity.actors import Actor
from exchange.identity.organizations import exchange_id
from exchange.ledger import journal, staging
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance, open_selected
from exchange.policy.document import Policy
from providers.models import PackageComponent

if TYPE_CHECKING:
    from enrollment.switching import Destination

batch = staging.temporary(
    "batch_switch",
    Column("switch_id", BigInteger, primary_key=True, autoincrement=False),
    Column("benefit_account_id", BigInteger, nullable=False, unique=True),
    Column("election_id", BigInteger),
    Column("plan_year", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("to_provider_id", BigInteger, nullable=False),
    Column("to_package_id", BigInteger, nullable=False),
    Column("to_version_id", BigInteger, nullable=False),
    Column("membership_id", BigInteger),
    Column("starts_at", BigInteger, nullable=False),
    # Ends the journal's key when the switch was carried out and rolled back before.
    Column("again", Text, nullable=False),
    # The journal entry that moves the balances, where there are any.
    Column("entry_id", BigInteger),
)
destination = staging.temporary(
    "batch_destination",
    Column("version_id", BigInteger, primary_key=True, autoincrement=False),
    Column("component", Text, primary_key=True),
    Column("target_component", Text, nullable=False),
    Column("held_by_exchange", Boolean, nullable=False),
)
move = staging.temporary(
    "batch_move",
    Column("source_id", BigInteger, primary_key=True, autoincrement=False),
    Column("switch_id", BigInteger, nullable=False),
    Column("holder_id", BigInteger, nullable=False),
    Column("organization_id", BigInteger, nullable=False),
    Column("component", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
)


def pick(which: Select[int]) -> int:
    """Put the switches into the batch, one for each account (the earliest); returns how many there are."""
    staging.empty(batch, destination, move)
    if not is_sqlite():
        # Two that carry out at the same time take different batches.
        which = which.with_for_update(skip_locked=True, of=Switch)
    ids = which.cte("picked")
    s = Switch
    earliest = select(func.min(s.id)).join(ids, ids.c.id == s.id).group_by(s.benefit_account_id)
    chosen = select(
        s.id,
        s.benefit_account_id,
        s.election_id,
        s.plan_year,
        s.cause,
        s.to_provider_id,
        s.to_package_id,
        s.to_version_id,
        s.effective_at,
        case((s.rolled_back > 0, literal(":") + cast(s.rolled_back + 1, String)), else_=literal("")),
    ).where(s.id.in_(earliest))
    columns = ["switch_id", "benefit_account_id", "election_id", "plan_year", "cause"]
    columns += ["to_provider_id", "to_package_id", "to_version_id", "starts_at", "again"]
    db.session.execute(insert(batch).from_select(columns, chosen))
    return int(db.session.execute(select(func.count()).select_from(batch)).scalar_one())


def first() -> int:
    """The batch's first switch: its name in the audit log."""
    return int(db.session.execute(select(func.min(batch.c.switch_id))).scalar_one())


def versions() -> Sequence[int]:
    """The package versions that the batch leads to."""
    return db.session.execute(select(batch.c.to_version_id).distinct()).scalars().all()


def hold_memberships() -> None:
    """Hold the workers' memberships (ascending), so that no contribution is posted to the old ones meanwhile."""
    m = Membership
    mine = m.benefit_account_id.in_(select(batch.c.benefit_account_id)) & m.ends_at.is_(None)
    if not is_sqlite():
        held = select(m.id).where(mine).order_by(m.id).with_for_update().subquery()
        # A membership that another switch ended while we waited drops out: ask again, the one after it is there.
        while db.session.execute(select(func.count()).select_from(held)).scalar_one() < _count(mine):
            pass
    current = select(m.id, m.starts_at, m.benefit_account_id).where(m.ends_at.is_(None)).subquery()
    after = current.c.starts_at + 1
    db.session.execute(
        update(batch)
        .where(current.c.benefit_account_id == batch.c.benefit_account_id)
        .values(
            membership_id=current.c.id,
            # A switch that takes effect before the present membership began follows right after its beginning.
            starts_at=case(
                (batch.c.starts_at > cast(current.c.starts_at, BigInteger), batch.c.starts_at),
                else_=cast(after, BigInteger),
            ),
        )
    )


def _count(which: ColumnElement[bool]) -> int:
    return int(db.session.execute(select(func.count()).select_from(Membership).where(which)).scalar_one())


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


def move_balances(policy: Policy, *, by: Actor, at: datetime) -> None:
    """Move every balance of the batch's workers to its destination: one entry for each worker."""
    _select_moves()
    m = move
    open_selected(select(m.c.organization_id, m.c.holder_id, m.c.component, m.c.unit))
    staging.clear()
    _number_entries()
    key = literal("switch:") + batch.c.plan_year + literal(":") + cast(batch.c.switch_id, String) + batch.c.again
    effective_on = _date_of(batch.c.starts_at, policy.zone)
    db.session.execute(
        insert(staging.entry).from_select(
            ["ordinal", "entry_id", "key", "kind", "effective_on"],
            select(batch.c.switch_id, batch.c.entry_id, key, literal("switch"), effective_on).where(
                batch.c.entry_id.is_not(None)
            ),
        )
    )
    target = core(LedgerAccount).alias("target")
    belongs = and_(
        target.c.holder_id == m.c.holder_id,
        target.c.organization_id == m.c.organization_id,
        target.c.component == m.c.component,
        target.c.unit == m.c.unit,
    )
    seq = func.row_number().over(partition_by=m.c.switch_id, order_by=m.c.source_id) - 1
    db.session.execute(
        insert(staging.transfer).from_select(
            ["entry_id", "seq", "source_id", "target_id", "unit", "amount"],
            select(batch.c.entry_id, seq, m.c.source_id, target.c.id, m.c.unit, m.c.amount)
            .join(batch, batch.c.switch_id == m.c.switch_id)
            .join(target, belongs),
        )
    )
    journal.post_staged(by=by, at=at, subject=f"switches:{first()}")


def _number_entries() -> None:
    """Give each switch that moves something the number of its entry."""
    moving = select(move.c.switch_id).distinct().subquery()
    ordinal = func.row_number().over(order_by=moving.c.switch_id)
    numbered = select(moving.c.switch_id, staging.next_id(ordinal).label("entry_id")).subquery()
    db.session.execute(
        update(batch).where(batch.c.switch_id == numbered.c.switch_id).values(entry_id=numbered.c.entry_id)
    )


def _select_moves() -> None:
    """Every line of a batch's worker that holds something and does not stand where it belongs."""
    a, b = LedgerAccount, LedgerBalance
    lines = select(a.id).join(batch, batch.c.benefit_account_id == a.holder_id).where(a.kind == AccountKind.WORKER)
    if not is_sqlite():
        held = select(b.account_id).where(b.account_id.in_(lines)).order_by(b.account_id).with_for_update().subquery()
        db.session.execute(select(func.count()).select_from(held))
    # A component that the policy no longer knows has no row here: the exchange holds it as what it is.
    component = func.coalesce(destination.c.target_component, a.component)
    organization = case(
        (destination.c.held_by_exchange.is_(False), batch.c.to_provider_id), else_=literal(exchange_id())
    )
    db.session.execute(
        insert(move).from_select(
            ["source_id", "switch_id", "holder_id", "organization_id", "component", "unit", "amount"],
            select(a.id, batch.c.switch_id, a.holder_id, organization, component, a.unit, b.amount)
            .join(batch, batch.c.benefit_account_id == a.holder_id)
            .join(b, b.account_id == a.id)
            .outerjoin(
                destination,
                and_(destination.c.version_id == batch.c.to_version_id, destination.c.component == a.component),
            )
            .where(b.amount > 0, or_(a.organization_id != organization, a.component != component)),
        )
    )


def _date_of(instant: ColumnElement[Any], zone: str) -> ColumnElement[Any]:
    """The local date of each effective instant of the batch: few different ones, so they are listed."""
    instants = db.session.execute(select(batch.c.starts_at).distinct()).scalars().all()
    dates = {value: local_date(from_microseconds(value), zone) for value in instants}
    if len(dates) == 1:
        return literal(next(iter(dates.values())), Date)
    return case({value: literal(day, Date) for value, day in dates.items()}, value=instant)


def begin_memberships() -> None:
    """End the present membership of each worker where the new one begins."""
    m = Membership
    db.session.execute(
        update(m)
        .where(m.id == batch.c.membership_id)
        .values(ends_at=cast(batch.c.starts_at, Instant))
        .execution_options(synchronize_session=False)
    )
    columns = ["benefit_account_id", "provider_id", "package_id", "starts_at", "cause"]
    new = select(
        batch.c.benefit_account_id, batch.c.to_provider_id, batch.c.to_package_id, batch.c.starts_at, batch.c.cause
    )
    db.session.execute(insert(core(m)).from_select(columns, new.order_by(batch.c.switch_id)))


def carry_rights(zone: str) -> None:
    """Carry every right along; begin one for each component that is new to the worker."""
    r, m = MemberRight, Membership
    new = core(m).alias("new")
    is_new = and_(new.c.benefit_account_id == batch.c.benefit_account_id, new.c.ends_at.is_(None))
    columns = ["membership_id", "component", "covered_since", "deductible_met_cents", "paid_through"]
    db.session.execute(
        insert(core(r)).from_select(
            columns,
            select(new.c.id, r.component, r.covered_since, r.deductible_met_cents, r.paid_through)
            .select_from(batch)
            .join(new, is_new)
            .join(r, r.membership_id == batch.c.membership_id),
        )
    )
    c = PackageComponent
    begins = select(new.c.id, c.component, _date_of(batch.c.starts_at, zone), literal_column("0"))
    db.session.execute(
        insert_or_ignore(r).from_select(
            columns[:4],
            begins.select_from(batch).join(new, is_new).join(c, c.version_id == batch.c.to_version_id).where(true()),
        )
    )


def mark_carried_out(at: datetime) -> None:
    """Switches and elections of the batch are done; each switch names its entry."""
    db.session.execute(
        update(Switch)
        .where(Switch.id == batch.c.switch_id)
        .values(state=SwitchState.CARRIED_OUT, carried_out_at=at, entry_id=batch.c.entry_id)
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(Election)
        .where(Election.id.in_(select(batch.c.election_id)))
        .values(state=ElectionState.CARRIED_OUT)
        .execution_options(synchronize_session=False)
    )
