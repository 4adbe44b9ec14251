"""How is a worker told something that concerns his account?

As a notice behind his sign-in, which also goes by mail; and to the address he registered with, when he
signs in with another one by now, so that whoever took over a sign-in cannot hide what he does with it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from enrollment.models import BenefitAccount, Worker
from exchange import notices, outgoing_mail
from exchange.database import db
from exchange.identity.actors import Actor
from exchange.identity.people import Login


def tell(account_id: int, subject: str, *, body: str, by: Actor, at: datetime) -> None:
    """Tell the worker whose account it is, in the transaction of the deed. Plain text, in his language."""
    login_id, registered, present = db.session.execute(
        select(Worker.login_id, Worker.email, Login.email)
        .join(BenefitAccount, BenefitAccount.worker_id == Worker.id)
        .outerjoin(Login, Login.id == Worker.login_id)
        .where(BenefitAccount.id == account_id)
    ).one()
    if login_id is not None:
        notices.notify(subject, body=body, login_id=login_id, by=by, at=at)
    if registered != present:
        outgoing_mail.write(registered, subject=subject, body=body, at=at)
