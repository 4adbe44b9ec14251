"""How is a worker told something that concerns his account?

As a notice behind his sign-in, which also goes by mail; and to the address he registered with, when he
signs in with another one by now, so that whoever took over a sign-in cannot hide what he does with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime

from flask_babel import force_locale
from sqlalchemy import select

from enrollment.models import BenefitAccount, Worker
from exchange import notices, outgoing_mail
from exchange.database import db
from exchange.identity.actors import Actor
from exchange.identity.people import Login

Letter = tuple[str, str]


def tell(account_id: int, letter: Callable[[], Letter], *, by: Actor, at: datetime) -> None:
    """Tell the worker whose account it is, in the transaction of the deed.

    ``letter`` writes subject and body, plain text, in the language in force: while it runs that is the worker's,
    whoever gave cause for it. Where his is not known yet it is theirs.
    """
    login_id, registered, present, language = db.session.execute(
        select(Worker.login_id, Worker.email, Login.email, Login.language)
        .join(BenefitAccount, BenefitAccount.worker_id == Worker.id)
        .outerjoin(Login, Login.id == Worker.login_id)
        .where(BenefitAccount.id == account_id)
    ).one()
    with force_locale(language) if language is not None else nullcontext():
        subject, body = letter()
    if login_id is not None:
        notices.notify(subject, body=body, login_id=login_id, by=by, at=at)
    if registered != present:
        outgoing_mail.write(registered, subject=subject, body=body, at=at)
