"""How does a provider end a package without leaving its members with nobody?"""

from __future__ import annotations

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice

from exchange import calendar
from exchange.database import db, in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access
from exchange.identity.access import current_actor
from exchange.identity.actors import ANONYMOUS, Audience
from exchange.identity.organizations import Organization
from exchange.web.audiences import ROW, audience_blueprint
from exchange.web.forms import PageForm, refusal_to_form, render_form
from providers import publication
from providers.models import Package
from providers.pages.occasion import occasion
from providers.pages.own import own_package
from providers.publication import NoSuccessor

bp = audience_blueprint("provider_endings", __name__, Audience.PROVIDER, "/provider/packages")


class EndForm(PageForm):
    """With which plan year a package ends, and where its members go."""

    last_plan_year = SelectField(_l("It ends with the plan year"))
    successor = SelectField(
        _l("Its members go to"),
        description=_l("Unless they choose otherwise. Everything that they own goes with them."),
    )


@bp.route(f"/<{ROW}:package_id>/end", methods=["GET", "POST"])
def end(package_id: int) -> ResponseReturnValue:
    """Announce the end of a package and name its successor."""
    now = occasion()
    package = own_package(package_id)
    form = EndForm()
    years = (calendar.plan_year_of(now.policy, now.on).id, calendar.next_plan_year(now.policy, now.on).id)
    form.last_plan_year.choices = [SelectChoice(year, year) for year in years]
    form.successor.choices = [SelectChoice("", _("Choose a package")), *_successors(package)]
    if form.validate_on_submit():
        try:
            in_unit_of_work(lambda: _end(package_id, form))
        except Refusal as refusal:
            refusal_to_form(form, refusal, field="successor" if isinstance(refusal, NoSuccessor) else "last_plan_year")
        else:
            flash(_("The end is announced. Members are told, and go to the successor unless they choose."), "success")
            return redirect(url_for("provider_packages.show"), code=303)
    days = now.policy.notices.package_discontinued_days
    return render_form("provider/end_package.html", form, package=own_package(package_id), days=days)


def _end(package_id: int, form: EndForm) -> None:
    now = occasion()
    text = form.successor.data
    # A successor may be another provider's: it is looked for among what everybody may see, and one's own.
    known = {choice.value for choice in form.successor.choices}
    successor = db.session.get(Package, int(text)) if text and text in known else None
    publication.discontinue(
        own_package(package_id),
        last_plan_year=form.last_plan_year.data,
        successor=successor,
        policy=now.policy,
        by=current_actor(),
        at=now.at,
    )


def _successors(package: Package) -> list[SelectChoice]:
    """Every other package on offer, the provider's own first."""
    rows = (
        access.selecting(Package, ANONYMOUS)
        .join(Organization, Organization.id == Package.provider_id)
        .where(Package.id != package.id)
        .with_only_columns(Package.id, Package.name, Package.provider_id, Organization.name.label("provider"))
        .order_by(Package.provider_id != package.provider_id, Organization.name, Package.name)
    )
    return [SelectChoice(str(row.id), f"{row.name} ({row.provider})") for row in db.session.execute(rows)]
