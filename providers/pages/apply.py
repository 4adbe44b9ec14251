"""How does an organization ask to offer benefits here?"""

from __future__ import annotations

import re
from typing import Final

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import EmailField, PasswordField, SelectField
from wtforms.fields.choices import SelectChoice

from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access, login
from exchange.identity.actors import Audience
from exchange.identity.login import rates
from exchange.identity.organizations import NameTaken
from exchange.web.audiences import audience_blueprint
from exchange.web.forms import NameField, PageForm, ParsedField, TextField, needed, refusal_to_form, render_form
from providers import irs_register, qualification
from providers.models import ProviderKind
from providers.pages.occasion import occasion
from providers.pages.wording import KIND_WORDS
from providers.qualification import Application

bp = audience_blueprint("apply", __name__, Audience.PUBLIC)

AT_MOST_AN_HOUR: Final = 10
"""So many tries to apply come from one network address: an answer tells whether somebody signs in with an address."""
_WEBSITE: Final = re.compile(r"https://[a-z0-9](?:[a-z0-9.-]{0,200}[a-z0-9])?(?:/[A-Za-z0-9._~/-]{0,200})?", re.ASCII)
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ().-]{5,24}", re.ASCII)


class BadContact(Refusal):
    """Text that is no address of a website, or no telephone number."""

    code = "bad_contact"


def parse_website(text: str) -> str:
    """``https://example.org``; refuses every other scheme, ports, names in it, and addresses with a query."""
    website = text.strip(" ")
    if _WEBSITE.fullmatch(website) is None or ".." in website:
        raise BadContact(_l("Write it like https://example.org."))
    return website


def parse_phone(text: str) -> str:
    """A number as people write it."""
    phone = text.strip(" ")
    if _PHONE.fullmatch(phone) is None:
        raise BadContact(_l("Write it with digits, like +1 206 555 0100."))
    return phone


class ApplicationForm(PageForm):
    """What the organization says of itself, and who signs in for it."""

    name = NameField(_l("Name of the organization"), [needed()], hint=_l("As it is registered."))
    kind = SelectField(_l("What it is"))
    ein = ParsedField(
        _l("Employer identification number"),
        [needed()],
        parse=irs_register.parse_ein,
        hint=_l("Nine digits, like 12-3456789. It is looked up in the tax office's register of exempt organizations."),
    )
    summary = TextField(
        _l("In one or two sentences"), [needed()], at_most=400, hint=_l("For whom you are, as workers will read it.")
    )
    website = ParsedField(_l("Website"), parse=parse_website, hint=_l("Like https://example.org"))
    public_email = EmailField(_l("E-mail address for members"))
    phone = ParsedField(_l("Telephone for members"), parse=parse_phone)
    person = NameField(_l("Your name"), [needed()])
    email = EmailField(_l("Your e-mail address"), [needed()], description=_l("You sign in with it. It is not shown."))
    password = PasswordField(
        _l("A password"), [needed()], description=_l("At least 8 characters. A second step is set up when you sign in.")
    )


@bp.route("/apply", methods=["GET", "POST"])
def show() -> ResponseReturnValue:
    """Apply; the organization and its first login are entered together or not at all."""
    form = ApplicationForm()
    form.kind.choices = [SelectChoice(kind.value, str(word)) for kind, word in KIND_WORDS.items()]
    if form.is_submitted():
        rates.slow_down(f"apply {rates.address()}", at_most=AT_MOST_AN_HOUR)
    if form.validate_on_submit():
        try:
            in_unit_of_work(lambda: _apply(form))
        except NameTaken as refusal:
            refusal_to_form(form, refusal, field="name")
        except Refusal as refusal:
            refusal_to_form(form, refusal)
        else:
            flash(_("We have your application. Sign in to show what qualification asks for."), "success")
            return redirect(url_for("security.login", next=url_for("provider_home.home")), code=303)
    return render_form("public/apply.html", form)


def _apply(form: ApplicationForm) -> None:
    now, by = occasion(), access.current_actor()
    application = Application(
        name=str(form.name.data),
        kind=ProviderKind(form.kind.data),
        ein=str(form.ein.data),
        summary=str(form.summary.data),
        website=form.website.data,
        email=_address(form.public_email.data),
        phone=form.phone.data,
    )
    provider = qualification.apply(application, policy=now.policy, by=by, at=now.at)
    login.create(
        form.email.data,
        password=form.password.data,
        name=str(form.person.data),
        audience=Audience.PROVIDER,
        organization_id=provider.organization_id,
        by=by,
        at=now.at,
    )


def _address(text: str | None) -> str | None:
    """The public address, if one was given. Refuses ``BadEmail`` at its own field."""
    if not text or not text.strip():
        return None
    try:
        return login.clean_email(text)
    except login.BadEmail as refusal:
        raise login.BadEmail(refusal.sentence, field="public_email") from refusal
