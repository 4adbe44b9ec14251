"""How does a cutover that nobody has confirmed become as if it had not been?

In the books nothing is taken out: for each worker one entry (``switch-back:<plan year>:<id>``) that
names the one it corrects and moves the same amounts the other way. Everything else stands as before:
the old membership has no end, the new one is gone, the switch is ordered, the election stands. Batch by
batch, each in one transaction; stopped anywhere and run again, it goes on with what is left.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Select,
    String,
    Subquery,
    Text,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
    union,
    update,
)

from enrollment import cutover
from enrollment.corrections import Correction
from enrollment.models import (
    Contribution,
    Election,
    ElectionState,
    EnrollmentWindow,
    LeaveRequest,
    MemberRight,
    Membership,
    Switch,
    SwitchState,
)
from exchange import audit, clock, settlement
from exchange.database import Instant, core, db, is_sqlite
from exchange.identity.actors import Actor
from exchange.ledger import journal, staging
from exchange.ledger.accounts import LedgerAccount
from exchange.ledger.journal import LedgerEntry, LedgerTransfer
from exchange.settlement import Gross

BATCH = 5_000  # workers in one transaction, at most
_LET_PASS_US = clock.LET_PASS // timedelta(microseconds=1)

_back = staging.temporary(
    "batch_back",
    Column("switch_id", BigInteger, primary_key=True, autoincrement=False),
    Column("benefit_account_id", BigInteger, nullable=False),
    Column("carried_out_at", Instant, nullable=False),
    Column("to_package_id", BigInteger, nullable=False),
    Column("effective_at", Instant, nullable=False),
    Column("election_id", BigInteger),
    Column("plan_year", Text, nullable=False),
    Column("rolled_back", BigInteger, nullable=False),
    Column("old_membership_id", BigInteger, nullable=False),
    Column("new_membership_id", BigInteger, nullable=False),
    # The entry that moved the balances, where there were any, and the one that moves them back.
    Column("entry_id", BigInteger),
    Column("back_id", BigInteger),
)


def count(window_id: int) -> int:
    """How many of the window's switches are carried out."""
    return int(db.session.execute(select(func.count()).select_from(_carried_out(window_id).subquery())).scalar_one())


def _carried_out(window_id: int) -> Select[*tuple[Any, ...]]:
    s = Switch
    known = select(s.benefit_account_id, s.entry_id, s.carried_out_at, s.to_package_id, s.effective_at)
    return known.where(s.window_id == window_id, s.state == SwitchState.CARRIED_OUT)


def acted_since(window_id: int) -> int:
    """For how many of the window's workers something was done since: posted, switched again, or chosen."""
    everybody = union(*_acted(_carried_out(window_id).subquery(), one_by_one=False)).subquery()
    return int(db.session.execute(select(func.count()).select_from(everybody)).scalar_one())


def _acted(theirs: Subquery, *, one_by_one: bool) -> list[Select[Any]]:
    """The accounts for which something was done since their switch; ``theirs`` as ``_carried_out`` gives it.

    ``one_by_one``: they are few, and are to be looked up one after the other. SQLite does not see it by itself.
    """
    t, a, e = LedgerTransfer, LedgerAccount, LedgerEntry
    young = true() if one_by_one else t.entry_id > select(func.min(theirs.c.entry_id)).scalar_subquery()
    holder, account = _known(theirs.c.benefit_account_id, one_by_one), _known(a.id, one_by_one)
    came = select(a.holder_id.label("account_id")).select_from(theirs)
    came = came.join(a, a.holder_id == holder).join(t, t.target_id == account)
    took = select(LeaveRequest.benefit_account_id.label("account_id")).select_from(theirs)
    took = took.join(LeaveRequest, LeaveRequest.benefit_account_id == holder)
    lost = select(Contribution.benefit_account_id.label("account_id")).select_from(theirs)
    lost = lost.join(Contribution, Contribution.benefit_account_id == holder)
    lost = lost.join(Correction, Correction.contribution_id == Contribution.id)
    lost = lost.where(Correction.state != literal_column("'refused'", Text))  # so that SQLite knows its index
    found: list[Select[Any]] = []
    for deed, entry_id in ((came, t.entry_id), (took, LeaveRequest.entry_id), (lost, Correction.entry_id)):
        after = deed.where(entry_id > theirs.c.entry_id)
        found.append(after.where(young) if deed is came else after)
        # A switch that moved nothing has no entry of its own, and may be older than every one that has.
        later = theirs.c.entry_id.is_(None) & _since(theirs)
        found.append(deed.join(e, e.id == _known(entry_id, one_by_one)).where(later))
    is_still = exists().where(
        Membership.benefit_account_id == theirs.c.benefit_account_id,
        Membership.ends_at.is_(None),
        Membership.package_id == theirs.c.to_package_id,
        Membership.starts_at >= theirs.c.effective_at,
    )
    found.append(select(theirs.c.benefit_account_id).where(~is_still))
    other = core(Switch).alias("other")
    # Written out: so both engines know the index of those that were not given up.
    ordered, given_up = literal_column("'ordered'", Text), literal_column("'abandoned'", Text)
    again = select(other.c.id).where(
        other.c.benefit_account_id == theirs.c.benefit_account_id,
        other.c.state != given_up,
        or_(other.c.state == ordered, other.c.carried_out_at > theirs.c.carried_out_at),
    )
    choice = select(Election.id).where(
        Election.benefit_account_id == theirs.c.benefit_account_id, Election.state == ElectionState.STANDING
    )
    # Looked up for each, whatever the database believes of how many there are: those rolled back by now have both, and
    # it has counted when nobody had. A join would read all switches once for each of them.
    each = [one.limit(1).scalar_subquery() for one in (again, choice)]
    return [*found, *(select(theirs.c.benefit_account_id).where(one.is_not(None)) for one in each)]


