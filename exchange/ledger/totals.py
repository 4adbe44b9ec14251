"""What do the lines of an organization come to together, without looking at each of them?

Lines of a kind, component and unit have one total; what came into an organization's pools has one figure
for each effective day. Both are counted from the journal, once for each entry, by a job that follows the
postings at a little distance; who asks adds what is not counted yet. So posting writes nothing more than it
did, a question looks at some hundred rows however many workers there are, and the answer is that of the
books at this instant, whenever an entry takes effect and in whatever order entries are committed.

While the job is far behind (the first time, or when nothing has run it) the balances themselves are summed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    CompoundSelect,
    ForeignKey,
    Select,
    Subquery,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from exchange.bulk import among, insert_rows
from exchange.database import Base, Choice, core, db, insert_or_ignore, is_sqlite, is_writing, one_of, rows_of
from exchange.ledger import gaps, invariants, staging
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance, LedgerSharedBalance, LedgerSharedDelta
from exchange.ledger.gaps import Span
from exchange.ledger.journal import LedgerEntry, LedgerTransfer
from exchange.money import Unit

PIECE: Final = 10_000
"""Entries that are counted in one unit of work at most."""
FAR: Final = 100_000
"""Behind by so many entries it is quicker to sum the balances than to add what is not counted yet."""
OPEN_AT_MOST: Final = timedelta(days=1)
"""No transaction is open for so long: an entry that has not come by then was rolled back."""

_ALL: Final = 2**62


class LedgerTotal(Base):
    """What an organization's lines of a kind, component and unit come to, by the entries that are counted."""

    __tablename__ = "ledger_total"
    __table_args__ = (one_of("kind", AccountKind), one_of("unit", Unit))

    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True, autoincrement=False)
    kind: Mapped[AccountKind] = mapped_column(Choice(AccountKind), primary_key=True)
    component: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[Unit] = mapped_column(Choice(Unit), primary_key=True)
    amount: Mapped[int]


class LedgerPoolDay(Base):
    """What came into an organization's pools with effect on a day, corrections deducted, by the entries counted."""

    __tablename__ = "ledger_pool_day"

    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True, autoincrement=False)
    effective_on: Mapped[date] = mapped_column(primary_key=True)
    cents: Mapped[int]


class LedgerCounted(Base):
    """How far the count is: one row, held by whoever counts."""

    __tablename__ = "ledger_counted"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1, autoincrement=False)
    highest_entry_id: Mapped[int]


class LedgerCountGap(Base):
    """Entry ids below the highest counted one that were not there: open then, or rolled back and never to come."""

    __tablename__ = "ledger_count_gap"
    __table_args__ = (CheckConstraint("first_id <= last_id", name="not_empty"),)

    first_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_id: Mapped[int]
    noted_at: Mapped[datetime]


_counting = staging.temporary("counting_entry", Column("entry_id", BigInteger, primary_key=True, autoincrement=False))

# --- counting -------------------------------------------------------------------------------------


