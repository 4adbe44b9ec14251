"""Who are the employers, and how do their programs sign in?

An employer's program shows a token with each request. The token stands in no table: what is kept is
its SHA-256, which is enough for 256 random bits that nobody can guess.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, false, select, true
from sqlalchemy.orm import Mapped, mapped_column

from enrollment.models import Employer, EmployerKind
from exchange import audit, outgoing_mail
from exchange.database import Base, db
from exchange.errors import NotFound, Refusal
from exchange.identity import login
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience
from exchange.identity.organizations import Organization, OrganizationKind, found
from exchange.identity.people import Login
from exchange.policy import versions

TOKEN_PREFIX: Final = "pbx_"  # noqa: S105 - lets a leaked token be recognized, and is none
_TOKEN_BYTES: Final = 32


class ApiToken(Base):
    """What an employer's program signs in with, for as long as nobody revokes it."""

    __tablename__ = "api_token"
    __table_args__ = (
        CheckConstraint("length(digest) = 32", name="digest"),
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        Index("ix_api_token_employer_id", "employer_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    employer_id: Mapped[int] = mapped_column(ForeignKey("employer.organization_id"))
    name: Mapped[str]
    # SHA-256 of the token.
    digest: Mapped[bytes] = mapped_column(unique=True)
    # Its last characters, by which its owner tells one from another.
    ending: Mapped[str]
    made_at: Mapped[datetime]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    revoked_at: Mapped[datetime | None]


class UnknownSector(Refusal):
    """The policy knows no such trade."""

    code = "unknown_sector"


def register(
    name: str, *, kind: EmployerKind | str, sector: str, ein: str | None = None, by: Actor, at: datetime
) -> Employer:
    """Enter somebody who pays for work. Refuses a name or EIN that is taken, and a sector that no policy knows."""
    known = {sector.code for policy in versions.timeline().policies for sector in policy.sectors}
    if sector not in known:
        raise UnknownSector(_l("The policy of this program knows no sector “%(code)s”.", code=sector))
    organization = found(name, kind=OrganizationKind.EMPLOYER, ein=ein, by=by, at=at)
    employer = Employer(organization_id=organization.id, kind=EmployerKind(kind), sector=sector, registered_at=at)
    db.session.add(employer)
    db.session.flush()
    audit.record("employer.registered", f"employer:{organization.id}", by=by, at=at, facts=f"kind={employer.kind}")
    return employer


def of_actor(actor: Actor) -> Employer:
    """The employer that somebody acts for; ``NotFound`` when he acts for none."""
    employer = None
    if actor.audience is Audience.EMPLOYER and actor.organization_id is not None:
        employer = db.session.get(Employer, actor.organization_id)
    if employer is None:
        raise NotFound(_l("There is no employer with this sign-in."))
    return employer


# --- tokens ---------------------------------------------------------------------------------------


def make_token(employer: Employer, *, name: str, by: Actor, at: datetime) -> str:
    """Make a token for an employer's program, and tell its staff. The answer is the only time that it can be read."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    row = ApiToken(
        employer_id=employer.organization_id,
        name=name,
        digest=_digest(token),
        ending=token[-4:],
        made_at=at,
        made_by_id=by.login_id,
    )
    db.session.add(row)
    db.session.flush()
    audit.record("api_token.made", f"api_token:{row.id}", by=by, at=at)
    for address in _addresses_of(employer.organization_id):
        outgoing_mail.write(
            address,
            subject=gettext("A token was made with which a program signs in for you"),
            body=gettext(
                "It is called “%(name)s”. If nobody of you made it, revoke it at once and tell us.", name=name
            ),
            at=at,
        )
    return token


def revoke_token(token: ApiToken, *, by: Actor, at: datetime) -> None:
    """End a token: it signs nobody in from the next request on. Twice is once."""
    if token.revoked_at is None:
        token.revoked_at = at
        audit.record("api_token.revoked", f"api_token:{token.id}", by=by, at=at)


def tokens_of(employer: Employer) -> Sequence[ApiToken]:
    """The tokens that sign in, the newest first."""
    live = select(ApiToken).where(ApiToken.employer_id == employer.organization_id, ApiToken.revoked_at.is_(None))
    return db.session.scalars(live.order_by(ApiToken.made_at.desc(), ApiToken.id.desc())).all()


class Maker(NamedTuple):
    """Who made a token, and whether he may still sign in himself."""

    name: str
    active: bool


def makers_of(tokens: Sequence[ApiToken]) -> dict[int | None, Maker]:
    """Who made them, by the number of his login; one that no person made has none."""
    rows = select(Login.id, Login.name, Login.active).where(Login.id.in_([token.made_by_id for token in tokens]))
    return {id_: Maker(name, active) for id_, name, active in db.session.execute(rows)}


@login.disabled.connect
def _his_tokens_go_on(gone: Login, *, by: Actor, at: datetime) -> None:
    """A program reports on, whoever set it up; but who is let in no more may have kept its token. So his colleagues
    are told which ones he made. Where there are none, nobody could stop them any more: they are revoked.
    """
    his = select(ApiToken).where(ApiToken.made_by_id == gone.id, ApiToken.revoked_at.is_(None)).order_by(ApiToken.id)
    tokens = db.session.scalars(his).all()
    if not tokens:
        return
    colleagues = _addresses_of(tokens[0].employer_id)
    for address in colleagues:
        outgoing_mail.write(
            address,
            subject=gettext("%(name)s can no longer sign in; programs with his or her tokens can", name=gone.name),
            body=gettext(
                "These tokens still sign in for you: %(names)s. On the page “For programs”, revoke each that %(name)s "
                "may have kept, and give the program a new one.",
                names=", ".join(f"“{token.name}”" for token in tokens),
                name=gone.name,
            ),
            at=at,
        )
    if not colleagues:
        for token in tokens:
            revoke_token(token, by=by, at=at)


def _addresses_of(organization_id: int) -> Sequence[str]:
    """Of those who may sign in for an organization."""
    staff = select(Login.email).where(Login.organization_id == organization_id, Login.active)
    return db.session.scalars(staff.order_by(Login.id)).all()


def actor_with(token: str) -> Actor | None:
    """The employer's program that shows this token; None where no such token signs in."""
    row = db.session.execute(
        select(ApiToken.employer_id, ApiToken.name, Organization.name.label("employer"))
        .join(Organization, Organization.id == ApiToken.employer_id)
        .where(ApiToken.digest == _digest(token), ApiToken.revoked_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    return Actor(Audience.EMPLOYER, f"{row.employer}: {row.name}", organization_id=row.employer_id)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


@scope_of(Employer)
def _employers_of(actor: Actor) -> ColumnElement[bool]:
    """An employer sees itself; operator and regulator all."""
    match actor.audience:
        case Audience.EMPLOYER:
            return Employer.organization_id == actor.organization_id
        case Audience.OPERATOR | Audience.REGULATOR | Audience.SYSTEM:
            return true()
        case _:
            return false()


@scope_of(ApiToken)
def _tokens_of(actor: Actor) -> ColumnElement[bool]:
    """Tokens are their employer's alone: nobody else has business with them."""
    return ApiToken.employer_id == actor.organization_id if actor.audience is Audience.EMPLOYER else false()