def _since(theirs: Subquery) -> ColumnElement[bool]:
    """Whether an entry was posted since the switch by the clock, or so shortly before that it may have gone back."""
    return cast(LedgerEntry.posted_at, BigInteger) >= cast(theirs.c.carried_out_at, BigInteger) - _LET_PASS_US


def _known(column: Any, one_by_one: bool) -> ColumnElement[Any]:
    """A column that is read before the one that it is compared with: a sum has no index to begin with instead."""
    known: ColumnElement[Any] = column + 0 if one_by_one else column
    return known


class Rolled(NamedTuple):
    """A batch: how many were rolled back (zero: nobody else is left), and the last switch that was looked at."""

    workers: int
    last_id: int


def roll_back(window: EnrollmentWindow, *, after: int = 0, by: Actor, at: datetime, limit: int = BATCH) -> Rolled:
    """Roll back up to ``limit`` carried-out switches of the window; all of them, or none on any error.

    A worker for whom something was done after the rolling back was asked for keeps his new membership: what came
    there since is his, and would stay behind. ``after``: the ``last_id`` of the batch before, so that a batch need not
    pass over all that are rolled back by now.
    """
    staging.empty(_back)
    staging.plan_by_index()
    last, picked = after, 0
    while not picked:
        _pick(window.id, limit, after=last)
        last = db.session.execute(select(func.max(_back.c.switch_id))).scalar_one_or_none() or 0
        if not last:
            return Rolled(0, after)
        _leave_out_who_acted()
        picked = int(db.session.execute(select(func.count()).select_from(_back)).scalar_one())
    _post_back(by=by, at=at)
    _restore()
    first = db.session.execute(select(func.min(_back.c.switch_id))).scalar_one()
    audit.record("switch.rolled_back", f"switches:{first}", by=by, at=at, facts=f"switches={picked}")
    return Rolled(picked, last)


def _pick(window_id: int, limit: int, *, after: int) -> None:
    s = Switch
    old, new = core(Membership).alias("old"), core(Membership).alias("new")
    ids = (
        select(s.id)
        .where(s.window_id == window_id, s.state == SwitchState.CARRIED_OUT, s.id > after)
        .order_by(s.id)
        .limit(limit)
        .with_for_update(of=s)
    ).cte("picked")
    rows = (
        select(
            s.id, s.benefit_account_id, s.carried_out_at, s.to_package_id, s.effective_at, s.election_id, s.plan_year,
            s.rolled_back, old.c.id, new.c.id, s.entry_id,
        )
        .join(ids, ids.c.id == s.id)
        .join(new, (new.c.benefit_account_id == s.benefit_account_id) & new.c.ends_at.is_(None))
        .join(old, (old.c.benefit_account_id == s.benefit_account_id) & (old.c.ends_at == new.c.starts_at))
    )  # fmt: skip
    names = ["switch_id", "benefit_account_id", "carried_out_at", "to_package_id", "effective_at", "election_id"]
    names += ["plan_year", "rolled_back", "old_membership_id", "new_membership_id", "entry_id"]
    db.session.execute(insert(_back).from_select(names, rows))


