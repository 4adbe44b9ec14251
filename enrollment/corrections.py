"""How is a contribution taken back that should not have been reported?

What was posted stays; a further entry takes back what the first one gave, and names it. Two people
are needed: the employer asks, the operator decides. It is taken from where the worker's balance is
now: with the provider he is with, on the like component or with the exchange, wherever his switches
brought it. When that no longer suffices, because the worker has used it, nothing is taken: the operator
refuses with the reason, and the request remains on record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Text,
    false,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column

from enrollment import memberships, splits
from enrollment.accrual import Rates, Work, take_back
from enrollment.models import Contribution, Switch, SwitchState
from exchange import audit
from exchange.clock import local_date
from exchange.database import Base, Choice, db, one_of
from exchange.errors import NotAllowed, Refusal
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.identity.organizations import exchange_id
from exchange.ledger import journal
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance, Line, open_lines
from exchange.ledger.journal import LedgerEntry, LedgerTransfer, Posting, Transfer
from exchange.money import Unit
from exchange.policy import versions


class CorrectionState(StrEnum):
    """What became of a request to take a contribution back."""

    ASKED = "asked"
    CARRIED_OUT = "carried_out"
    REFUSED = "refused"


MAY_BECOME: Mapping[CorrectionState, frozenset[CorrectionState]] = {
    CorrectionState.ASKED: frozenset({CorrectionState.CARRIED_OUT, CorrectionState.REFUSED}),
    CorrectionState.CARRIED_OUT: frozenset(),
    CorrectionState.REFUSED: frozenset(),
}


class Correction(Base):
    """A request to take a contribution back, and what another person decided."""

    __tablename__ = "correction"
    __table_args__ = (
        one_of("state", CorrectionState),
        CheckConstraint("decided_by_id IS NULL OR decided_by_id <> asked_by_id", name="two_people"),
        CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="decided_when_answered"),
        CheckConstraint("(state = 'carried_out') = (entry_id IS NOT NULL)", name="carried_out_is_posted"),
        CheckConstraint("(state = 'refused') = (answer IS NOT NULL)", name="refused_with_reason"),
        Index(
            "uq_correction_standing", "contribution_id",
            unique=True, postgresql_where=text("state <> 'refused'"), sqlite_where=text("state <> 'refused'"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    contribution_id: Mapped[int] = mapped_column(ForeignKey("contribution.id"))
    employer_id: Mapped[int] = mapped_column(ForeignKey("employer.organization_id"))
    reason: Mapped[str]
    state: Mapped[CorrectionState] = mapped_column(Choice(CorrectionState))
    asked_at: Mapped[datetime]
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    answer: Mapped[str | None]
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("ledger_entry.id"))


class NotCorrectable(Refusal):
    """The contribution is not in the books, or was asked back already."""

    code = "not_correctable"
    status = 409


class SamePerson(NotAllowed):
    """Whoever asked cannot decide."""

    code = "same_person"


class AlreadyUsed(Refusal):
    """The worker no longer has what would have to be taken back."""

    code = "already_used"


def ask(contribution: Contribution, *, reason: str, by: Actor, at: datetime) -> Correction:
    """Ask that a posted contribution be taken back. Refuses ``NotCorrectable``."""
    if by.audience is Audience.EMPLOYER and by.organization_id != contribution.employer_id:
        raise NotAllowed(_l("You can correct what your own organization reported only."))
    db.session.refresh(contribution, with_for_update=True)  # two who ask at once take turns
    if contribution.entry_id is None:
        raise NotCorrectable(_l("This is not in the books. A report that is not paid yet can be cancelled."))
    standing = select(Correction.id).where(
        Correction.contribution_id == contribution.id, Correction.state != CorrectionState.REFUSED
    )
    if db.session.execute(standing).first() is not None:
        raise NotCorrectable(_l("This was asked back already."))
    correction = Correction(
        contribution_id=contribution.id,
        employer_id=contribution.employer_id,
        reason=reason,
        state=CorrectionState.ASKED,
        asked_at=at,
        asked_by_id=by.login_id,
    )
    db.session.add(correction)
    db.session.flush()
    audit.record("correction.asked", f"correction:{correction.id}", by=by, at=at, reason=reason)
    return correction


def carry_out(correction: Correction, *, by: Actor, at: datetime) -> None:
    """Take the contribution back: money to the employer's funds, leave out of the books.

    Refuses ``SamePerson``, ``AlreadyUsed`` and what has been decided; then nothing has moved.
    """
    _may_become(correction, CorrectionState.CARRIED_OUT, by=by)
    contribution = db.session.get_one(Contribution, correction.contribution_id)
    assert contribution.entry_id is not None, "only what was posted is taken back"
    key = f"correction:{correction.id}"
    today = local_date(at, versions.timeline().policies[-1].zone)
    stands = _stands_now(contribution)
    transfers = (*_money_back(contribution, stands), *_leave_back(contribution, stands))
    reversal = Posting(key, "correction", today, transfers, corrects_id=contribution.entry_id)
    try:
        entry_id = journal.post([reversal], by=by, at=at)[key]
    except journal.InsufficientBalance as refusal:
        raise AlreadyUsed(
            _l("The worker no longer has all of it: it was withdrawn or moved on. Nothing was taken back.")
        ) from refusal
    correction.entry_id = contribution.reversed_by_id = entry_id
    _decided(correction, CorrectionState.CARRIED_OUT, by=by, at=at)
    audit.record("correction.carried_out", f"correction:{correction.id}", by=by, at=at, reason=correction.reason)


def refuse(correction: Correction, *, reason: str, by: Actor, at: datetime) -> None:
    """Leave the contribution as it is; the request stays on record with the reason."""
    _may_become(correction, CorrectionState.REFUSED, by=by)
    correction.answer = reason
    _decided(correction, CorrectionState.REFUSED, by=by, at=at)
    audit.record("correction.refused", f"correction:{correction.id}", by=by, at=at, reason=reason)


def _may_become(correction: Correction, state: CorrectionState, *, by: Actor) -> None:
    db.session.refresh(correction, with_for_update=True)
    if by.audience not in {Audience.OPERATOR, Audience.SYSTEM}:
        raise NotAllowed(_l("Only the operator of the exchange decides on corrections."))
    if by.login_id is not None and by.login_id == correction.asked_by_id:
        raise SamePerson(_l("You asked for this correction: somebody else has to decide it."))
    if state not in MAY_BECOME[correction.state]:
        raise NotCorrectable(_l("This has been decided on already."))


def _decided(correction: Correction, state: CorrectionState, *, by: Actor, at: datetime) -> None:
    correction.state, correction.decided_at, correction.decided_by_id = state, at, by.login_id
    db.session.flush()


def _money_back(contribution: Contribution, stands: Stands) -> list[Transfer]:
    """The transfers of the entry the other way round; a worker's part from where it stands now."""
    target = aliased(LedgerAccount)
    rows = (
        select(LedgerTransfer.source_id, LedgerTransfer.amount, target)
        .join(target, target.id == LedgerTransfer.target_id)
        .where(LedgerTransfer.entry_id == contribution.entry_id, LedgerTransfer.unit == Unit.USD)
        .order_by(LedgerTransfer.seq)
    )
    parts = [
        (stands(line.component, Unit.USD) if line.kind is AccountKind.WORKER else _line(line), source_id, amount)
        for source_id, amount, line in db.session.execute(rows)
    ]
    lines = open_lines(line for line, _, _ in parts)
    return [Transfer(lines[line], funds_id, Unit.USD, amount) for line, funds_id, amount in parts]


