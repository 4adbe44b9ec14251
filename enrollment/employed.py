"""For whom has an employer reported work, and what has it paid for each of them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Select, SQLColumnExpression, func, select

from enrollment.models import BenefitAccount, Contribution, Employment
from exchange import bulk
from exchange.database import db


@dataclass(frozen=True, slots=True)
class Employed:
    """A worker as the employer sees him: his number, the days between which he worked, lines and cents paid for him."""

    number: str
    first_worked_on: date
    last_worked_on: date
    lines: int
    cents: int


def workers_of(employer_id: int, *, by: str = "") -> Select[int]:
    """A SELECT of the benefit accounts (``account_id``) that an employer has reported work for.

    ``by``: the column of ``sortable`` that it will be ordered by. All else ``shown`` reads for those who are shown.
    """
    rows = select(Employment.benefit_account_id.label("account_id")).where(Employment.employer_id == employer_id)
    if by == "number":
        rows = rows.join(BenefitAccount, BenefitAccount.id == Employment.benefit_account_id)
    return rows


def counted(employer_id: int) -> Select[int]:
    """A SELECT of as many rows, which an index answers."""
    return select(Employment.employer_id).where(Employment.employer_id == employer_id)


def sortable(employer_id: int) -> Mapping[str, SQLColumnExpression[Any]]:
    """The columns that the workers can be ordered by."""
    paid = select(_cents()).where(
        *_stands(employer_id), Contribution.benefit_account_id == Employment.benefit_account_id
    )
    return {
        "number": BenefitAccount.number,
        "first": Employment.first_worked_on,
        "last": Employment.last_worked_on,
        "paid": paid.scalar_subquery(),
    }


def key() -> SQLColumnExpression[Any]:
    """What settles ties in that order."""
    return Employment.benefit_account_id


def shown(employer_id: int, account_ids: Sequence[int]) -> list[Employed]:
    """These workers, in this order: two statements however many."""
    c, e = Contribution, Employment
    paid = (
        select(c.benefit_account_id, func.count(), _cents())
        .where(*_stands(employer_id), bulk.among(c.benefit_account_id, account_ids))
        .group_by(c.benefit_account_id)
    )
    amounts = {id_: (lines, int(cents)) for id_, lines, cents in db.session.execute(paid)}
    rows = (
        select(e.benefit_account_id, BenefitAccount.number, e.first_worked_on, e.last_worked_on)
        .join(BenefitAccount, BenefitAccount.id == e.benefit_account_id)
        .where(e.employer_id == employer_id, bulk.among(e.benefit_account_id, account_ids))
    )
    found = {
        row.benefit_account_id: Employed(
            row.number, row.first_worked_on, row.last_worked_on, *amounts.get(row.benefit_account_id, (0, 0))
        )
        for row in db.session.execute(rows)
    }
    return [found[id_] for id_ in account_ids]


def _stands(employer_id: int) -> tuple[Any, ...]:
    c = Contribution
    return (c.employer_id == employer_id, c.entry_id.is_not(None), c.reversed_by_id.is_(None))


def _cents() -> SQLColumnExpression[int]:
    c = Contribution
    return func.coalesce(func.sum(c.owed_cents + c.extra_cents + c.late_cents), 0).cast(BigInteger)
