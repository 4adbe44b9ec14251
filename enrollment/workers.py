"""Who are the workers, and how does one come to the exchange?"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, false, select, true

from enrollment.models import BenefitAccount, Membership, Worker
from exchange import audit
from exchange.database import db
from exchange.errors import NotFound, Refusal
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience

NO_WORKER: Final = _l("There is no worker with this sign-in.")


class AlreadyRegistered(Refusal):
    """This login belongs to a worker already."""

    code = "already_registered"
    status = 409


def register(
    legal_name: str,
    *,
    email: str,
    place: str,
    login_id: int | None = None,
    born_on: date | None = None,
    by: Actor,
    at: datetime,
) -> Worker:
    """Enter a worker; his benefit account is opened by ``accounts.open_account``."""
    if login_id is not None and db.session.execute(select(Worker.id).where(Worker.login_id == login_id)).first():
        raise AlreadyRegistered(_l("You are registered already."))
    worker = Worker(
        legal_name=legal_name,
        email=email.lower(),
        place=place,
        login_id=login_id,
        born_on=born_on,
        registered_at=at,
    )
    db.session.add(worker)
    db.session.flush()
    audit.record("worker.registered", f"worker:{worker.id}", by=by, at=at)
    return worker


def of_actor(actor: Actor) -> Worker:
    """The worker who is signed in; ``NotFound`` when the login is no worker's."""
    worker = None
    if actor.audience is Audience.WORKER and actor.login_id is not None:
        worker = db.session.execute(select(Worker).where(Worker.login_id == actor.login_id)).scalar_one_or_none()
    if worker is None:
        raise NotFound(NO_WORKER)
    return worker


@scope_of(Worker)
def _workers_of(actor: Actor) -> ColumnElement[bool]:
    """A worker sees himself; a provider its members; operator and regulator everybody."""
    match actor.audience:
        case Audience.WORKER:
            return Worker.login_id == actor.login_id
        case Audience.PROVIDER:
            members = (
                select(BenefitAccount.worker_id)
                .join(Membership, Membership.benefit_account_id == BenefitAccount.id)
                .where(Membership.provider_id == actor.organization_id, Membership.ends_at.is_(None))
            )
            return Worker.id.in_(members)
        case Audience.OPERATOR | Audience.REGULATOR | Audience.SYSTEM:
            return true()
        case _:
            return false()
