"""How does a stranger look around the demonstration?  Sign in as anybody, move the clock, read the letters.

These pages exist in demo mode only: outside it they are never registered, and refuse if they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Flask, abort, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_security import login_user
from sqlalchemy import case, select

from exchange import clock
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.errors import NotFound
from exchange.identity.actors import Audience
from exchange.identity.login import sessions
from exchange.identity.organizations import Organization
from exchange.identity.people import Login
from exchange.outgoing_mail import OutgoingMail
from exchange.web.redirects import local_path
from exchange.web.tables import asked_page, read_page

Moment = tuple[str | LazyString, Callable[[], datetime | None]]
EXTENSION = "demo_moments"
LETTERS_SHOWN = 50
_ORDER = (Audience.WORKER, Audience.EMPLOYER, Audience.PROVIDER, Audience.REGULATOR, Audience.OPERATOR)

bp = Blueprint("demo", __name__, url_prefix="/demo")


@dataclass(frozen=True, slots=True)
class MomentShown:
    """A moment that the clock can be moved to."""

    number: int
    label: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Bar:
    """What the bar above each page shows."""

    now: datetime
    is_ahead: bool
    moments: list[MomentShown]


def init_app(app: Flask, moments: Sequence[Moment]) -> None:
    """Register the pages and the bar; ``moments`` are those that the clock can be moved to, when they lie ahead."""
    assert app.config["DEMO"], "demo pages exist in demo mode only"
    app.extensions[EXTENSION] = list(moments)
    app.register_blueprint(bp)
    app.jinja_env.globals["demo_bar"] = bar


def bar() -> Bar:
    """The demo's clock and the moments that are still to come."""
    now = clock.now()
    return Bar(now, clock.demo_offset().total_seconds() > 0, moments_after(now))


def moments_after(now: datetime) -> list[MomentShown]:
    """The moments offered that lie ahead, the nearest first."""
    offered: list[Moment] = current_app.extensions[EXTENSION]
    found = [(number, label, find()) for number, (label, find) in enumerate(offered)]
    ahead = [MomentShown(number, str(label), at) for number, label, at in found if at is not None and at > now]
    return sorted(ahead, key=lambda moment: (moment.at, moment.number))


@bp.before_request
def only_in_demo() -> None:
    """Refuse outside demo mode, should these pages ever be registered there."""
    if not current_app.config.get("DEMO"):
        abort(404)


@bp.post("/clock")
def move_clock() -> ResponseReturnValue:
    """Move the clock forward to one of the moments offered. What is then due is done by the scheduler."""
    number = request.form.get("moment", type=int)

    def work() -> MomentShown:
        wanted = [moment for moment in moments_after(clock.now()) if moment.number == number]
        if not wanted:
            raise NotFound(_("This moment has passed. The clock moves forward only."))
        clock.move_demo_clock(to=wanted[0].at)
        return wanted[0]

    moment = in_unit_of_work(work)
    flash(
        _(
            "The clock now shows: %(moment)s. The scheduler does what is due within a few seconds; reload to see it.",
            moment=moment.label,
        ),
        "success",
    )
    return redirect(local_path(request.form.get("next"), default="/"), code=303)


@bp.get("/sign-in")
def people() -> str:
    """Everybody who can sign in, by audience, found by a part of the name, address or organization."""
    wanted = request.args.get("q", "").strip()
    audience = request.args.get("audience", Audience.WORKER.value)
    statement: Any = (
        select(Login.id, Login.name, Login.email, Login.audience, Organization.name.label("organization"))
        .outerjoin(Organization, Organization.id == Login.organization_id)
        .where(Login.active)
        .order_by(
            case({value: place for place, value in enumerate(_ORDER)}, value=Login.audience),
            Organization.name,
            Login.name,
            Login.id,
        )
    )
    if wanted:
        found_in = (Login.name, Login.email, Organization.name)
        hits = [column.icontains(wanted, autoescape=True) for column in found_in]
        statement = statement.where(hits[0] | hits[1] | hits[2])
    elif audience in _ORDER:
        statement = statement.where(Login.audience == Audience(audience))
    return render_template(
        "demo/sign_in.html",
        page=read_page(statement, number=asked_page()),
        audiences=_ORDER,
        audience=audience,
        wanted=wanted,
    )


@bp.post("/sign-in/<int:login_id>")
def sign_in_as(login_id: int) -> ResponseReturnValue:
    """Be this person. It counts as fresh, and as a second factor."""
    session.clear()
    with unit_of_work():
        login = db.session.get(Login, login_id)
        if login is None or not login.active:
            abort(404)
        login_user(login, authn_via=["demo"])
        sessions.begin(login, by_demo=True)
    return redirect(url_for("account.start"), code=303)


@bp.get("/letters")
def letters() -> str:
    """What would have been sent by mail."""
    newest = select(OutgoingMail).order_by(OutgoingMail.id.desc()).limit(LETTERS_SHOWN)
    return render_template("demo/letters.html", letters=db.session.execute(newest).scalars().all())