def count(*, at: datetime, limit: int = PIECE) -> int:
    """Count entries that are committed and not counted, ``limit`` of them at most; returns how many."""
    state = _hold()
    staging.empty(_counting)
    staging.plan_by_index()
    found = _take_late(limit)
    new = _take_new(state, limit - found)
    _add_totals()
    _add_pool_days()
    if found:
        _fill_gaps(state)
    if new:
        _note_gaps(state, at)
    if found < limit:  # otherwise more may have come into gaps, however old these are
        db.session.execute(delete(LedgerCountGap).where(LedgerCountGap.noted_at < at - OPEN_AT_MOST))
    return found + new


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first entry that is not counted, and when it was posted."""

    entry_id: int
    posted_at: datetime


def oldest_uncounted() -> Waiting | None:
    """The entry that has waited longest; None where all are counted. A few looks into indexes."""
    e, rest = LedgerEntry, _rest()
    waits = e.id == min(rest.late) if rest.late else e.id > rest.highest
    row = db.session.execute(select(e.id, e.posted_at).where(waits).order_by(e.id).limit(1)).one_or_none()
    return None if row is None else Waiting(row.id, row.posted_at)


def _hold() -> LedgerCounted:
    db.session.execute(insert_or_ignore(LedgerCounted).rows(), [{"id": 1, "highest_entry_id": 0}])
    held = select(LedgerCounted).with_for_update().execution_options(populate_existing=True)
    return db.session.execute(held).scalar_one()


def _take_late(limit: int) -> int:
    ids = _late(limit)
    insert_rows(_counting, ["entry_id"], ((id_,) for id_ in ids))
    return len(ids)


def _take_new(state: LedgerCounted, limit: int) -> int:
    e = LedgerEntry
    ids = select(e.id).where(e.id > state.highest_entry_id).order_by(e.id).limit(limit)
    taking = insert(_counting).from_select(["entry_id"], ids)
    return rows_of(db.session.execute(taking.execution_options(preserve_rowcount=True)))


def _late(limit: int | None = None) -> list[int]:
    """The entries, ascending, that have come into gaps; the first of them if ``limit`` is given.

    Most gaps stay empty, and there may be very many: each is looked into by itself, at one place of the index. On
    SQLite one writes at a time, and what is not there when a later entry is will not come.
    """
    if is_sqlite():
        return []
    e, g = LedgerEntry, LedgerCountGap
    at_most = literal(_ALL if limit is None else limit, BigInteger)
    within = select(e.id).where(e.id.between(g.first_id, g.last_id)).order_by(e.id).limit(at_most).lateral("late")
    rows = select(within.c.id).select_from(g).join(within, true()).order_by(g.first_id, within.c.id).limit(at_most)
    return list(db.session.execute(rows).scalars())


def _add_totals() -> None:
    moved = _moves(select(_counting.c.entry_id)).subquery()
    a, net = LedgerAccount, func.sum(moved.c.amount).cast(BigInteger).label("amount")
    by_line = select(moved.c.account_id, net).group_by(moved.c.account_id).subquery()
    key = (a.organization_id, a.kind, a.component, a.unit)
    rows = select(*key, func.sum(by_line.c.amount).cast(BigInteger)).join(by_line, by_line.c.account_id == a.id)
    _add(LedgerTotal, ["organization_id", "kind", "component", "unit"], "amount", rows.where(true()).group_by(*key))


def _add_pool_days() -> None:
    moves = union_all(*_pool_moves(select(_counting.c.entry_id))).subquery()
    key = (moves.c.organization_id, moves.c.effective_on)
    rows = select(*key, func.sum(moves.c.cents).cast(BigInteger)).where(true()).group_by(*key)
    _add(LedgerPoolDay, ["organization_id", "effective_on"], "cents", rows)


def _add(table: type[Base], key: list[str], figure: str, rows: Select[*tuple[Any, ...]]) -> None:
    """Insert the rows, or add their figure to what is there."""
    written: Any = (sqlite.insert if is_sqlite() else postgresql.insert)(core(table)).from_select([*key, figure], rows)
    more = core(table).c[figure] + written.excluded[figure]
    db.session.execute(written.on_conflict_do_update(index_elements=key, set_={figure: more}))


def _note_gaps(state: LedgerCounted, at: datetime) -> None:
    """Remember the ids between those just counted that nobody has seen, and how far the count is."""
    c = _counting.c.entry_id
    new = list(db.session.execute(select(c).where(c > state.highest_entry_id).order_by(c)).scalars())
    _write_gaps((span, at) for span in gaps.between(state.highest_entry_id, new))
    state.highest_entry_id = new[-1]


def _fill_gaps(state: LedgerCounted) -> None:
    """Take the ids just counted out of the gaps that they stood in."""
    c, g = _counting.c.entry_id, LedgerCountGap
    late = list(db.session.execute(select(c).where(c <= state.highest_entry_id).order_by(c)).scalars())
    touched = select(g.first_id, g.last_id, g.noted_at).where(g.last_id >= late[0], g.first_id <= late[-1])
    found = [(Span(first, last), noted_at) for first, last, noted_at in db.session.execute(touched)]
    left = [(span, list(gaps.without(span, late)), noted_at) for span, noted_at in found]
    changed = [(span, spans, noted_at) for span, spans, noted_at in left if spans != [span]]
    db.session.execute(delete(g).where(among(g.first_id, [span.first for span, _, _ in changed])))
    _write_gaps((one, noted_at) for _, spans, noted_at in changed for one in spans)


def _write_gaps(spans: Iterable[tuple[Span, datetime]]) -> None:
    rows = [{"first_id": span.first, "last_id": span.last, "noted_at": at} for span, at in spans]
    if rows:
        db.session.execute(insert(core(LedgerCountGap)), rows)


# --- asking ---------------------------------------------------------------------------------------


def current() -> Subquery:
    """Every total at this instant: ``organization_id``, ``kind``, ``component``, ``unit``, ``amount``.

    In several rows for what is one; to be summed by whoever asks, in one statement with what it is held against.
    """
    if not is_near():
        return of_balances()
    t, a = LedgerTotal, LedgerAccount
    moved = _moves(_rest()).subquery()
    since = select(a.organization_id, a.kind, a.component, a.unit, moved.c.amount)
    kept = select(t.organization_id, t.kind, t.component, t.unit, t.amount)
    return union_all(kept, since.join(moved, moved.c.account_id == a.id)).subquery("total")


def of_balances() -> Subquery:
    """The same from the balance of each line: what the totals are held against."""
    a = LedgerAccount
    parts = (
        select(a.organization_id, a.kind, a.component, a.unit, held.amount).join(held, held.account_id == a.id)
        for held in (LedgerBalance, LedgerSharedBalance, LedgerSharedDelta)
    )
    return union_all(*parts).subquery("total")


def pool_days() -> Subquery:
    """What came into pools at this instant: ``organization_id``, ``effective_on``, ``cents``; to be summed likewise."""
    if not is_near():
        return of_journal()
    d = LedgerPoolDay
    kept = select(d.organization_id, d.effective_on, d.cents)
    return union_all(kept, *_pool_moves(_rest())).subquery("pool_day")


def of_journal() -> Subquery:
    """The same from every entry of the journal."""
    return union_all(*_pool_moves(None)).subquery("pool_day")


def is_near() -> bool:
    """Whether what is not counted yet is little enough to be added at each question."""
    newest = db.session.execute(select(func.max(LedgerEntry.id))).scalar_one() or 0
    return bool(newest - _highest() <= FAR)


def _highest() -> int:
    return db.session.execute(select(LedgerCounted.highest_entry_id)).scalar_one_or_none() or 0


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is not counted: entries above the highest counted one, and those that have come into gaps since."""

    highest: int
    late: Sequence[int]


