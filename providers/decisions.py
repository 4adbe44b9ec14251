"""May a provider's state change, and who has to agree?

One table says which state may become which. Starting a review is one regulator's act; whatever
gives or takes rights (to qualify, suspend or withdraw) is proposed by one regulator and agreed to by
as many others as the policy asks for. The system itself may propose to suspend a provider that fell
below the floor; then all who are needed still have to agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import insert, select, update
from sqlalchemy.orm.attributes import set_committed_value

from exchange import audit
from exchange.database import db, insert_or_ignore
from exchange.errors import NotAllowed, NotFound, Refusal
from exchange.identity.actors import Actor, Audience
from exchange.policy.document import Policy
from providers.models import DecisionState, DecisionVoice, Provider, ProviderDecision, ProviderState

_S = ProviderState

# State → the states it may become. Nothing else sets a state.
MAY_BECOME: Final[Mapping[ProviderState, frozenset[ProviderState]]] = MappingProxyType(
    {
        _S.APPLIED: frozenset({_S.UNDER_REVIEW, _S.WITHDRAWN}),
        _S.UNDER_REVIEW: frozenset({_S.QUALIFIED, _S.QUALIFIED_WITH_CONDITIONS, _S.WITHDRAWN}),
        _S.QUALIFIED: frozenset({_S.QUALIFIED_WITH_CONDITIONS, _S.SUSPENDED, _S.WITHDRAWN}),
        _S.QUALIFIED_WITH_CONDITIONS: frozenset({_S.QUALIFIED, _S.SUSPENDED, _S.WITHDRAWN}),
        _S.SUSPENDED: frozenset({_S.QUALIFIED, _S.QUALIFIED_WITH_CONDITIONS, _S.WITHDRAWN}),
        _S.WITHDRAWN: frozenset(),
    }
)
# State → what the audit log calls becoming it.
AUDITED_AS: Final[Mapping[ProviderState, str]] = MappingProxyType(
    {
        _S.APPLIED: "provider.applied",
        _S.UNDER_REVIEW: "provider.review_begun",
        _S.QUALIFIED: "provider.qualified",
        _S.QUALIFIED_WITH_CONDITIONS: "provider.qualified_with_conditions",
        _S.SUSPENDED: "provider.suspended",
        _S.WITHDRAWN: "provider.withdrawn",
    }
)
OFFERING: Final = frozenset({_S.QUALIFIED, _S.QUALIFIED_WITH_CONDITIONS})
ONLY_REGULATORS: Final = _l("Only a regulator decides on providers.")
SYSTEM_MAY_PROPOSE: Final = frozenset({_S.SUSPENDED})


class NotARegulator(NotAllowed):
    """Only regulators decide on providers."""

    code = "not_a_regulator"


class NoSuchStep(Refusal):
    """The state does not lead to the one asked for."""

    code = "no_such_step"
    status = 409


class DecisionOpen(Refusal):
    """Another change of this provider's state is proposed already."""

    code = "decision_open"
    status = 409


class NotProposed(Refusal):
    """The decision was taken or rejected already."""

    code = "decision_taken"
    status = 409


class SamePerson(NotAllowed):
    """Whoever proposed a decision, or agreed already, cannot agree (again) or reject it."""

    code = "same_person"


class ReasonMissing(Refusal):
    """A decision without a reason."""

    code = "reason_missing"


def propose(provider: Provider, *, becomes: ProviderState, reason: str, by: Actor, at: datetime) -> ProviderDecision:
    """Propose a change of state. Refuses what ``refusal_to_propose`` answers.

    Whether the criteria allow it is asked by ``qualification.propose``, the door for people; the system
    comes here directly, and may only propose to suspend.
    """
    refusal = refusal_to_propose(provider, becomes, by=by) or _refusal_of_reason(reason)
    if refusal is not None:
        raise refusal
    decision = ProviderDecision(
        provider_id=provider.organization_id,
        becomes=becomes,
        reason=reason.strip(),
        state=DecisionState.PROPOSED,
        proposed_by_id=by.login_id,
        proposed_at=at,
        voices=0 if by.login_id is None else 1,
    )
    db.session.add(decision)
    db.session.flush()
    if by.login_id is not None:
        db.session.execute(insert(DecisionVoice).values(decision_id=decision.id, login_id=by.login_id, given_at=at))
    _record("provider.decision_proposed", decision, by=by, at=at, reason=decision.reason)
    return decision


def refusal_to_propose(provider: Provider, becomes: ProviderState, *, by: Actor) -> Refusal | None:
    """Why this person cannot propose that; None when he can."""
    is_systems = by.is_system and becomes in SYSTEM_MAY_PROPOSE
    if not is_systems and (by.audience is not Audience.REGULATOR or by.login_id is None):
        return NotARegulator(ONLY_REGULATORS)
    if becomes is _S.UNDER_REVIEW or becomes not in MAY_BECOME[provider.state]:
        return NoSuchStep(
            _l(
                "A provider that is “%(now)s” cannot become “%(wanted)s”.",
                now=STATE_WORDS[provider.state],
                wanted=STATE_WORDS[becomes],
            )
        )
    if open_decision(provider.organization_id) is not None:
        return DecisionOpen(_l("Another decision on this provider is proposed. Agree to it or reject it first."))
    return None


