"""How does an employer come on the exchange?  The operator enters it, and lets a first person of its staff in."""

from __future__ import annotations

from typing import Any, Final

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, func, select
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice

from enrollment import employers
from enrollment.models import Employer, EmployerKind
from exchange import clock
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access, login
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.identity.organizations import Organization
from exchange.identity.people import Login
from exchange.policy import versions
from exchange.web import forms, tables
from exchange.web.audiences import audience_blueprint
from providers.irs_register import parse_ein

bp = audience_blueprint("operator_employers", __name__, Audience.OPERATOR, "/operator/employers")
bp.add_to_nav("show_all", _l("Employers"), order=45)

KINDS: Final[dict[EmployerKind, LazyString]] = {
    EmployerKind.PLATFORM: _l("Platform"),
    EmployerKind.FIRM: _l("Firm"),
    EmployerKind.HOUSEHOLD: _l("Household"),
    EmployerKind.PUBLIC: _l("Public body"),
}


class RegisterForm(forms.PageForm):
    """An employer and the first person who acts for it."""

    name = forms.NameField(_l("Name of the employer"), [forms.needed()])
    kind = SelectField(_l("Kind"), choices=[SelectChoice(one.value, word) for one, word in KINDS.items()])
    sector = SelectField(_l("Trade"))
    ein = forms.ParsedField(
        _l("Employer identification number"), parse=parse_ein, hint=_l("Households have none. Like 12-3456789.")
    )
    person = forms.NameField(_l("Who acts for it"), [forms.needed()])
    email = forms.ParsedField(
        _l("E-mail of that person"),
        [forms.needed()],
        parse=login.clean_email,
        hint=_l("The way in is “Forgot your password?” with this address."),
    )


@bp.route("/", methods=["GET", "POST"])
def show_all() -> ResponseReturnValue:
    """Every employer; and the form that enters one."""
    if request.method == "POST" and (stale := access.require_fresh()) is not None:
        return stale
    form = RegisterForm()
    form.sector.choices = [SelectChoice(code, name) for code, name in _sectors().items()]
    if form.validate_on_submit():
        try:
            in_unit_of_work(lambda: _register(form))
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            flash(_("Entered. The first person of its staff can choose a password now."), "success")
            return redirect(url_for("operator_employers.show_all"), code=303)
    wanted = request.args.get("q", "").strip()
    return forms.render_form(
        "operator/employers.html",
        form,
        page=tables.read_page(_listed(wanted), number=tables.asked_page(), per_page=25),
        wanted=wanted,
        kinds=KINDS,
        sectors=_sectors(),
    )


def _register(form: RegisterForm) -> None:
    by, at = current_actor(), clock.now()
    employer = employers.register(
        str(form.name.data), kind=form.kind.data, sector=form.sector.data, ein=form.ein.data, by=by, at=at
    )
    login.create(
        str(form.email.data),
        password=None,
        name=str(form.person.data),
        audience=Audience.EMPLOYER,
        organization_id=employer.organization_id,
        by=by,
        at=at,
    )


def _sectors() -> dict[str, str]:
    """The trades of every policy that ever held, the present names last."""
    return {sector.code: sector.name for policy in versions.timeline().policies for sector in policy.sectors}


def _listed(wanted: str) -> Select[*tuple[Any, ...]]:
    staff = (
        select(func.count())
        .select_from(Login)
        .where(Login.organization_id == Employer.organization_id, Login.active)
        .correlate(Employer)
        .scalar_subquery()
    )
    rows = (
        select(Organization.name, Employer.kind, Employer.sector, Employer.registered_at, staff.label("staff"))
        .select_from(Employer)
        .join(Organization, Organization.id == Employer.organization_id)
        .order_by(func.lower(Organization.name), Employer.organization_id)
    )
    return rows.where(Organization.name.icontains(wanted, autoescape=True)) if wanted else rows
