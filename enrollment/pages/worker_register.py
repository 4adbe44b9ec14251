"""How does somebody who works get an account?"""

from __future__ import annotations

from typing import Final

from flask import current_app, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from flask_security import login_user
from wtforms import EmailField, PasswordField, SelectField

from enrollment import registration
from enrollment.pages.worker_self import place_choices
from enrollment.registration import Person
from exchange import clock
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access, login
from exchange.identity.actors import Audience
from exchange.identity.login import rates
from exchange.policy import versions
from exchange.web import forms
from exchange.web.audiences import audience_blueprint

bp = audience_blueprint("worker_register", __name__, Audience.PUBLIC, "/register")


AT_MOST_AN_HOUR: Final = 30
"""So many tries to register come from one network address; a library or a union hall has but one."""


class TooManyTries(Refusal):
    """Somebody tries addresses, or fills the exchange with people who do not exist."""

    code = "too_many_tries"
    status = 429


class RegisterForm(forms.PageForm):
    """A person who works, for whomever."""

    name = forms.NameField(
        _l("Full name"), [forms.needed()], hint=_l("As it stands on your papers."), render_kw={"autocomplete": "name"}
    )
    email = EmailField(_l("E-mail address"), [forms.needed()], render_kw={"autocomplete": "email"})
    place = SelectField(_l("Where you live"), description=_l("It decides which packages you can choose."))
    password = PasswordField(
        _l("Password"),
        [forms.needed()],
        description=_l("At least %(count)s characters. Several words in a row are easy to keep in mind.",
                       count=login.SHORTEST_ALONE),
        render_kw={"autocomplete": "new-password"},
    )  # fmt: skip


@bp.route("/", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    """Register, and come out with an account number and its card."""
    if access.current_actor().audience is not Audience.PUBLIC:
        return redirect(url_for("account.start"))
    policy = versions.at_instant(clock.now())
    form = RegisterForm()
    form.place.choices = place_choices(policy)
    if form.is_submitted():
        _slow_down()
    if form.validate_on_submit():
        person = Person(str(form.name.data), str(form.email.data), str(form.password.data), str(form.place.data))
        try:
            in_unit_of_work(lambda: _register(person))
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            return redirect(url_for("worker_home.card", welcome="yes"), code=303)
    return forms.render_form("worker/register.html", form, program=policy.jurisdiction_name)


def _slow_down() -> None:
    """Count the try, beside the session: it stays counted when nothing comes of it. A demo has nothing to guess."""
    if current_app.config["DEMO"]:
        return
    tries = rates.DatabaseStorage("exchange-database://").incr(f"register {rates.address()}", 3_600)
    if tries > AT_MOST_AN_HOUR:
        raise TooManyTries(_l("There were too many tries from your network. Wait an hour, then register."))


def _register(person: Person) -> None:
    at = clock.now()
    made = registration.register(
        person, policy=versions.at_instant(at), by=access.current_actor(), at=at
    )  # fmt: skip
    login_user(made.login, authn_via=["password"])
