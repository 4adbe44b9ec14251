"""Which statements put the contributions of a remittance into the books?

The set-based half of ``posting.post``: every step is one statement over a piece of the remittance, which
stands in temporary tables of the connection. What is looked up or divided for one worker is the same for
many: it comes to Python once for each different case (a package and an amount, a place and a policy), and
the database multiplies it out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    SmallInteger,
    String,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from enrollment import memberships
from enrollment.models import Contribution, LeaveTally, Membership, Remittance
from enrollment.posting_plan import WITH_NOBODY, Plan, Work
from exchange.bulk import insert_rows
from exchange.database import core, db, is_sqlite
from exchange.identity.actors import Actor
from exchange.ledger import journal, staging
from exchange.ledger.accounts import AccountKind, LedgerAccount, Line, open_lines, open_selected
from exchange.money import Unit

PIECE = 10_000
"""Contributions that are posted at a time: what is staged on SQLite stands in memory."""

batch = staging.temporary(
    "batch_contribution",
    Column("contribution_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False),
    Column("provider_id", BigInteger, nullable=False),
    Column("package_id", BigInteger, nullable=False),
    Column("amount_cents", BigInteger, nullable=False),
    Column("policy_version_id", BigInteger, nullable=False),
    Column("place", Text, nullable=False),
    # Those that earn leave: none where no rule holds for the work.
    Column("minutes", BigInteger, nullable=False),
    # Empty where nothing is to be posted.
    Column("entry_id", BigInteger),
)
package = staging.temporary(
    "batch_package",
    Column("package_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version_id", BigInteger),
)
part = staging.temporary(
    "batch_part",
    Column("package_id", BigInteger, primary_key=True, autoincrement=False),
    Column("amount_cents", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", SmallInteger, primary_key=True, autoincrement=False),
    # One of the two: a component of the worker's own, or a line that many share.
    Column("component", Text),
    Column("target_id", BigInteger),
    Column("cents", BigInteger, nullable=False),
)
rate = staging.temporary(
    "batch_rate",
    Column("package_id", BigInteger, primary_key=True, autoincrement=False),
    Column("policy_version_id", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Text, primary_key=True),
    Column("seq", SmallInteger, primary_key=True, autoincrement=False),
    Column("component", Text, nullable=False),
    Column("worked", BigInteger, nullable=False),
    Column("earned", BigInteger, nullable=False),
)
# What goes to workers' own lines, money and leave.
own = staging.temporary(
    "batch_own",
    Column("contribution_id", BigInteger, nullable=False),
    Column("seq", SmallInteger, nullable=False),
    Column("entry_id", BigInteger),
    Column("source_id", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("provider_id", BigInteger, nullable=False),
    Column("component", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    # Empty until the line is open.
    Column("target_id", BigInteger),
)


class Amount(NamedTuple):
    """An amount that some contributions of the batch have, for members of one package."""

    package_id: int
    provider_id: int
    cents: int


def post(remittance: Remittance, plan: Plan, *, on: date, by: Actor, at: datetime) -> None:
    """Put the remittance and its contributions into the books, piece by piece, in the caller's transaction."""
    memberships.hold_for_posting(
        select(Contribution.benefit_account_id).where(Contribution.remittance_id == remittance.id)
    )
    funds, outside, world = (
        Line(AccountKind.FUNDS, remittance.employer_id, Unit.USD),
        Line(AccountKind.OUTSIDE, plan.exchange_id, Unit.USD),
        Line(AccountKind.ACCRUAL, plan.exchange_id, Unit.MIN),
    )
    lines = open_lines([funds, outside, world])
    for place, accounts in enumerate(_pieces(remittance.id, PIECE)):
        staging.clear()
        ordinal = 1
        if place == 0 and remittance.total_cents:
            _stage_received(remittance, lines[outside], lines[funds], on=on)
            ordinal = 2
        _pick(remittance.id, accounts, ordinal=ordinal)
        amounts = _amounts()
        providers = {amount.package_id: amount.provider_id for amount in amounts}
        plan.learn(providers)
        _divide(_parts(amounts, plan, open_lines(plan.shared_lines(providers))), funds_id=lines[funds])
        _accrue(_rates(plan), accrual_id=lines[world])
        if any(not amount.cents for amount in amounts):
            _number_free_work(ordinal=ordinal)
        _open_own_lines()
        _stage(on=on)
        journal.post_staged(by=by, at=at, subject=f"remittance:{remittance.id}")
        _mark_posted(plan.versions(providers))


def _stage_received(remittance: Remittance, outside_id: int, funds_id: int, *, on: date) -> None:
    """The money comes in: the first entry of the remittance."""
    (entry_id,) = staging.allot_ids(1)
    key = f"remittance:{remittance.id}"
    entry = {"ordinal": 0, "entry_id": entry_id, "key": key, "kind": "remittance", "effective_on": on}
    transfer = {
        "entry_id": entry_id,
        "seq": 0,
        "source_id": outside_id,
        "target_id": funds_id,
        "unit": Unit.USD,
        "amount": remittance.total_cents,
    }
    staging.add([entry], [transfer])