def _leave_back(contribution: Contribution, stands: Stands) -> list[Transfer]:
    account_id = contribution.benefit_account_id
    taken = take_back(Work(contribution.id, account_id, contribution.minutes, _rates_of(contribution)))
    world = Line(AccountKind.ACCRUAL, exchange_id(), Unit.MIN)
    own = {code: stands(code, Unit.MIN) for code, _ in taken}
    lines = open_lines([world, *own.values()])
    return [Transfer(lines[own[code]], lines[world], Unit.MIN, minutes) for code, minutes in taken]


def _line(of: LedgerAccount) -> Line:
    return Line(of.kind, of.organization_id, of.unit, of.component, of.holder_id)


Stands = Callable[[str, Unit], Line]
"""The worker's line on which that stands now what a contribution put into a component."""


def _stands_now(contribution: Contribution) -> Stands:
    """Where switches brought it; where it went, if none did; else where the worker has that component now."""
    account_id = contribution.benefit_account_id
    provider_id = memberships.current_for_posting([account_id])[account_id].provider_id
    a, b = LedgerAccount, LedgerBalance
    # The lines to which it went come last, and so before others of the same component.
    is_first = a.organization_id == contribution.provider_id
    rows = select(a, b.amount, is_first).join(b, b.account_id == a.id).where(a.holder_id == account_id)
    lines = db.session.execute(rows.order_by(is_first, a.id)).all()
    by_id = {line.id: _line(line) for line, _, _ in lines}
    went = {(line.component, line.unit): line.id for line, _, first in lines if first}
    holding = {(line.component, line.unit): line.id for line, amount, _ in lines if amount}
    moved = _moved_since(contribution)

    def stands(component: str, unit: Unit) -> Line:
        place = component, unit
        id_ = moved.get(went.get(place, 0)) or holding.get(place)
        return by_id[id_] if id_ else Line(AccountKind.WORKER, provider_id, unit, component, account_id)

    return stands


