"""Which policy holds on a date, and how does another come to hold?

A version of a policy document is proposed by one regulator and approved by another; it holds from its
effective date until the next approved version takes effect. What has held on a day that is past is
never changed: contributions, windows and reserve checks were computed by it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, Index, Select, select, text
from sqlalchemy.orm import Mapped, mapped_column

from exchange import audit, remembered
from exchange.bulk import Prepared
from exchange.clock import local_date
from exchange.database import Base, Choice, db, one_of
from exchange.errors import NotAllowed, NotFound, Refusal
from exchange.identity.actors import Actor, Audience
from exchange.policy.document import Document, NoPolicyInForce, Policy
from exchange.policy.reading import read
from exchange.revision import Moment

MOST_DOCUMENTS: Final = 64


class PolicyState(StrEnum):
    """Where a version stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


MAY_BECOME: Mapping[PolicyState, frozenset[PolicyState]] = MappingProxyType(
    {
        PolicyState.PROPOSED: frozenset({PolicyState.APPROVED, PolicyState.WITHDRAWN}),
        PolicyState.APPROVED: frozenset({PolicyState.WITHDRAWN}),  # only before it takes effect
        PolicyState.WITHDRAWN: frozenset(),
    }
)


class PolicyVersion(Base):
    """One version of the law of this program, with the whole text of the document that it stands in."""

    __tablename__ = "policy_version"
    __table_args__ = (
        one_of("state", PolicyState),
        CheckConstraint("length(digest) = 64", name="digest"),
        CheckConstraint("approved_by <> proposed_by", name="two_people"),
        CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", name="approved_whole"),
        CheckConstraint("state <> 'approved' OR approved_by IS NOT NULL", name="approved_by_somebody"),
        CheckConstraint("(withdrawn_by IS NULL) = (withdrawn_at IS NULL)", name="withdrawn_whole"),
        CheckConstraint("(state = 'withdrawn') = (withdrawn_by IS NOT NULL)", name="withdrawn_by_somebody"),
        # On each day one law.
        Index(
            "uq_policy_version_approved",
            "effective_on",
            unique=True,
            postgresql_where=text("state = 'approved'"),
            sqlite_where=text("state = 'approved'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    jurisdiction: Mapped[str]
    effective_on: Mapped[date]
    text: Mapped[str]
    digest: Mapped[str]  # SHA-256 of the text, hexadecimal
    state: Mapped[PolicyState] = mapped_column(Choice(PolicyState))
    # Logins, as opaque ids: a login that is forgotten leaves its number here and nothing else.
    proposed_by: Mapped[int]
    proposed_at: Mapped[datetime]
    approved_by: Mapped[int | None]
    approved_at: Mapped[datetime | None]
    withdrawn_by: Mapped[int | None]
    withdrawn_at: Mapped[datetime | None]


class NotARegulator(NotAllowed):
    """Only regulators decide on policy."""

    code = "not_a_regulator"


class SamePerson(NotAllowed):
    """Whoever proposed a version cannot approve it."""

    code = "same_person"


class NoSuchVersion(NotFound):
    """The document has no version with that effective date."""

    code = "no_such_policy_version"


class NotOpenForDecision(Refusal):
    """The version was decided on already, or holds already."""

    code = "policy_already_decided"
    status = 409


class OtherProgram(Refusal):
    """The version is of another jurisdiction, or would move the start of plan years."""

    code = "policy_of_other_program"


class TooLate(Refusal):
    """The version would change what held on a day that is past or present."""

    code = "policy_takes_effect_too_early"


class DateTaken(Refusal):
    """Another version was approved for the same date."""

    code = "policy_date_taken"
    status = 409


# --- what holds -----------------------------------------------------------------------------------


def on(day: date) -> Policy:
    """The policy that holds on a local date. Refuses ``NoPolicyInForce``."""
    v = PolicyVersion
    found = db.session.execute(_holding_on(day).with_only_columns(v.id, v.digest, v.effective_on)).first()
    if found is None:
        raise _nothing_holds(day)
    return _document(*found[:2]).on(found.effective_on)


def in_force(day: date) -> PolicyVersion:
    """The version that holds on a local date. Refuses ``NoPolicyInForce``."""
    version = db.session.scalars(_holding_on(day)).one_or_none()
    if version is None:
        raise _nothing_holds(day)
    return version


def policy_of(version: PolicyVersion) -> Policy:
    """What the version says."""
    return read(version.text).on(version.effective_on)


def at_instant(instant: datetime) -> Policy:
    """The policy that holds at a UTC instant, by the local date of its own zone. Refuses ``NoPolicyInForce``."""
    return _at(instant, on)


def at_moment(moment: Moment) -> Policy:
    """The same, as it is remembered of the market at that moment: whatever the day, all of the law is read once."""
    law = remembered.of_market("law", moment.market, timeline)
    return _at(moment.at, lambda day: law.on(day)[1])


def _at(instant: datetime, on_day: Callable[[date], Policy]) -> Policy:
    utc = local_date(instant, "UTC")
    nearly = on_day(utc)
    day = local_date(instant, nearly.zone)
    return nearly if day == utc else on_day(day)


@dataclass(frozen=True, slots=True)
class Timeline:
    """All approved versions, read once, for asking about many dates."""

    effective_on: tuple[date, ...]
    ids: tuple[int, ...]
    policies: tuple[Policy, ...]

    def on(self, day: date) -> tuple[int, Policy]:
        """The id and the policy that hold on a date. Refuses ``NoPolicyInForce``."""
        place = bisect_right(self.effective_on, day) - 1
        if place < 0:
            raise _nothing_holds(day)
        return self.ids[place], self.policies[place]


def timeline() -> Timeline:
    """What holds from when."""
    db.session.flush()
    found = [(id_, date.fromisoformat(day), digest) for id_, day, digest in _APPROVED.run()]
    return Timeline(
        tuple(day for _, day, _ in found),
        tuple(id_ for id_, _, _ in found),
        tuple(_document(id_, digest).on(day) for id_, day, digest in found),
    )


_APPROVED: Final = Prepared(
    "SELECT id, CAST(effective_on AS text), digest FROM policy_version WHERE state = 'approved' ORDER BY effective_on"
)


def listed() -> Sequence[PolicyVersion]:
    """Every version that was ever proposed, the latest to take effect first."""
    latest_first = select(PolicyVersion).order_by(PolicyVersion.effective_on.desc(), PolicyVersion.id.desc())
    return db.session.scalars(latest_first).all()


def called(version_id: int) -> PolicyVersion:
    """The version with that id; ``NotFound`` where there is none."""
    version = db.session.get(PolicyVersion, version_id)
    if version is None:
        raise NotFound(_l("There is no such version of the policy."))
    return version


def one_before(version: PolicyVersion) -> PolicyVersion | None:
    """The approved version that this one follows (or would follow); None where it is the first."""
    earlier = select(PolicyVersion).where(
        PolicyVersion.state == PolicyState.APPROVED, PolicyVersion.effective_on < version.effective_on
    )
    return db.session.scalars(earlier.order_by(PolicyVersion.effective_on.desc()).limit(1)).one_or_none()


def _holding_on(day: date) -> Select[PolicyVersion]:
    v = PolicyVersion
    approved = select(v).where(v.state == PolicyState.APPROVED, v.effective_on <= day)
    return approved.order_by(v.effective_on.desc()).limit(1)


def _nothing_holds(day: date) -> NoPolicyInForce:
    return NoPolicyInForce(_l("No rules of this program hold on %(day)s.", day=day.isoformat()))


_documents: dict[str, Document] = {}
"""What this process has read, by the digest of the text: no digest ever stands for another text."""


def _document(version_id: int, digest: str) -> Document:
    """The document, whose text is fetched only when this process has not read it yet."""
    if digest not in _documents:
        if len(_documents) >= MOST_DOCUMENTS:
            _documents.clear()
        _documents[digest] = read(
            db.session.execute(select(PolicyVersion.text).where(PolicyVersion.id == version_id)).scalar_one()
        )
    return _documents[digest]


# --- how another comes to hold --------------------------------------------------------------------


def refusal_to_take_effect(document: Document, effective_on: date, *, at: datetime) -> Refusal | None:
    """Why this version cannot come to hold as things stand at that instant; None where it can."""
    if all(policy.effective_on != effective_on for policy in document.versions):
        return NoSuchVersion(
            _l("The document has no version that takes effect on %(day)s.", day=effective_on.isoformat())
        )
    policy = document.on(effective_on)
    approved = select(PolicyVersion).where(PolicyVersion.state == PolicyState.APPROVED)
    first = db.session.scalars(approved.order_by(PolicyVersion.effective_on).limit(1)).one_or_none()
    if first is None:
        return None  # before the first version nothing was computed: it may begin in the past
    other = policy_of(first)
    if other.jurisdiction != policy.jurisdiction:
        return OtherProgram(_l("This program is that of %(code)s.", code=other.jurisdiction))
    if other.calendar.plan_year_starts != policy.calendar.plan_year_starts:
        return OtherProgram(_l("The start of the plan year cannot move: years would overlap or leave a gap."))
    if effective_on <= local_date(at, policy.zone):
        return TooLate(_l("A change takes effect tomorrow at the earliest: what held until today stays as it was."))
    if db.session.scalars(approved.where(PolicyVersion.effective_on == effective_on)).first() is not None:
        return DateTaken(
            _l("For %(day)s another version is approved already. Withdraw it first.", day=effective_on.isoformat())
        )
    return None


def propose(policy_text: str, *, effective_on: date, by: Actor, at: datetime) -> PolicyVersion:
    """Propose the version of the document that takes effect on ``effective_on``.

    Refuses ``BadPolicy`` (with every problem of the text), ``NotARegulator`` and what
    ``refusal_to_take_effect`` answers. The same text proposed again is the proposal already there.
    """
    login_id = _regulator(by)
    document = read(policy_text)
    refusal = refusal_to_take_effect(document, effective_on, at=at)
    if refusal is not None:
        raise refusal
    same = select(PolicyVersion).where(
        PolicyVersion.digest == document.digest,
        PolicyVersion.effective_on == effective_on,
        PolicyVersion.state == PolicyState.PROPOSED,
    )
    version = db.session.scalars(same).one_or_none()
    if version is not None:
        return version
    version = PolicyVersion(
        jurisdiction=document.jurisdiction,
        effective_on=effective_on,
        text=policy_text,
        digest=document.digest,
        state=PolicyState.PROPOSED,
        proposed_by=login_id,
        proposed_at=at,
    )
    db.session.add(version)
    db.session.flush()
    _record("policy.proposed", version, by=by, at=at)
    return version


def approve(version: PolicyVersion, *, by: Actor, at: datetime) -> None:
    """Let the version take effect on its date. Refuses as ``refusal_to_approve`` says."""
    db.session.refresh(version, with_for_update=True)
    refusal = refusal_to_approve(version, by=by, at=at)
    if refusal is not None:
        raise refusal
    version.state, version.approved_by, version.approved_at = PolicyState.APPROVED, by.login_id, at
    db.session.flush()
    _record("policy.approved", version, by=by, at=at)


def refusal_to_approve(version: PolicyVersion, *, by: Actor, at: datetime) -> Refusal | None:
    """Why this person cannot approve the version now: who proposed it cannot, nor can what is decided or too late."""
    refusal = _refusal_of_step(version, PolicyState.APPROVED, by=by)
    if refusal is not None:
        return refusal
    if by.login_id == version.proposed_by:
        return SamePerson(_l("You proposed this version: another regulator has to approve it."))
    return refusal_to_take_effect(read(version.text), version.effective_on, at=at)


def withdraw(version: PolicyVersion, *, reason: str, by: Actor, at: datetime) -> None:
    """Take a version back, as long as it does not hold yet. Refuses as ``refusal_to_withdraw`` says."""
    db.session.refresh(version, with_for_update=True)
    refusal = refusal_to_withdraw(version, by=by, at=at)
    if refusal is not None:
        raise refusal
    version.state, version.withdrawn_by, version.withdrawn_at = PolicyState.WITHDRAWN, by.login_id, at
    db.session.flush()
    _record("policy.withdrawn", version, by=by, at=at, reason=reason)


def refusal_to_withdraw(version: PolicyVersion, *, by: Actor, at: datetime) -> Refusal | None:
    """Why this person cannot take the version back now; None when he can."""
    refusal = _refusal_of_step(version, PolicyState.WITHDRAWN, by=by)
    if refusal is not None:
        return refusal
    today = local_date(at, policy_of(version).zone)
    if version.state is PolicyState.APPROVED and version.effective_on <= today:
        return NotOpenForDecision(_l("This version holds already. Propose another one that follows it."))
    return None


def _refusal_of_step(version: PolicyVersion, state: PolicyState, *, by: Actor) -> Refusal | None:
    if by.audience is not Audience.REGULATOR or by.login_id is None:
        return NotARegulator(_l("Only a regulator decides on the policy of this program."))
    if state not in MAY_BECOME[version.state]:
        return NotOpenForDecision(_l("This version has been decided on already."))
    return None


def _regulator(by: Actor) -> int:
    if by.audience is not Audience.REGULATOR or by.login_id is None:
        raise NotARegulator(_l("Only a regulator decides on the policy of this program."))
    return by.login_id


def _record(action: str, version: PolicyVersion, *, by: Actor, at: datetime, reason: str | None = None) -> None:
    facts = f"effective_on={version.effective_on} digest={version.digest}"
    audit.record(action, f"policy:{version.id}", by=by, at=at, reason=reason, facts=facts)
