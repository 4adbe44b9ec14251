"""How does a paid remittance get into the books, and to whom?

The money comes in as one entry: from the world to the employer's funds. From there each contribution
is one entry of its own: divided by the package that the worker has *now*, to the last cent, into his
individual components, the provider's pools and its fee, together with the leave that the work earned.
Work of long ago goes to today's provider; the money of a worker who has chosen nobody is held by the
exchange, divided as the policy says. Interest and penalty are divided like the contribution itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, case, func, select

from enrollment import posting_entries
from enrollment.models import Contribution, Remittance, RemittanceState
from enrollment.posting_plan import Plan
from exchange import audit
from exchange.bulk import uncollected
from exchange.clock import local_date
from exchange.database import db
from exchange.identity.actors import Actor
from exchange.ledger import balances, invariants
from exchange.ledger.accounts import AccountKind, LedgerAccount
from exchange.ledger.journal import LedgerTransfer
from exchange.money import Unit
from exchange.policy import versions

PIECE = 5_000
"""Contributions that are posted at a time: so many stand in memory."""


def post(remittance: Remittance, *, by: Actor, at: datetime, piece: int = PIECE) -> None:
    """Post a remittance whose money has come in, or that costs nothing; it becomes paid.

    The caller holds its row. What comes of it is the same whatever the size of a ``piece``.
    """
    assert remittance.state is RemittanceState.REPORTED, "a remittance is posted once"
    db.session.flush()
    law = versions.timeline()
    today = local_date(at, law.policies[-1].zone)
    with uncollected():
        posting_entries.post(remittance, Plan(law, today), piece=piece, on=today, by=by, at=at)
    remittance.state, remittance.paid_at = RemittanceState.PAID, at
    audit.record(
        "remittance.paid", f"remittance:{remittance.id}", by=by, at=at, facts=f"cents={remittance.total_cents}"
    )
    db.session.flush()


# --- rules that always hold -----------------------------------------------------------------------


@invariants.rule(13, _l("what an employer paid for a worker stands in the books, to the cent"))
def _contributions_are_posted() -> Iterator[str]:
    c, r, t = Contribution, Remittance, LedgerTransfer
    in_books = (
        select(t.entry_id, func.sum(t.amount).cast(BigInteger).label("cents"))
        .join(c, c.entry_id == t.entry_id)
        .where(t.unit == Unit.USD)
        .group_by(t.entry_id)
        .subquery()
    )
    paid = c.owed_cents + c.extra_cents + c.late_cents
    expected = case((r.state == RemittanceState.PAID, paid), else_=0)
    rows = (
        select(c.id, expected, func.coalesce(in_books.c.cents, 0))
        .join(r, r.id == c.remittance_id)
        .outerjoin(in_books, in_books.c.entry_id == c.entry_id)
        .where(func.coalesce(in_books.c.cents, 0) != expected)
        .limit(invariants.FIRST)
    )
    for id_, cents, booked in db.session.execute(rows):
        yield f"contribution {id_} is of {cents} cents, its entry of {booked}"


@invariants.rule(14, _l("an employer's funds are what was taken back from workers, and nothing else"))
def _funds_are_allotted() -> Iterator[str]:
    c = Contribution
    returned = (
        select(c.employer_id, func.sum(c.owed_cents + c.extra_cents + c.late_cents).cast(BigInteger).label("cents"))
        .where(c.reversed_by_id.is_not(None))
        .group_by(c.employer_id)
        .subquery()
    )
    balance = balances.current()
    rows = (
        select(LedgerAccount.organization_id, balance.c.amount, func.coalesce(returned.c.cents, 0))
        .join(balance, balance.c.account_id == LedgerAccount.id)
        .outerjoin(returned, returned.c.employer_id == LedgerAccount.organization_id)
        .where(LedgerAccount.kind == AccountKind.FUNDS, balance.c.amount != func.coalesce(returned.c.cents, 0))
        .limit(invariants.FIRST)
    )
    for employer_id, cents, expected in db.session.execute(rows):
        yield f"employer {employer_id} has {cents} cents of funds, {expected} were taken back"