def _parts(amounts: Sequence[Amount], plan: Plan, shared: Mapping[Line, int]) -> Iterator[tuple[Any, ...]]:
    """Rows of ``part``: each different amount divided once."""
    for package_id, provider_id, cents in amounts:
        for seq, code, part_cents in plan.parts(package_id, cents):
            line = plan.shared_line(provider_id, code)
            component, target_id = (code, None) if line is None else (None, shared[line])
            yield package_id, cents, seq, component, target_id, part_cents


def _rates(plan: Plan) -> list[tuple[Any, ...]]:
    """Rows of ``rate``: which leave each kind of work earns; it comes after the money in an entry."""
    columns = batch.c.package_id, batch.c.policy_version_id, batch.c.place
    works = [Work(*row) for row in db.session.execute(select(*columns).where(batch.c.minutes > 0).distinct())]
    return [
        (*work, plan.shares(work.package_id) + place, component, rate.denominator, rate.numerator)
        for work in works
        for place, (component, rate) in enumerate(plan.rates(work))
    ]


def _pieces(remittance_id: int, size: int) -> list[tuple[int, int]]:
    """Ranges of benefit accounts (both ends included) with about ``size`` contributions each, ascending."""
    c = Contribution
    place = func.row_number().over(order_by=c.benefit_account_id)
    numbered = select(c.benefit_account_id, place.label("place")).where(c.remittance_id == remittance_id).subquery()
    last = select(func.max(numbered.c.benefit_account_id)).group_by((numbered.c.place - 1) // size)
    ends = sorted(set(db.session.execute(last).scalars()))
    return list(zip([0, *(end + 1 for end in ends)], ends, strict=False))


def _pick(remittance_id: int, accounts: tuple[int, int], *, ordinal: int) -> None:
    """Put the contributions for a range of accounts into the batch.

    Those that cost something get numbers of entries, the first being the ``ordinal``-th of this transaction.
    """
    staging.empty(batch, package, part, rate, own)
    c, m = Contribution, Membership
    cents = c.owed_cents + c.extra_cents + c.late_cents
    order = (case((cents == 0, 1), else_=0), c.benefit_account_id, c.id)
    number = staging.next_id(func.row_number().over(order_by=order) + (ordinal - 1))
    rows = (
        select(
            c.id,
            c.benefit_account_id,
            m.provider_id,
            func.coalesce(m.package_id, WITH_NOBODY),
            cents,
            c.policy_version_id,
            c.place,
            case((c.rule == "", 0), else_=c.minutes),
            case((cents > 0, number)),
        )
        .join(m, and_(m.benefit_account_id == c.benefit_account_id, m.ends_at.is_(None)))
        .where(c.remittance_id == remittance_id, c.benefit_account_id.between(*accounts))
        .order_by(*order)
    )
    db.session.execute(insert(batch).from_select(_names(batch), rows))


def _amounts() -> Sequence[Amount]:
    """Every different amount, by package."""
    columns = batch.c.package_id, batch.c.provider_id, batch.c.amount_cents
    return [Amount(*row) for row in db.session.execute(select(*columns).distinct())]


def _divide(parts: Iterable[tuple[Any, ...]], *, funds_id: int) -> None:
    """Stage the transfers of money: shared lines' at once, those to workers' own lines beside."""
    insert_rows(part, _names(part), parts)
    b, p, a = batch, part, LedgerAccount
    is_part = and_(p.c.package_id == b.c.package_id, p.c.amount_cents == b.c.amount_cents)
    shared = select(b.c.entry_id, p.c.seq, literal(funds_id), p.c.target_id, literal(Unit.USD.value), p.c.cents)
    db.session.execute(
        insert(staging.transfer).from_select(
            ["entry_id", "seq", "source_id", "target_id", "unit", "amount"],
            shared.join(p, is_part).where(p.c.target_id.is_not(None)),
        )
    )
    is_line = and_(
        a.holder_id == b.c.account_id,
        a.organization_id == b.c.provider_id,
        a.component == p.c.component,
        a.unit == Unit.USD,
    )
    to_own = select(
        b.c.contribution_id, p.c.seq, b.c.entry_id, literal(funds_id), b.c.account_id, b.c.provider_id,
        p.c.component, literal(Unit.USD.value), p.c.cents, a.id,
    )  # fmt: skip
    to_own = to_own.select_from(b.join(p, is_part).outerjoin(a, is_line)).where(p.c.component.is_not(None))
    db.session.execute(insert(own).from_select(_names(own), to_own))


def _accrue(rates: Sequence[tuple[Any, ...]], *, accrual_id: int) -> None:
    """Count the work into the tallies of leave, and stage the whole minutes that each contribution earns."""
    if not rates:
        return
    insert_rows(rate, _names(rate), rates)
    b, r, t = batch, rate, core(LeaveTally)
    earns = and_(
        r.c.package_id == b.c.package_id,
        r.c.policy_version_id == b.c.policy_version_id,
        r.c.place == b.c.place,
        b.c.minutes > 0,
    )
    key = b.c.account_id, r.c.component, r.c.worked, r.c.earned
    counted = select(*key, func.sum(b.c.minutes).cast(BigInteger)).join(r, earns).group_by(*key).order_by(*key)
    names = ["benefit_account_id", "component", "worked", "earned"]
    adding: Any = (sqlite.insert if is_sqlite() else postgresql.insert)(t).from_select([*names, "minutes"], counted)
    # Added in the database: two remittances for one worker at the same moment count one after the other.
    total = {"minutes": t.c.minutes + adding.excluded.minutes}
    db.session.execute(adding.on_conflict_do_update(index_elements=names, set_=total))
    is_tally = and_(
        t.c.benefit_account_id == b.c.account_id,
        t.c.component == r.c.component,
        t.c.worked == r.c.worked,
        t.c.earned == r.c.earned,
    )
    # From the end: what the tally holds now, less this work and all that comes after it.
    since = func.sum(b.c.minutes).over(partition_by=key, order_by=b.c.contribution_id.desc()).cast(BigInteger)
    before = t.c.minutes - since
    work = (
        select(
            b.c.contribution_id, b.c.entry_id, b.c.account_id, b.c.provider_id, r.c.seq, r.c.component,
            ((before + b.c.minutes) * r.c.earned // r.c.worked - before * r.c.earned // r.c.worked).label("minutes"),
        )
        .select_from(b.join(r, earns).join(t, is_tally))
        .subquery("work")
    )  # fmt: skip
    a, w = LedgerAccount, work.c
    is_line = and_(
        a.holder_id == w.account_id,
        a.organization_id == w.provider_id,
        a.component == w.component,
        a.unit == Unit.MIN,
    )
    leave = select(
        w.contribution_id, w.seq, w.entry_id, literal(accrual_id), w.account_id, w.provider_id, w.component,
        literal(Unit.MIN.value), w.minutes, a.id,
    )  # fmt: skip
    leave = leave.select_from(work.outerjoin(a, is_line)).where(w.minutes > 0)
    db.session.execute(insert(own).from_select(_names(own), leave))


def _number_free_work(*, ordinal: int) -> None:
    """Give an entry to work that costs nothing and yet earned leave; ``ordinal`` as for ``pick``."""
    b = batch
    numbered = db.session.execute(select(func.count(b.c.entry_id))).scalar_one()
    earning = select(own.c.contribution_id).where(own.c.entry_id.is_(None)).distinct().subquery()
    place = func.row_number().over(order_by=earning.c.contribution_id) + (ordinal - 1 + numbered)
    numbers = select(earning.c.contribution_id, staging.next_id(place).label("entry_id")).subquery()
    to_batch = update(b).where(b.c.contribution_id == numbers.c.contribution_id).values(entry_id=numbers.c.entry_id)
    to_own = update(own).where(own.c.entry_id.is_(None), own.c.contribution_id == b.c.contribution_id)
    db.session.execute(to_batch)
    db.session.execute(to_own.values(entry_id=b.c.entry_id))


def _open_own_lines() -> None:
    """Open the workers' lines that are missing."""
    o, a = own, LedgerAccount
    is_missing = o.c.target_id.is_(None)
    if db.session.execute(select(o.c.account_id).where(is_missing).limit(1)).first() is None:
        return
    line = o.c.provider_id.label("organization_id"), o.c.account_id.label("holder_id"), o.c.component, o.c.unit
    open_selected(select(*line).where(is_missing).distinct().order_by(o.c.account_id, o.c.component, o.c.unit))
    is_line = and_(
        a.holder_id == o.c.account_id,
        a.organization_id == o.c.provider_id,
        a.component == o.c.component,
        a.unit == o.c.unit,
        a.kind == AccountKind.WORKER,
    )
    db.session.execute(update(o).where(is_missing, is_line).values(target_id=a.id))


def _stage(*, on: date) -> None:
    """Put an entry for each contribution, and the transfers to workers' own lines, where the journal looks."""
    b, o = batch, own
    key = literal("contribution:") + cast(b.c.contribution_id, String)
    entries = select(b.c.contribution_id, b.c.entry_id, key, literal("contribution"), literal(on, Date))
    db.session.execute(
        insert(staging.entry).from_select(
            ["ordinal", "entry_id", "key", "kind", "effective_on"], entries.where(b.c.entry_id.is_not(None))
        )
    )
    db.session.execute(
        insert(staging.transfer).from_select(
            ["entry_id", "seq", "source_id", "target_id", "unit", "amount"],
            select(o.c.entry_id, o.c.seq, o.c.source_id, o.c.target_id, o.c.unit, o.c.amount),
        )
    )


def _names(table: Table) -> list[str]:
    return [column.name for column in table.c]


def _mark_posted(versions: Iterable[tuple[int, int | None]]) -> None:
    """Write on each contribution where it went: provider, the package's version, entry."""
    insert_rows(package, ["package_id", "version_id"], versions)
    c, b, p = core(Contribution), batch, package
    db.session.execute(
        update(c)
        .where(c.c.id == b.c.contribution_id, p.c.package_id == b.c.package_id, b.c.entry_id.is_not(None))
        .values(provider_id=b.c.provider_id, package_version_id=p.c.version_id, entry_id=b.c.entry_id)
    )