# Said twice and written out: so both engines know the index of those that were not given up.
_not_given_up: Final = Switch.state != literal_column("'abandoned'", Text)


def _moved_since(contribution: Contribution) -> Mapping[int, int]:
    """The worker's lines that switches have emptied since, each with the line on which that stands now."""
    s, t = Switch, LedgerTransfer
    rows = (
        select(t.entry_id, t.source_id, t.target_id)
        .join(s, s.entry_id == t.entry_id)
        .where(
            s.benefit_account_id == contribution.benefit_account_id, s.state == SwitchState.CARRIED_OUT, _not_given_up
        )
        .where(t.entry_id > contribution.entry_id)
        .order_by(t.entry_id, t.seq)
    )
    now: dict[int, int] = {}
    for _, moves in groupby(db.session.execute(rows), key=itemgetter(0)):
        step = {source_id: target_id for _, source_id, target_id in moves}
        now = step | {first_id: step.get(id_, id_) for first_id, id_ in now.items()}
    return now


def _rates_of(contribution: Contribution) -> Rates:
    """At which rates the contribution's work earned leave when it was posted."""
    if not contribution.rule or not contribution.minutes:
        return ()
    law = versions.timeline()
    if contribution.package_version_id is not None:
        how = splits.of_versions([contribution.package_version_id])[contribution.package_version_id]
    else:
        posted_on = select(LedgerEntry.effective_on).where(LedgerEntry.id == contribution.entry_id)
        how = splits.held(law.on(db.session.execute(posted_on).scalar_one())[1])
    policy = law.policies[law.ids.index(contribution.policy_version_id)]
    return splits.leave_rates(how, policy, contribution.place)


@scope_of(Correction)
def _corrections_of(actor: Actor) -> ColumnElement[bool]:
    """An employer sees its own; operator and regulator all."""
    match actor.audience:
        case Audience.EMPLOYER:
            return Correction.employer_id == actor.organization_id
        case Audience.OPERATOR | Audience.REGULATOR | Audience.SYSTEM:
            return true()
        case _:
            return false()