def _leave_out_who_acted() -> None:
    """Wait for whoever posts for the picked workers just now, keep others from it, and look what was done."""
    new = select(_back.c.new_membership_id)
    held = select(Membership.id).where(Membership.id.in_(new)).order_by(Membership.id)
    db.session.execute(held if is_sqlite() else held.with_for_update()).all()
    c, e, b = Contribution, LedgerEntry, _back.c
    one_by_one = is_sqlite()
    of = select(b.benefit_account_id, b.entry_id, b.carried_out_at, b.to_package_id, b.effective_at).subquery()
    # What went to pools alone stands on no line of his.
    later = or_(e.id > of.c.entry_id, of.c.entry_id.is_(None) & _since(of))
    paid = select(c.benefit_account_id).join(of, c.benefit_account_id == _known(of.c.benefit_account_id, one_by_one))
    paid = paid.join(e, e.id == _known(c.entry_id, one_by_one)).where(later)
    acted = union(*_acted(of, one_by_one=one_by_one), paid).subquery()
    db.session.execute(delete(_back).where(b.benefit_account_id.in_(select(acted.c.account_id))))


def _post_back(*, by: Actor, at: datetime) -> None:
    """Post for each switch that moved something the same amounts the other way."""
    staging.clear()
    moving = select(_back.c.switch_id).where(_back.c.entry_id.is_not(None)).subquery()
    ordinal = func.row_number().over(order_by=moving.c.switch_id)
    numbered = select(moving.c.switch_id, staging.next_id(ordinal).label("back_id")).subquery()
    db.session.execute(
        update(_back).where(_back.c.switch_id == numbered.c.switch_id).values(back_id=numbered.c.back_id)
    )
    key = literal("switch-back:") + _back.c.plan_year + literal(":") + cast(_back.c.switch_id, String)
    e, t = LedgerEntry, LedgerTransfer
    db.session.execute(
        insert(staging.entry).from_select(
            ["ordinal", "entry_id", "key", "kind", "effective_on", "corrects_id"],
            select(
                _back.c.switch_id,
                _back.c.back_id,
                key + literal(":") + cast(_back.c.rolled_back + 1, String),
                literal("switch-back"),
                e.effective_on,
                e.id,
            ).join(e, e.id == _back.c.entry_id),
        )
    )
    db.session.execute(
        insert(staging.transfer).from_select(
            ["entry_id", "seq", "source_id", "target_id", "unit", "amount"],
            select(_back.c.back_id, t.seq, t.target_id, t.source_id, t.unit, t.amount).join(
                t, t.entry_id == _back.c.entry_id
            ),
        )
    )
    first = db.session.execute(select(func.min(_back.c.switch_id))).scalar_one()
    journal.post_staged(by=by, at=at, subject=f"switches-back:{first}")


def _restore() -> None:
    """Memberships, rights, elections and switches as they were before."""
    quiet = {"synchronize_session": False}
    new = select(_back.c.new_membership_id)
    db.session.execute(delete(MemberRight).where(MemberRight.membership_id.in_(new)).execution_options(**quiet))
    db.session.execute(delete(Membership).where(Membership.id.in_(new)).execution_options(**quiet))
    for statement in (
        update(Membership).where(Membership.id.in_(select(_back.c.old_membership_id))).values(ends_at=None),
        update(Election)
        # Of the batch's choices, not of all that are carried out: of these PostgreSQL may believe that there are none,
        # having counted before the cutover, and would look through the batch for each of them.
        .where(
            Election.id.in_(select(_back.c.election_id)),
            func.coalesce(Election.state, "") == ElectionState.CARRIED_OUT,
        )
        .values(state=ElectionState.STANDING),
        update(Switch)
        .where(Switch.id.in_(select(_back.c.switch_id)))
        .values(state=SwitchState.ORDERED, carried_out_at=None, entry_id=None, rolled_back=Switch.rolled_back + 1),
    ):
        db.session.execute(statement.execution_options(**quiet))


def finish(window: EnrollmentWindow, *, by: Actor, at: datetime) -> None:
    """Once nothing is left: net back what was netted. The cutover then waits, paused, to be resumed.

    Those who stay (see ``roll_back``) are netted with all the others when it has been.
    """
    assert window.effective_at is not None, "an open enrollment has an effective instant"
    reference = cutover.reference_of(window)
    batch_id = settlement.id_of(reference)
    if batch_id is not None:
        owed = [
            Gross(pair.payee_id, pair.payer_id, pair.component, pair.amount_cents, pair.workers)
            for pair in settlement.pairs_of(batch_id)
        ]
        settlement.settle(f"{reference}:back", obligations=owed, effective_at=window.effective_at, by=by, at=at)
    window.rolled_back += 1
    window.rolling_back_since = None
    facts = f"stay={count(window.id)}"
    audit.record("cutover.rolled_back", f"window:{window.id}", by=by, at=at, facts=facts)
