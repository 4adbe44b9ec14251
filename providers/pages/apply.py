"""How does an organization ask to offer benefits here?

It goes on by a letter, so that the answer tells nobody whose address was named.
"""

from __future__ import annotations

import re
from typing import Final

from flask import redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from wtforms import EmailField, SelectField
from wtforms.fields.choices import SelectChoice

from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access, login
from exchange.identity.actors import Audience
from exchange.identity.login import newcomers, rates
from exchange.identity.organizations import NameTaken
from exchange.identity.people import Login
from exchange.web.audiences import audience_blueprint
from exchange.web.forms import NameField, PageForm, ParsedField, TextField, needed, refusal_to_form, render_form
from providers import irs_register, qualification
from providers.models import ProviderKind
from providers.pages.occasion import occasion
from providers.pages.wording import KIND_WORDS
from providers.qualification import Application

bp = audience_blueprint("apply", __name__, Audience.PUBLIC)

AT_MOST_AN_HOUR: Final = 10
"""So many tries to apply come from one network address."""
_SENT_TO: Final = "applied_with"
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
    email = EmailField(
        _l("Your e-mail address"),
        [needed()],
        description=_l("You sign in with it: we send a letter there, by which you choose your password."),
    )


@bp.route("/apply", methods=["GET", "POST"])
def show() -> ResponseReturnValue:
    """Apply, and be told that a letter says how to go on: the same to whoever signs in here already."""
    form = ApplicationForm()
    form.kind.choices = [SelectChoice(kind.value, str(word)) for kind, word in KIND_WORDS.items()]
    if form.is_submitted():
        rates.slow_down(f"apply {rates.address()}", at_most=AT_MOST_AN_HOUR)
    if form.validate_on_submit():
        try:
            application = _application(form)
            address = newcomers.address_for_a_letter(str(form.email.data))
            in_unit_of_work(lambda: _apply(application, person=str(form.person.data), address=address))
        except NameTaken as refusal:
            refusal_to_form(form, refusal, field="name")
        except Refusal as refusal:
            refusal_to_form(form, refusal)
        else:
            session[_SENT_TO] = address
            return redirect(url_for("apply.sent"), code=303)
    return render_form("public/apply.html", form)


@bp.get("/apply/sent")
def sent() -> ResponseReturnValue:
    """Where the letter went, so that a slip shows."""
    if (address := session.get(_SENT_TO)) is None:
        return redirect(url_for("apply.show"))
    return render_template("public/apply_sent.html", address=address)


def _application(form: ApplicationForm) -> Application:
    return Application(
        name=str(form.name.data),
        kind=ProviderKind(form.kind.data),
        ein=str(form.ein.data),
        summary=str(form.summary.data),
        website=form.website.data,
        email=_address(form.public_email.data),
        phone=form.phone.data,
    )


def _apply(application: Application, *, person: str, address: str) -> None:
    """The organization and its first login are entered together or not at all."""
    now, by = occasion(), access.current_actor()

    def enter(email: str) -> Login:
        provider = qualification.apply(application, policy=now.policy, by=by, at=now.at)
        return login.create(
            email,
            password=None,
            name=person,
            audience=Audience.PROVIDER,
            organization_id=provider.organization_id,
            by=by,
            at=now.at,
        )

    newcomers.ask(address, enter=enter, letters=newcomers.Letters(_to_newcomer, _to_owner), by=by, at=now.at)


def _to_newcomer(link: str) -> newcomers.Letter:
    return gettext("We have your application"), gettext(
        "Choose a password within 10 minutes, then sign in to show what qualification asks for:\n\n%(link)s\n\n"
        "Later, ask for a new link by “Forgot your password?” where you sign in. If you did not apply, do nothing: "
        "without a password nobody can sign in.",
        link=link,
    )


def _to_owner(sign_in: str) -> newcomers.Letter:
    return gettext("You have an account already"), gettext(
        "Somebody, most likely you, wanted to apply as a provider with this address. You sign in with it already, and "
        "each address is for one account only, so nothing was entered. Apply with another address of the "
        "organization, or sign in here:\n\n%(sign_in)s\n\nIf it was not you, do nothing.",
        sign_in=sign_in,
    )


def _address(text: str | None) -> str | None:
    """The public address, if one was given. Refuses ``BadEmail`` at its own field."""
    if not text or not text.strip():
        return None
    try:
        return login.clean_email(text)
    except login.BadEmail as refusal:
        raise login.BadEmail(refusal.sentence, field="public_email") from refusal
