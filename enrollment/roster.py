"""Who is with a provider, what does it owe each of them, and what do they ask of it?

A provider needs its members' names and what it owes them; their account numbers it sees masked, for
whoever has the number can report work under it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, func, select

from enrollment import leave
from enrollment.leave import Leave
from enrollment.models import BenefitAccount, LeaveRequest, Membership, Worker
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.money import Unit
from exchange.policy.document import Policy
from providers.models import Package


@dataclass(frozen=True, slots=True)
class Totals:
    """A provider's members, and what it owes them together: cents and minutes of leave."""

    members: int
    cents: int
    minutes: int


@dataclass(frozen=True, slots=True)
class RequestShown:
    """A request for leave as whoever answers it reads it; ``cents`` is what it is worth now, None when it is gone."""

    id: int
    worker: str
    leave: str
    minutes: int
    first_day: date
    last_day: date
    asked_at: datetime
    due_on: date
    balance_minutes: int
    cents: int | None
    refusal_to_answer: Refusal | None
    refusal_to_approve: Refusal | None


_owed = (
    select(
        LedgerAccount.holder_id,
        LedgerAccount.organization_id,
        func.sum(LedgerBalance.amount).filter(LedgerAccount.unit == Unit.USD).cast(BigInteger).label("cents"),
        func.sum(LedgerBalance.amount).filter(LedgerAccount.unit == Unit.MIN).cast(BigInteger).label("minutes"),
    )
    .join(LedgerBalance, LedgerBalance.account_id == LedgerAccount.id)
    .where(LedgerAccount.kind == AccountKind.WORKER)
    .group_by(LedgerAccount.holder_id, LedgerAccount.organization_id)
)


def members_of(provider_id: int, wanted: str) -> Select[*tuple[Any, ...]]:
    """A SELECT of the members (name, number, package, since, cents, minutes) whose name has ``wanted`` in it."""
    owed = _owed.where(LedgerAccount.organization_id == provider_id).subquery("owed")
    rows = (
        select(
            Worker.legal_name.label("name"),
            BenefitAccount.number,
            Package.name.label("package"),
            Membership.starts_at.label("since"),
            func.coalesce(owed.c.cents, 0).label("cents"),
            func.coalesce(owed.c.minutes, 0).label("minutes"),
        )
        .select_from(Membership)
        .join(BenefitAccount, BenefitAccount.id == Membership.benefit_account_id)
        .join(Worker, Worker.id == BenefitAccount.worker_id)
        .join(Package, Package.id == Membership.package_id)
        .outerjoin(owed, owed.c.holder_id == BenefitAccount.id)
        .where(Membership.provider_id == provider_id, Membership.ends_at.is_(None))
    )
    return rows.where(Worker.legal_name.icontains(wanted, autoescape=True)) if wanted else rows


def sortable() -> Mapping[str, ColumnElement[Any]]:
    """The columns that the roster can be ordered by."""
    return {
        "name": func.lower(Worker.legal_name),
        "package": Package.name.expression,
        "since": Membership.starts_at.expression,
    }


def key() -> ColumnElement[Any]:
    """What settles ties in that order."""
    return BenefitAccount.id.expression


def totals_of(provider_id: int) -> Totals:
    """How many members, and what all of them are owed."""
    members = db.session.execute(
        select(func.count()).where(Membership.provider_id == provider_id, Membership.ends_at.is_(None))
    ).scalar_one()
    a, b = LedgerAccount, LedgerBalance
    rows = (
        select(a.unit, func.sum(b.amount).cast(BigInteger))
        .join(b, b.account_id == a.id)
        .where(a.kind == AccountKind.WORKER, a.organization_id == provider_id)
        .group_by(a.unit)
    )
    amounts = {unit: int(amount) for unit, amount in db.session.execute(rows)}
    return Totals(members, amounts.get(Unit.USD, 0), amounts.get(Unit.MIN, 0))


def requests_shown(requests: Sequence[LeaveRequest], *, policy: Policy, by: Actor) -> list[RequestShown]:
    """These requests with names and what they are worth now, in their order."""
    rows = (
        select(BenefitAccount.id, Worker.legal_name)
        .join(Worker, Worker.id == BenefitAccount.worker_id)
        .where(BenefitAccount.id.in_([one.benefit_account_id for one in requests]))
    )
    names = {id_: name for id_, name in db.session.execute(rows)}  # noqa: C416 - a Row is no pair to mypy
    there = leave.leave_of_many(list(names))
    return [
        _shown(
            one,
            names[one.benefit_account_id],
            leave.held_for(one, there[one.benefit_account_id], policy),
            policy=policy,
            by=by,
        )
        for one in requests
    ]


def _shown(one: LeaveRequest, worker: str, held: Leave | None, *, policy: Policy, by: Actor) -> RequestShown:
    suffices = held is not None and held.minutes >= one.minutes
    return RequestShown(
        id=one.id,
        worker=worker,
        leave=policy.component(held.component if held else one.component).name,
        minutes=one.minutes,
        first_day=one.first_day,
        last_day=one.last_day,
        asked_at=one.asked_at,
        due_on=leave.due_on(one, policy),
        balance_minutes=held.minutes if held else 0,
        cents=leave.cash_value(held, one.minutes) if held is not None and suffices else None,
        refusal_to_answer=leave.refusal_to_answer(one, held, by=by),
        refusal_to_approve=leave.refusal_to_approve(one, held, by=by),
    )
