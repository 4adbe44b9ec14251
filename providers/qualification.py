"""May this organization offer benefits here: which criteria does it meet, on what evidence, until when?

A provider is examined criterion by criterion; which criteria there are is policy. Those that figures
can answer (the tax office's register, the seats of the board, the reserves) are measured, and no
reviewer may find met what the measure denies. The change of state itself stands in ``decisions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, delete, insert, select, true

from exchange import audit
from exchange.calendar import first_of_next_month
from exchange.clock import local_date
from exchange.database import db
from exchange.errors import Refusal
from exchange.identity import organizations
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.identity.organizations import OrganizationKind
from exchange.policy.document import Criterion, CriterionKind, NotInPolicy, Policy
from providers import criteria, decisions, irs_register
from providers.criteria import Measured
from providers.decisions import OFFERING, NotARegulator, ReasonMissing
from providers.models import (
    BoardSeat,
    CriterionState,
    Provider,
    ProviderCriterion,
    ProviderDecision,
    ProviderKind,
    ProviderState,
)


class CriteriaOpen(Refusal):
    """A criterion that the step asks for is not met."""

    code = "criteria_open"


class MeasureDenies(Refusal):
    """The figures say that the criterion is not met."""

    code = "measure_denies"


class Withdrawn(Refusal):
    """The organization is no provider here any more."""

    code = "provider_withdrawn"
    status = 409


@dataclass(frozen=True, slots=True)
class Application:
    """What an organization says of itself when it applies; ``ein`` as ``12-3456789`` or nine digits."""

    name: str
    kind: ProviderKind
    ein: str
    summary: str
    website: str | None = None
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """One seat of the board: who holds it, and who put him there."""

    holder_name: str
    appointed_by: str
    elected_by_members: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """Where one criterion stands on a day: what was shown, what was measured, what a reviewer found."""

    criterion: Criterion
    state: CriterionState
    evidence: str | None
    measured: Measured | None
    reason: str | None
    decided_at: datetime | None
    expires_on: date | None
    expired: bool

    @property
    def is_met(self) -> bool:
        """Whether it was found met and that still holds."""
        return self.state is CriterionState.MET and not self.expired


def may_offer(provider: Provider) -> bool:
    """Whether its packages may be published and chosen."""
    return provider.state in OFFERING


# --- applying and showing -------------------------------------------------------------------------


def apply(application: Application, *, policy: Policy, by: Actor, at: datetime) -> Provider:
    """Enter an organization as an applicant; the register is asked at once.

    Refuses ``BadEin`` and ``NameTaken`` (the name, one that looks like it, or the EIN is a provider's).
    """
    ein = irs_register.parse_ein(application.ein)
    organization = organizations.found(application.name, kind=OrganizationKind.PROVIDER, ein=ein, by=by, at=at)
    provider = Provider(
        organization_id=organization.id,
        kind=application.kind,
        state=ProviderState.APPLIED,
        summary=application.summary,
        website=application.website,
        email=application.email,
        phone=application.phone,
        applied_at=at,
    )
    db.session.add(provider)
    db.session.flush()
    rows = [
        {"provider_id": organization.id, "criterion": criterion.code, "state": CriterionState.OPEN}
        for criterion in policy.qualification.criteria
    ]
    db.session.execute(insert(ProviderCriterion), rows)
    audit.record(decisions.AUDITED_AS[ProviderState.APPLIED], f"provider:{organization.id}", by=by, at=at)
    examine_register(provider, policy=policy, by=by, at=at)
    return provider


def examine_register(provider: Provider, *, policy: Policy, by: Actor, at: datetime) -> None:
    """Answer the nonprofit criterion from the tax office's register, as it was last imported."""
    for criterion in policy.qualification.criteria:
        if criterion.kind is CriterionKind.IRS_REGISTER:
            measured = criteria.measure(provider, criterion, policy=policy)
            assert measured is not None, "the register can always be asked"
            row = _row(provider.organization_id, criterion.code)
            row.evidence = criteria.register_facts(provider)
            _answer(row, criterion, met=measured.holds, reason=measured.sentence, by=by, at=at, zone=policy.zone)


def show_evidence(
    provider: Provider, criterion: str, *, evidence: str, policy: Policy, by: Actor, at: datetime
) -> None:
    """Put evidence forward for a criterion; it waits for a reviewer again. Refuses ``NotInPolicy``."""
    asked = _criterion(policy, criterion)
    row = _row(provider.organization_id, asked.code)
    row.evidence = evidence
    row.state, row.reason, row.decided_by_id = CriterionState.OPEN, None, None
    row.decided_at = row.expires_on = None
    db.session.flush()
    audit.record("provider.evidence_shown", _subject(provider), by=by, at=at, facts=f"criterion={asked.code}")


def name_board(provider: Provider, seats: Sequence[Seat], *, by: Actor, at: datetime) -> None:
    """Say who sits on the board, every seat; what was said before is replaced."""
    id_ = provider.organization_id
    db.session.execute(delete(BoardSeat).where(BoardSeat.provider_id == id_))
    rows = [
        {
            "provider_id": id_,
            "seat": number,
            "holder_name": seat.holder_name,
            "appointed_by": seat.appointed_by,
            "elected_by_members": seat.elected_by_members,
        }
        for number, seat in enumerate(seats, start=1)
    ]
    if rows:
        db.session.execute(insert(BoardSeat), rows)
    elected = sum(seat.elected_by_members for seat in seats)
    audit.record("provider.board_named", _subject(provider), by=by, at=at, facts=f"seats={len(rows)} elected={elected}")


# --- reviewing ------------------------------------------------------------------------------------


def begin_review(provider: Provider, *, by: Actor, at: datetime) -> None:
    """Take an application up. One regulator is enough: nothing is given or taken yet."""
    _regulator(by)
    decisions.change_state(provider, ProviderState.UNDER_REVIEW, by=by, at=at)


def decide_criterion(
    provider: Provider, criterion: str, *, met: bool, reason: str, policy: Policy, by: Actor, at: datetime
) -> None:
    """Find a criterion met, until the policy's months are over, or not met; with a reason either way.

    Refuses ``NotARegulator``, ``ReasonMissing``, ``NotInPolicy``, ``Withdrawn``, and ``MeasureDenies``
    where figures say that it is not met.
    """
    _regulator(by)
    asked = _criterion(policy, criterion)
    if not reason.strip():
        raise ReasonMissing(_l("Give a reason: the provider and the public will read it."))
    if provider.state is ProviderState.WITHDRAWN:
        raise Withdrawn(_l("This provider has been withdrawn."))
    measured = criteria.measure(provider, asked, policy=policy)
    if met and measured is not None and not measured.holds:
        raise MeasureDenies(measured.sentence)
    row = _row(provider.organization_id, asked.code)
    _answer(row, asked, met=met, reason=reason.strip(), by=by, at=at, zone=policy.zone)


def examination(provider: Provider, *, policy: Policy, on: date) -> list[Examined]:
    """Every criterion of the policy, in its order, and where it stands."""
    rows = {
        row.criterion: row
        for row in db.session.execute(
            select(ProviderCriterion).where(ProviderCriterion.provider_id == provider.organization_id)
        ).scalars()
    }
    found = []
    for criterion in policy.qualification.criteria:
        row = rows.get(criterion.code)
        found.append(
            Examined(
                criterion=criterion,
                state=CriterionState.OPEN if row is None else row.state,
                evidence=None if row is None else row.evidence,
                measured=criteria.measure(provider, criterion, policy=policy),
                reason=None if row is None else row.reason,
                decided_at=None if row is None else row.decided_at,
                expires_on=None if row is None else row.expires_on,
                expired=row is not None and row.expires_on is not None and row.expires_on <= on,
            )
        )
    return found


# --- deciding -------------------------------------------------------------------------------------


def refusal_of_criteria(provider: Provider, becomes: ProviderState, *, policy: Policy, on: date) -> Refusal | None:
    """What the criteria say against a state.

    To qualify, each is met. To qualify with conditions, each is answered, and those that figures answer
    are met: what remains is the conditions. Other states ask for none.
    """
    if becomes not in OFFERING:
        return None
    in_full = becomes is ProviderState.QUALIFIED
    missing = [
        examined.criterion.name
        for examined in examination(provider, policy=policy, on=on)
        if not examined.is_met
        and (in_full or examined.measured is not None or examined.state is CriterionState.OPEN or examined.expired)
    ]
    if not missing:
        return None
    return CriteriaOpen(_l("Not met, or not answered yet: %(criteria)s.", criteria="; ".join(missing)))


def propose(
    provider: Provider, *, becomes: ProviderState, reason: str, policy: Policy, by: Actor, at: datetime
) -> ProviderDecision:
    """Propose to qualify, suspend or withdraw. Refuses as ``decisions.propose`` does, and ``CriteriaOpen``."""
    refusal = refusal_to_propose(provider, becomes, policy=policy, by=by, at=at)
    if refusal is not None:
        raise refusal
    return decisions.propose(provider, becomes=becomes, reason=reason, by=by, at=at)


def refusal_to_propose(
    provider: Provider, becomes: ProviderState, *, policy: Policy, by: Actor, at: datetime
) -> Refusal | None:
    """Why this person cannot propose that now; None when he can."""
    return decisions.refusal_to_propose(provider, becomes, by=by) or refusal_of_criteria(
        provider, becomes, policy=policy, on=local_date(at, policy.zone)
    )


def agree(decision: ProviderDecision, *, policy: Policy, by: Actor, at: datetime) -> bool:
    """Stand behind a decision; true when it is taken by that. The criteria must still allow it."""
    provider = db.session.get_one(Provider, decision.provider_id)
    refusal = decisions.refusal_to_answer(decision, by=by) or refusal_of_criteria(
        provider, decision.becomes, policy=policy, on=local_date(at, policy.zone)
    )
    if refusal is not None:
        raise refusal
    return decisions.agree(decision, policy=policy, by=by, at=at)


# --- who may see it -------------------------------------------------------------------------------


@scope_of(Provider)
def _providers_of(actor: Actor) -> ColumnElement[bool]:
    """Everybody sees qualified providers, a provider itself only; regulator and operator see all."""
    match actor.audience:
        case Audience.REGULATOR | Audience.OPERATOR | Audience.SYSTEM:
            return true()
        case Audience.PROVIDER:
            return Provider.organization_id == actor.organization_id
        case _:
            return Provider.state.in_(OFFERING)


# --- small things ---------------------------------------------------------------------------------


def _answer(
    row: ProviderCriterion, criterion: Criterion, *, met: bool, reason: str, by: Actor, at: datetime, zone: str
) -> None:
    row.state = CriterionState.MET if met else CriterionState.NOT_MET
    row.reason = reason
    row.decided_by_id = by.login_id if by.audience is Audience.REGULATOR else None
    row.decided_at = at
    row.expires_on = _months_after(local_date(at, zone), criterion.expires_after_months) if met else None
    db.session.flush()
    facts = f"criterion={criterion.code} state={row.state}"
    audit.record("provider.criterion_decided", f"provider:{row.provider_id}", by=by, at=at, reason=reason, facts=facts)


def _row(provider_id: int, criterion: str) -> ProviderCriterion:
    """The criterion's row; a criterion that a later policy brought has none yet."""
    row = db.session.get(ProviderCriterion, (provider_id, criterion))
    if row is None:
        row = ProviderCriterion(provider_id=provider_id, criterion=criterion, state=CriterionState.OPEN)
        db.session.add(row)
    return row


def _criterion(policy: Policy, code: str) -> Criterion:
    for criterion in policy.qualification.criteria:
        if criterion.code == code:
            return criterion
    raise NotInPolicy(_l("The policy of this program does not know “%(code)s”.", code=code))


def _months_after(on: date, months: int) -> date:
    """The same day of a later month, or its last day where it has none."""
    first = first_of_next_month(on, months)
    return min(first + timedelta(days=on.day - 1), first_of_next_month(first) - timedelta(days=1))


def _regulator(by: Actor) -> None:
    if by.audience is not Audience.REGULATOR or by.login_id is None:
        raise NotARegulator(decisions.ONLY_REGULATORS)


def _subject(provider: Provider) -> str:
    return f"provider:{provider.organization_id}"
