"""What can somebody who has signed in see and change about his own way in?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_security import current_user
from wtforms import EmailField
from wtforms.validators import InputRequired

from exchange import clock, notices
from exchange.database import db, in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access, login
from exchange.identity.login import addresses, rates
from exchange.identity.login.sessions import SignedInBlueprint
from exchange.identity.organizations import Organization
from exchange.web.audiences import navigation
from exchange.web.forms import NameField, PageForm, refusal_to_form, render_form

bp = SignedInBlueprint("account", __name__, url_prefix="/account")
NOTICES_SHOWN = 50
NEW_ADDRESSES_AN_HOUR = 5
"""So often somebody may ask to sign in with another address: each time a letter goes to whomever he names."""
LETTERS_AN_HOUR = 3
"""So many such letters go to one address, whoever names it."""


@dataclass(frozen=True, slots=True)
class NoticeShown:
    """A notice as the page shows it."""

    id: int
    at: datetime
    subject: str
    body: str
    is_new: bool


class ContactForm(PageForm):
    """Name and address of the one who signs in."""

    name = NameField(_l("Name"), [InputRequired()])
    email = EmailField(_l("E-mail address"), [InputRequired()])


@bp.get("/start")
def start() -> ResponseReturnValue:
    """Lead to the first page of whoever has just signed in."""
    links = navigation(access.current_actor().audience)
    return redirect(links[0].url if links else url_for("account.home"))


@bp.get("/")
def home() -> ResponseReturnValue:
    """One's own way in, and what the exchange has told him."""
    actor = access.current_actor()
    organization = db.session.get(Organization, actor.organization_id) if actor.organization_id else None
    shown = [
        NoticeShown(notice.id, notice.at, notice.subject, notice.body, is_new=notice.read_at is None)
        for notice in notices.newest(actor, at_most=NOTICES_SHOWN)
    ]
    return render_template(
        "account/home.html",
        name=actor.name,
        email=current_user.email,
        organization=organization.name if organization else None,
        has_second_factor=current_user.has_second_factor,
        needs_second_factor=current_user.needs_second_factor,
        recovery_codes_left=len(current_user.mf_recovery_codes or []),
        notices=shown,
        unread=[notice.id for notice in shown if notice.is_new],
    )


@bp.post("/notices/read")
def read_notices() -> ResponseReturnValue:
    """Remember that the notices shown were read."""
    actor = access.current_actor()

    def work() -> None:
        shown = notices.newest(actor, at_most=NOTICES_SHOWN)
        notices.mark_read([notice.id for notice in shown], by=actor, at=clock.now())

    in_unit_of_work(work)
    return redirect(url_for("account.home"), code=303)


@bp.route("/contact", methods=["GET", "POST"])
def contact() -> ResponseReturnValue:
    """Change the name, and ask for another address: a letter to it says how."""
    if (answer := access.require_fresh()) is not None:
        return answer
    actor = access.current_actor()
    form = ContactForm(data={"name": actor.name, "email": current_user.email})
    if not form.validate_on_submit():
        return render_form("account/contact.html", form)
    try:
        address = login.clean_email(str(form.email.data))
        is_new = address != current_user.email
        if is_new:
            rates.slow_down(f"new address of login {actor.login_id}", at_most=NEW_ADDRESSES_AN_HOUR)
            rates.slow_down(f"letters about another address to {address}", at_most=LETTERS_AN_HOUR)
        in_unit_of_work(lambda: _change_contact(actor, str(form.name.data), address if is_new else None))
    except Refusal as refusal:
        refusal_to_form(form, refusal)
        return render_form("account/contact.html", form)
    flash(_sent_to(address) if is_new else _("Your name is saved."), "success")
    return redirect(url_for("account.home"), code=303)


def _sent_to(address: str) -> str:
    words = _(
        "A letter is on its way to %(address)s. Until you follow the link in it, you sign in with the old address.",
        address=address,
    )
    return str(words)


def _change_contact(actor: access.Actor, name: str, address: str | None) -> None:
    assert actor.login_id is not None
    at = clock.now()
    login.rename(actor.login_id, name, by=actor, at=at)
    if address is not None:
        addresses.ask(actor.login_id, address, link=_link_with, by=actor, at=at)


def _link_with(token: str) -> str:
    return url_for("account.new_address", token=token, _external=True)


@bp.route("/address/<token>", methods=["GET", "POST"])
def new_address(token: str) -> ResponseReturnValue:
    """Where the letter leads: sign in with this address from now on. Both the old and the new address are told."""
    actor, form = access.current_actor(), PageForm()
    address = None
    try:
        address = addresses.named(token, by=actor)
        if form.validate_on_submit():
            in_unit_of_work(lambda: addresses.take(token, by=actor, at=clock.now()))
            flash(_("From now on you sign in with %(address)s.", address=address), "success")
            return redirect(url_for("account.home"), code=303)
    except Refusal as refusal:
        refusal_to_form(form, refusal)
    return render_form("account/new_address.html", form, address=address)
