"""Who stands behind what cannot be taken back of a cutover?

To confirm a cutover, and to roll it back, takes two operators: one proposes it with a reason, another one agrees or
turns it down. Whoever has the machine may do either alone, on the command line, and the audit log says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from enrollment import cutover_control
from enrollment.models import EnrollmentWindow
from exchange import audit, notices
from exchange.database import Base, Choice, db, one_of
from exchange.errors import NotAllowed, NotFound, Refusal
from exchange.identity.actors import Actor, Audience
from exchange.identity.organizations import exchange_id


class ProposedDeed(StrEnum):
    """What is proposed."""

    CONFIRM = "confirm"
    ROLL_BACK = "roll_back"


class ProposalState(StrEnum):
    """What became of a proposal."""

    PROPOSED = "proposed"
    AGREED = "agreed"
    REJECTED = "rejected"


MAY_BECOME: Mapping[ProposalState, frozenset[ProposalState]] = {
    ProposalState.PROPOSED: frozenset({ProposalState.AGREED, ProposalState.REJECTED}),
    ProposalState.AGREED: frozenset(),
    ProposalState.REJECTED: frozenset(),
}


class CutoverProposal(Base):
    """That one operator would confirm a cutover or roll it back, and what another one said."""

    __tablename__ = "cutover_proposal"
    __table_args__ = (
        one_of("deed", ProposedDeed),
        one_of("state", ProposalState),
        CheckConstraint("(state = 'proposed') = (answered_at IS NULL)", name="answered_when"),
        CheckConstraint("state <> 'agreed' OR answered_by_id <> proposed_by_id", name="two_people"),
        Index(
            "uq_cutover_proposal_open", "window_id",
            unique=True, postgresql_where=text("state = 'proposed'"), sqlite_where=text("state = 'proposed'"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    window_id: Mapped[int] = mapped_column(ForeignKey("enrollment_window.id"))
    deed: Mapped[ProposedDeed] = mapped_column(Choice(ProposedDeed))
    reason: Mapped[str]
    state: Mapped[ProposalState] = mapped_column(Choice(ProposalState))
    proposed_at: Mapped[datetime]
    proposed_by_id: Mapped[int] = mapped_column(ForeignKey("login.id"))
    answered_at: Mapped[datetime | None]
    answered_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))


class ProposalOpen(Refusal):
    """Something is proposed for this cutover already."""

    code = "proposal_open"
    status = 409


class AlreadyAnswered(Refusal):
    """Somebody has agreed, or turned it down."""

    code = "already_answered"
    status = 409


class SamePerson(NotAllowed):
    """Whoever proposed it cannot agree."""

    code = "same_person"


@dataclass(frozen=True, slots=True)
class _Deed:
    refusal: Callable[[EnrollmentWindow], Refusal | None]
    carry_out: Callable[..., None]


def _refusal_to_roll_back(window: EnrollmentWindow) -> Refusal | None:
    return cutover_control.refusal_to_roll_back(window, at_most=cutover_control.MOST_ON_A_PAGE)


_DEEDS: Final = {
    ProposedDeed.CONFIRM: _Deed(cutover_control.refusal_to_confirm, cutover_control.confirm),
    ProposedDeed.ROLL_BACK: _Deed(_refusal_to_roll_back, cutover_control.ask_to_roll_back),
}


def refusal_to_propose(window: EnrollmentWindow, deed: ProposedDeed) -> Refusal | None:
    """Why it cannot be proposed now; None when it can."""
    if open_for(window.id) is not None:
        return ProposalOpen(_l("Something is proposed for this cutover already. Agree to it or turn it down first."))
    return _DEEDS[deed].refusal(window)


def propose(window: EnrollmentWindow, *, deed: ProposedDeed, reason: str, by: Actor, at: datetime) -> CutoverProposal:
    """Propose a deed for a cutover whose window the caller holds. Refuses what ``refusal_to_propose`` answers."""
    if (refusal := refusal_to_propose(window, deed)) is not None:
        raise refusal
    login_id = _operator(by)
    proposal = CutoverProposal(
        window_id=window.id,
        deed=deed,
        reason=reason,
        state=ProposalState.PROPOSED,
        proposed_at=at,
        proposed_by_id=login_id,
    )
    db.session.add(proposal)
    db.session.flush()
    audit.record(f"cutover.{deed.value}_proposed", f"window:{window.id}", by=by, at=at, reason=reason)
    notices.notify(
        _("A decision about the cutover into %(year)s waits", year=window.plan_year),
        body=_("One of you has proposed it, and it takes a second one. You find it under Cutover."),
        organization_id=exchange_id(),
        by=by,
        at=at,
    )
    return proposal


def refusal_to_agree(proposal: CutoverProposal, window: EnrollmentWindow, *, by: Actor) -> Refusal | None:
    """Why this person cannot agree now; None when he can."""
    if ProposalState.AGREED not in MAY_BECOME[proposal.state]:
        return AlreadyAnswered(_l("This proposal was answered already."))
    if by.login_id == proposal.proposed_by_id:
        return SamePerson(_l("You proposed this: another operator has to agree."))
    return _DEEDS[proposal.deed].refusal(window)


def agree(proposal: CutoverProposal, window: EnrollmentWindow, *, by: Actor, at: datetime) -> None:
    """Stand behind it, and have it done; the caller holds the window. Refuses what ``refusal_to_agree`` answers."""
    login_id = _operator(by)
    if (refusal := refusal_to_agree(proposal, window, by=by)) is not None:
        raise refusal
    _answered(proposal, ProposalState.AGREED, login_id, at)
    _DEEDS[proposal.deed].carry_out(window, reason=proposal.reason, by=by, at=at)


def reject(proposal: CutoverProposal, window: EnrollmentWindow, *, reason: str, by: Actor, at: datetime) -> None:
    """Turn it down; whoever proposed it takes it back so. The caller holds the window. Refuses ``AlreadyAnswered``."""
    login_id = _operator(by)
    if ProposalState.REJECTED not in MAY_BECOME[proposal.state]:
        raise AlreadyAnswered(_l("This proposal was answered already."))
    _answered(proposal, ProposalState.REJECTED, login_id, at)
    audit.record(f"cutover.{proposal.deed.value}_rejected", f"window:{window.id}", by=by, at=at, reason=reason)


def open_for(window_id: int) -> CutoverProposal | None:
    """What is proposed for a cutover and not answered yet."""
    found = select(CutoverProposal).where(
        CutoverProposal.window_id == window_id, CutoverProposal.state == ProposalState.PROPOSED
    )
    return db.session.execute(found.execution_options(populate_existing=True)).scalar_one_or_none()


def called(proposal_id: int, window: EnrollmentWindow) -> CutoverProposal:
    """The proposal of that id for this cutover, as it is now. Refuses ``NotFound``."""
    found = select(CutoverProposal).where(CutoverProposal.id == proposal_id, CutoverProposal.window_id == window.id)
    one = db.session.execute(found.execution_options(populate_existing=True)).scalar_one_or_none()
    if one is None:
        raise NotFound(_l("There is no such proposal."))
    return one


def _operator(by: Actor) -> int:
    if by.audience is not Audience.OPERATOR or by.login_id is None:
        raise NotAllowed(_l("Only operators of the exchange decide about a cutover."))
    return by.login_id


def _answered(proposal: CutoverProposal, state: ProposalState, login_id: int, at: datetime) -> None:
    proposal.state, proposal.answered_at, proposal.answered_by_id = state, at, login_id
    db.session.flush()
