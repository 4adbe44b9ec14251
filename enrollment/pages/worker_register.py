"""How does somebody who works get an account?"""

from __future__ import annotations

from typing import Final

from flask import redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from wtforms import EmailField, SelectField

from enrollment import registration
from enrollment.pages.worker_self import place_choices
from enrollment.registration import Person
from exchange import clock
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.identity.login import newcomers, rates
from exchange.policy import versions
from exchange.web import forms
from exchange.web.audiences import audience_blueprint

bp = audience_blueprint("worker_register", __name__, Audience.PUBLIC, "/register")


AT_MOST_AN_HOUR: Final = 30
"""So many tries to register come from one network address; a library or a union hall has but one."""
_SENT_TO: Final = "registered_with"


class RegisterForm(forms.PageForm):
    """A person who works, for whomever."""

    name = forms.NameField(
        _l("Full name"), [forms.needed()], hint=_l("As it stands on your papers."), render_kw={"autocomplete": "name"}
    )
    email = EmailField(
        _l("E-mail address"),
        [forms.needed()],
        description=_l("We send a letter there, by which you choose your password."),
        render_kw={"autocomplete": "email"},
    )
    place = SelectField(_l("Where you live"), description=_l("It decides which packages you can choose."))


@bp.route("/", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    """Register, and be told that a letter says how to go on: the same to whoever has an account already."""
    if access.current_actor().audience is not Audience.PUBLIC:
        return redirect(url_for("account.start"))
    policy = versions.at_instant(clock.now())
    form = RegisterForm()
    form.place.choices = place_choices(policy)
    if form.is_submitted():
        rates.slow_down(f"register {rates.address()}", at_most=AT_MOST_AN_HOUR)
    if form.validate_on_submit():
        try:
            address = newcomers.address_for_a_letter(str(form.email.data))
            person = Person(str(form.name.data), address, None, str(form.place.data))
            in_unit_of_work(lambda: _register(person))
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            session[_SENT_TO] = address
            return redirect(url_for("worker_register.sent"), code=303)
    return forms.render_form("worker/register.html", form, program=policy.jurisdiction_name)


@bp.get("/sent")
def sent() -> ResponseReturnValue:
    """Where the letter went, so that a slip shows, and what can be done meanwhile."""
    if (address := session.get(_SENT_TO)) is None:
        return redirect(url_for("worker_register.register"))
    return render_template("worker/register_sent.html", address=address)


def _register(person: Person) -> None:
    at = clock.now()
    registration.ask(person, policy=versions.at_instant(at), by=access.current_actor(), at=at)