def agree(decision: ProviderDecision, *, policy: Policy, by: Actor, at: datetime) -> bool:
    """Stand behind a decision; true when enough people do now, and the provider's state has changed.

    Refuses ``NotARegulator``, ``SamePerson``, ``NotProposed`` and ``NoSuchStep``. Whether the criteria
    still allow it is asked by ``qualification.agree``.
    """
    refusal = refusal_to_answer(decision, by=by)
    if refusal is not None:
        raise refusal
    voice = {"decision_id": decision.id, "login_id": by.login_id, "given_at": at}
    given = db.session.execute(insert_or_ignore(DecisionVoice).rows().values(voice).returning(DecisionVoice.login_id))
    if given.first() is None:
        raise SamePerson(_l("You have agreed to this decision already: somebody else has to agree as well."))
    voices = _count_voice(decision)
    _record("provider.decision_agreed", decision, by=by, at=at)
    if voices < policy.qualification.deciders:
        return False
    _close(decision, DecisionState.AGREED, by=by, at=at)
    provider = db.session.get_one(Provider, decision.provider_id, populate_existing=True)
    change_state(provider, decision.becomes, reason=decision.reason, by=by, at=at)
    return True


def reject(decision: ProviderDecision, *, reason: str, by: Actor, at: datetime) -> None:
    """Turn a proposal down: the provider's state stays. Refuses as ``agree`` does."""
    refusal = refusal_to_answer(decision, by=by) or _refusal_of_reason(reason)
    if refusal is not None:
        raise refusal
    _close(decision, DecisionState.REJECTED, by=by, at=at)
    _record("provider.decision_rejected", decision, by=by, at=at, reason=reason.strip())


def refusal_to_answer(decision: ProviderDecision, *, by: Actor) -> Refusal | None:
    """Why this person can neither agree to the decision nor reject it; None when he can."""
    if by.audience is not Audience.REGULATOR or by.login_id is None:
        return NotARegulator(ONLY_REGULATORS)
    if decision.state is not DecisionState.PROPOSED:
        return NotProposed(_l("This decision was taken already."))
    if by.login_id == decision.proposed_by_id:
        return SamePerson(_l("You proposed this decision: another regulator has to answer it."))
    return None


def change_state(
    provider: Provider, state: ProviderState, *, reason: str | None = None, by: Actor, at: datetime
) -> None:
    """The one place that sets a provider's state. Refuses ``NoSuchStep``."""
    if state not in MAY_BECOME[provider.state]:
        raise NoSuchStep(
            _l(
                "A provider that is “%(now)s” cannot become “%(wanted)s”.",
                now=STATE_WORDS[provider.state],
                wanted=STATE_WORDS[state],
            )
        )
    provider.state = state
    db.session.flush()
    audit.record(AUDITED_AS[state], f"provider:{provider.organization_id}", by=by, at=at, reason=reason)


def called(decision_id: int) -> ProviderDecision:
    """The decision with that id; ``NotFound`` where there is none."""
    decision = db.session.get(ProviderDecision, decision_id)
    if decision is None:
        raise NotFound(_l("There is no such decision."))
    return decision


def open_decision(provider_id: int) -> ProviderDecision | None:
    """The decision on this provider that waits for an answer."""
    d = ProviderDecision
    return db.session.execute(
        select(d).where(d.provider_id == provider_id, d.state == DecisionState.PROPOSED)
    ).scalar_one_or_none()


def open_decisions() -> Sequence[ProviderDecision]:
    """Every decision that waits for an answer, the oldest first."""
    waiting = select(ProviderDecision).where(ProviderDecision.state == DecisionState.PROPOSED)
    return db.session.execute(waiting.order_by(ProviderDecision.proposed_at, ProviderDecision.id)).scalars().all()


def history(provider_id: int) -> Sequence[ProviderDecision]:
    """Every decision on a provider, the latest first."""
    d = ProviderDecision
    return db.session.execute(select(d).where(d.provider_id == provider_id).order_by(d.id.desc())).scalars().all()


def people_behind(decision_id: int) -> list[int]:
    """The logins that stand behind a decision, in the order in which they came."""
    v = DecisionVoice
    return list(
        db.session.execute(
            select(v.login_id).where(v.decision_id == decision_id).order_by(v.given_at, v.login_id)
        ).scalars()
    )


STATE_WORDS: Final = MappingProxyType(
    {
        _S.APPLIED: _l("applied"),
        _S.UNDER_REVIEW: _l("under review"),
        _S.QUALIFIED: _l("qualified"),
        _S.QUALIFIED_WITH_CONDITIONS: _l("qualified with conditions"),
        _S.SUSPENDED: _l("suspended"),
        _S.WITHDRAWN: _l("withdrawn"),
    }
)


def _count_voice(decision: ProviderDecision) -> int:
    """Count one more voice. The statement makes two who agree at the same moment take turns."""
    d = ProviderDecision
    counted = db.session.execute(
        update(d)
        .where(d.id == decision.id, d.state == DecisionState.PROPOSED)
        .values(voices=d.voices + 1)
        .returning(d.voices)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if counted is None:
        raise NotProposed(_l("This decision was taken already."))
    set_committed_value(decision, "voices", counted)
    return counted


def _close(decision: ProviderDecision, state: DecisionState, *, by: Actor, at: datetime) -> None:
    d = ProviderDecision
    closed = db.session.execute(
        update(d)
        .where(d.id == decision.id, d.state == DecisionState.PROPOSED)
        .values(state=state, decided_by_id=by.login_id, decided_at=at)
        .returning(d.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if closed is None:
        raise NotProposed(_l("This decision was taken already."))
    db.session.refresh(decision)


def _refusal_of_reason(reason: str) -> Refusal | None:
    return None if reason.strip() else ReasonMissing(_l("Give a reason: the provider and the public will read it."))


def _record(action: str, decision: ProviderDecision, *, by: Actor, at: datetime, reason: str | None = None) -> None:
    audit.record(
        action,
        f"provider:{decision.provider_id}",
        by=by,
        at=at,
        reason=reason,
        facts=f"decision={decision.id} becomes={decision.becomes}",
    )
