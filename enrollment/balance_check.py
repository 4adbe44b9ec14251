"""What does a worker need to check himself that his balances are counted?

His proofs in the newest statements, his own key, and his lines as the books have them: now, and what
came and went since the journal had the size of which the statements speak. A verdict is not among it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, ColumnElement, CompoundSelect, Select, cast, func, or_, select, union_all

from enrollment import own_entries
from enrollment.liability_statements import provider_called
from enrollment.models import BenefitAccount
from exchange.database import core, db
from exchange.errors import NotFound
from exchange.ledger import statements
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.ledger.journal import LedgerTransfer
from exchange.ledger.seal_store import JournalSeal, LiabilityLeaf, LiabilityStatement
from exchange.money import Unit

_SETTLES: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Round:
    """The statements that were made together, of the journal at one size, and are sealed by now."""

    journal_size: int
    as_of: date
    made_at: datetime


@dataclass(frozen=True, slots=True)
class OwnLine:
    """One line of the worker's (cents or minutes): what stands there now, and what came and went since a round."""

    provider: str
    component: str
    unit: Unit
    now: int
    came: int
    went: int


def newest_round(at: datetime) -> Round | None:
    """The newest statements that are all made and sealed at ``at``; None before the first.

    A round may be made in several pieces: while its last one is younger than ``_SETTLES`` the round before it counts.
    """
    return settled((Round(*row) for row in db.session.execute(rounds())), at)


def rounds() -> Select[int, date, datetime]:
    """A SELECT of the two newest rounds, as far as all that was made of them is sealed: the columns of ``Round``."""
    s = LiabilityStatement
    whole = select(s.journal_size).where(s.cause != statements.FOR_FILINGS)
    newest = whole.distinct().order_by(s.journal_size.desc()).limit(2)
    return (
        select(s.journal_size, s.as_of, func.max(s.made_at).label("made_at"))
        .outerjoin(JournalSeal, JournalSeal.entry_id == s.entry_id)
        .where(s.journal_size.in_(newest))
        .group_by(s.journal_size, s.as_of)
        .having(func.count() == func.count(JournalSeal.position))
        .order_by(s.journal_size.desc())
    )


def settled(found: Iterable[Round], at: datetime) -> Round | None:
    """The newest of these rounds that nothing will be added to any more, else the newest; None of none."""
    newest_first = sorted(found, key=lambda one: (one.journal_size, one.as_of), reverse=True)
    return next((one for one in newest_first if one.made_at + _SETTLES <= at), next(iter(newest_first), None))


def lines_of(account_id: int, since: Round) -> Sequence[OwnLine]:
    """Every line of the account. One statement, so that all figures are of one instant."""
    la, lb = core(LedgerAccount).c, core(LedgerBalance).c
    moves = _moved(account_id, since).cte("moves")

    def moved(end: ColumnElement[int]) -> ColumnElement[int]:
        rows = select(cast(func.coalesce(func.sum(moves.c.amount), 0), BigInteger)).where(end == la.id)
        return rows.correlate(core(LedgerAccount)).scalar_subquery()

    lines = core(LedgerAccount).outerjoin(core(LedgerBalance), lb.account_id == la.id)
    rows = (
        select(
            la.organization_id, la.component, la.unit, func.coalesce(lb.amount, 0), moved(moves.c.target_id),
            moved(moves.c.source_id),
        )
        .select_from(lines)
        .where(la.holder_id == account_id, la.kind == AccountKind.WORKER)
        .order_by(la.component, la.unit.desc(), la.organization_id)
    )  # fmt: skip
    return [
        OwnLine(provider_called(organization_id), component, Unit(unit), now, came, went)
        for organization_id, component, unit, now, came, went in db.session.execute(rows)
    ]


def _moved(account_id: int, since: Round) -> CompoundSelect[*tuple[Any, ...]]:
    """What came to the account's lines and what left them since: ``source_id``, ``target_id``, ``amount``."""
    t, seal = core(LedgerTransfer), core(JournalSeal).c
    own = own_entries.lines(account_id)
    later = (
        select(t.c.source_id, t.c.target_id, t.c.amount)
        .outerjoin(core(JournalSeal), seal.entry_id == t.c.entry_id)
        .where(or_(seal.position.is_(None), seal.position >= since.journal_size))
    )
    came = later.where(t.c.target_id.in_(own))
    # What leaves his lines leads to none of them.
    gone = [later.where(t.c.entry_id.in_(entries)) for entries in own_entries.leaving(account_id)]
    return union_all(came, *gone)


def statements_in(account: BenefitAccount, one: Round) -> Sequence[LiabilityStatement]:
    """The statements of a round in which the account has a leaf."""
    s, f = LiabilityStatement, LiabilityLeaf
    rows = (
        select(s)
        .join(f, f.statement_id == s.id)
        .where(f.account_number == account.number, s.journal_size == one.journal_size)
        .order_by(s.component, s.unit.desc(), s.provider)
    )
    return list(db.session.execute(rows).scalars())


def statement_of(account: BenefitAccount, statement_id: int) -> LiabilityStatement:
    """A statement in which the account has a leaf. ``NotFound`` for any other."""
    s, f = LiabilityStatement, LiabilityLeaf
    own = select(s).join(f, f.statement_id == s.id).where(f.account_number == account.number, s.id == statement_id)
    found = db.session.execute(own).scalar_one_or_none()
    if found is None:
        raise NotFound(_l("There is no such page or record, or it is not yours to see."))
    return found
