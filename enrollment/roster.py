"""Who is with a provider, what does it owe each of them, and what do they ask of it?

A provider needs its members' names and what it owes them; their account numbers it sees masked, for
whoever has the number can report work under it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, func, select

from enrollment import leave
from enrollment.leave import Leave
from enrollment.models import BenefitAccount, LeaveRequest, Membership, Worker
from exchange import bulk
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.ledger import totals
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.money import Unit
from exchange.policy.document import Policy
from providers.models import Package

AT_ONCE: Final = 1_000


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


@dataclass(frozen=True, slots=True)
class Member:
    """A member and what the provider owes him: cents, and minutes of leave."""

    name: str
    number: str
    package: str
    since: datetime
    cents: int
    minutes: int


def members_of(provider_id: int, *, wanted: str = "", by: str = "") -> Select[int]:
    """A SELECT of the members' benefit accounts (``account_id``) whose name has ``wanted`` in it.

    ``by``: the column of ``sortable`` that it will be ordered by. Nothing else is joined: names are read for those
    who are shown, by ``shown``, and not for all among whom they are chosen.
    """
    rows = select(Membership.benefit_account_id.label("account_id")).where(_is_member(provider_id))
    if wanted or by == "name":
        rows = rows.join(BenefitAccount, BenefitAccount.id == Membership.benefit_account_id)
        rows = rows.join(Worker, Worker.id == BenefitAccount.worker_id)
    if by == "package":
        rows = rows.join(Package, Package.id == Membership.package_id)
    return rows.where(Worker.legal_name.icontains(wanted, autoescape=True)) if wanted else rows


def counted(provider_id: int) -> Select[int]:
    """A SELECT of as many rows as there are members, which an index answers."""
    return select(Membership.provider_id).where(_is_member(provider_id))


def shown(provider_id: int, account_ids: Sequence[int]) -> list[Member]:
    """These members, in this order, with what the provider owes each: two statements however many."""
    a, b = LedgerAccount, LedgerBalance
    owed = (
        select(a.holder_id, a.unit, func.sum(b.amount).cast(BigInteger))
        .join(b, b.account_id == a.id)
        .where(a.kind == AccountKind.WORKER, a.organization_id == provider_id, bulk.among(a.holder_id, account_ids))
        .group_by(a.holder_id, a.unit)
    )
    amounts = {(holder, unit): int(amount) for holder, unit, amount in db.session.execute(owed)}
    rows = (
        select(
            BenefitAccount.id, Worker.legal_name, BenefitAccount.number, Package.name.label("package"),
            Membership.starts_at,
        )
        .join(Worker, Worker.id == BenefitAccount.worker_id)
        .join(Membership, Membership.benefit_account_id == BenefitAccount.id)
        .join(Package, Package.id == Membership.package_id)
        .where(_is_member(provider_id), bulk.among(BenefitAccount.id, account_ids))
    )  # fmt: skip
    found = {
        row.id: Member(
            row.legal_name,
            row.number,
            row.package,
            row.starts_at,
            amounts.get((row.id, Unit.USD), 0),
            amounts.get((row.id, Unit.MIN), 0),
        )
        for row in db.session.execute(rows)
    }
    return [found[id_] for id_ in account_ids if id_ in found]


def ids_of_everybody(provider_id: int) -> Sequence[int]:
    """The benefit accounts of all members, for a file."""
    return db.session.execute(members_of(provider_id).order_by(key())).scalars().all()


def everybody(provider_id: int, account_ids: Sequence[int], *, at_once: int = AT_ONCE) -> Iterator[Member]:
    """Them for the file: a piece at a time, each in a transaction of its own that is over when read."""
    for start in range(0, len(account_ids), at_once):
        piece = shown(provider_id, account_ids[start : start + at_once])
        db.session.rollback()
        yield from piece


def _is_member(provider_id: int) -> ColumnElement[bool]:
    return (Membership.provider_id == provider_id) & Membership.ends_at.is_(None)


def sortable() -> Mapping[str, ColumnElement[Any]]:
    """The columns that the roster can be ordered by."""
    return {
        "name": func.lower(Worker.legal_name),
        "package": Package.name.expression,
        "since": Membership.starts_at.expression,
    }


def key() -> ColumnElement[Any]:
    """What settles ties in that order."""
    return Membership.benefit_account_id.expression


def totals_of(provider_id: int) -> Totals:
    """How many members, and what all of them are owed."""
    members = db.session.execute(select(func.count()).where(_is_member(provider_id))).scalar_one()
    total = totals.current().c
    rows = (
        select(total.unit, func.sum(total.amount).cast(BigInteger))
        .where(total.kind == AccountKind.WORKER, total.organization_id == provider_id)
        .group_by(total.unit)
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
    code = held.component if held else one.component
    component = leave.kind_of(code, policy)
    return RequestShown(
        id=one.id,
        worker=worker,
        leave=component.name if component is not None else code,
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