def _rest() -> _Rest:
    """Asked apart, and named in the question itself: the planner then sees how little it is.

    Within a unit of work nobody counts until that is over. A page may be overtaken by the count between the two
    questions, and then miss or count twice, for that one time, an entry that has just come into a gap.
    """
    state = select(LedgerCounted.highest_entry_id)
    if is_writing():
        state = state.with_for_update(read=True)
    highest = db.session.execute(state).scalar_one_or_none() or 0
    return _Rest(highest, _late())


Entries: TypeAlias = "Select[int] | _Rest | None"


def _of(part: Select[*tuple[Any, ...]], entries: Entries) -> list[Select[*tuple[Any, ...]]]:
    """A SELECT from transfers for these entries only (None: for all)."""
    entry_id = LedgerTransfer.entry_id
    if entries is None:
        return [part]
    if not isinstance(entries, _Rest):
        return [part.where(entry_id.in_(entries))]
    # What the count has come to meanwhile is in the sums that the same statement reads.
    counted = func.coalesce(select(LedgerCounted.highest_entry_id).scalar_subquery(), 0)
    above = part.where(entry_id > entries.highest, entry_id > counted)
    return [above, *([part.where(among(entry_id, entries.late))] if entries.late else [])]


def _moves(entries: Entries) -> CompoundSelect[int, int]:
    """What these entries moved: ``account_id``, ``amount`` (negative: it went)."""
    t = LedgerTransfer
    came = select(t.target_id.label("account_id"), t.amount.label("amount"))
    went = select(t.source_id, -t.amount)
    return union_all(*(one for part in (came, went) for one in _of(part, entries)))


def _pool_moves(entries: Entries) -> list[Select[*tuple[Any, ...]]]:
    """What these entries brought into pools, and what corrections among them took back."""
    t, a, e = LedgerTransfer, LedgerAccount, LedgerEntry
    came = select(a.organization_id, e.effective_on, t.amount.label("cents")).join(t, t.target_id == a.id)
    went = select(a.organization_id, e.effective_on, -t.amount).join(t, t.source_id == a.id)
    pools = (a.kind == AccountKind.POOL) & (a.unit == Unit.USD)
    parts = (came, went.where(e.corrects_id.is_not(None)))
    return [one for part in parts for one in _of(part.join(e, e.id == t.entry_id).where(pools), entries)]


# --- what always holds ----------------------------------------------------------------------------


@invariants.rule(12, _l("sums that are kept are those of the balances and of the journal"))
def _sums_agree() -> Iterator[str]:
    if not is_near():
        return  # nobody reads them
    lines = ("organization_id", "kind", "component", "unit")
    for row in _persisting(lambda: _differing(current(), of_balances(), lines, "amount")):
        line = " ".join(str(row[place]) for place in range(len(lines)))
        yield f"{line}: kept as {row.kept}, the balances come to {row.found}"
    days = ("organization_id", "effective_on")
    for row in _persisting(lambda: _differing(pool_days(), of_journal(), days, "cents")):
        yield f"pools of {row[0]} on {row[1]}: kept as {row.kept} cents, the journal says {row.found}"


def _persisting(ask: Callable[[], Sequence[Any]]) -> list[Any]:
    """What differs by as much when it is asked again: what is not counted is named before it is added, and an entry
    that comes into a gap in between, or is counted then, would be missed, or taken twice, for once.
    """
    before = {(*row[:-2], row.kept - row.found) for row in ask()}
    return [row for row in ask() if (*row[:-2], row.kept - row.found) in before] if before else []


def _differing(kept: Subquery, found: Subquery, key: Sequence[str], figure: str) -> Sequence[Any]:
    """Rows of the key and both figures where these are not the same."""
    sides = union_all(
        select(*(kept.c[name] for name in key), kept.c[figure].label("kept"), literal(0).label("found")),
        select(*(found.c[name] for name in key), literal(0), found.c[figure]),
    ).subquery()
    columns = [sides.c[name] for name in key]
    sums = [func.sum(sides.c[side]).cast(BigInteger).label(side) for side in ("kept", "found")]
    rows = select(*columns, *sums).group_by(*columns).having(sums[0] != sums[1])
    return db.session.execute(rows.order_by(*columns).limit(invariants.FIRST)).all()
