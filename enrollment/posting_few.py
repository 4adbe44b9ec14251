"""How do a few contributions get into the books, when to stage them would cost more than to post them?

They come to Python with their workers' whereabouts, become postings like any others, and go back with the
numbers of their entries. What is posted is the same, to the cent and in the same order, as ``posting_sets``
posts: both ask the same plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import select, update

from enrollment import accrual, memberships
from enrollment.memberships import Current
from enrollment.models import Contribution, Remittance
from enrollment.posting_plan import WITH_NOBODY, Plan, Work
from exchange.database import db
from exchange.identity.actors import Actor
from exchange.ledger import journal
from exchange.ledger.accounts import AccountKind, Line, open_lines
from exchange.ledger.journal import Posting, Transfer
from exchange.money import Unit


class Posted(NamedTuple):
    """A contribution as it is posted."""

    id: int
    account_id: int
    place: str
    minutes: int
    rule: str
    policy_version_id: int
    amount_cents: int


class _Move(NamedTuple):
    """One transfer of an entry, between lines that may not be open yet."""

    source: Line
    target: Line
    amount: int


def read(remittance_id: int, *, at_most: int) -> list[Posted] | None:
    """The contributions of a remittance; None where there are more than ``at_most``."""
    c = Contribution
    rows = (
        select(
            c.id, c.benefit_account_id, c.place, c.minutes, c.rule, c.policy_version_id,
            c.owed_cents + c.extra_cents + c.late_cents,
        )
        .where(c.remittance_id == remittance_id)
        .limit(at_most + 1)
    )  # fmt: skip
    found = [Posted(*row) for row in db.session.execute(rows)]
    # By account: tallies and balances are locked in one order by whoever posts.
    return sorted(found, key=lambda one: (one.account_id, one.id)) if len(found) <= at_most else None


def post(
    remittance: Remittance, contributions: Sequence[Posted], plan: Plan, *, on: date, by: Actor, at: datetime
) -> None:
    """Put the remittance and its contributions into the books, in the caller's transaction."""
    where = memberships.current_for_posting([one.account_id for one in contributions])
    plan.learn({current.package_id for current in where.values() if current.package_id is not None})
    funds = Line(AccountKind.FUNDS, remittance.employer_id, Unit.USD)
    entries: dict[str, Sequence[_Move]] = {}
    if remittance.total_cents:
        outside = Line(AccountKind.OUTSIDE, plan.exchange_id, Unit.USD)
        entries[f"remittance:{remittance.id}"] = [_Move(outside, funds, remittance.total_cents)]
    leave = accrual.accrue([_work(one, where[one.account_id], plan) for one in contributions])
    for one in contributions:
        current = where[one.account_id]
        moves = [*_money(one, current, plan, funds), *_leave(one, current, plan, leave.get(one.id, ()))]
        if moves:
            entries[_key(one)] = moves
    ids = _posted(entries, on=on, by=by, at=at)
    marks = [
        {
            "id": one.id,
            "provider_id": where[one.account_id].provider_id,
            "package_version_id": plan.version(_package(where[one.account_id])),
            "entry_id": ids[_key(one)],
        }
        for one in contributions
        if _key(one) in ids
    ]
    if marks:
        db.session.execute(update(Contribution), marks)


def _key(one: Posted) -> str:
    return f"contribution:{one.id}"


def _package(current: Current) -> int:
    return WITH_NOBODY if current.package_id is None else current.package_id


def _work(one: Posted, current: Current, plan: Plan) -> accrual.Work:
    """What of it earns leave: nothing where no rule holds for the work."""
    earns = bool(one.rule and one.minutes)
    rates = plan.rates(Work(_package(current), one.policy_version_id, one.place)) if earns else ()
    return accrual.Work(one.id, one.account_id, one.minutes, rates)


def _money(one: Posted, current: Current, plan: Plan, funds: Line) -> Iterable[_Move]:
    for _, code, cents in plan.parts(_package(current), one.amount_cents):
        shared = plan.shared_line(current.provider_id, code)
        yield _Move(funds, shared or _own(one, current.provider_id, code, Unit.USD), cents)


def _leave(one: Posted, current: Current, plan: Plan, earned: Iterable[tuple[str, int]]) -> Iterable[_Move]:
    world = Line(AccountKind.ACCRUAL, plan.exchange_id, Unit.MIN)
    for component, minutes in earned:
        yield _Move(world, _own(one, current.provider_id, component, Unit.MIN), minutes)


def _own(one: Posted, provider_id: int, component: str, unit: Unit) -> Line:
    return Line(AccountKind.WORKER, provider_id, unit, component, one.account_id)


def _posted(entries: Mapping[str, Sequence[_Move]], *, on: date, by: Actor, at: datetime) -> dict[str, int]:
    """Post the entries; the id of each by its key."""
    lines = open_lines(line for moves in entries.values() for move in moves for line in (move.source, move.target))
    postings = [
        Posting(
            key,
            key.partition(":")[0],
            on,
            tuple(Transfer(lines[move.source], lines[move.target], move.source.unit, move.amount) for move in moves),
        )
        for key, moves in entries.items()
    ]
    return journal.post(postings, by=by, at=at)
