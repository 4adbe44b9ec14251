"""How does a provider take a package from the first draft to the shelf, and off it again?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice

from exchange import calendar
from exchange.database import db, in_unit_of_work
from exchange.errors import Refusal
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.web.audiences import ROW, audience_blueprint
from exchange.web.forms import NameField, PageForm, TextField, needed, refusal_to_form, render_form
from providers import catalogue, health_plans, packages, publication, shelf
from providers.models import Package, PackageVersion, VersionState
from providers.package_terms import Terms
from providers.packages import BadName
from providers.pages import cards
from providers.pages.occasion import Occasion, occasion, policy_of_year
from providers.pages.own import own_package, own_provider, own_version
from providers.pages.terms_form import broken_rules
from providers.pages.wording import VERSION_STATES

bp = audience_blueprint("provider_packages", __name__, Audience.PROVIDER, "/provider/packages")
bp.add_to_nav("show", _l("Packages"), order=10)

WAY_TO_SHELF: Final = (_l("Draft"), _l("Handed in"), _l("Certified"), _l("On the shelf"))
_STEP_OF: Final = {
    VersionState.DRAFT: 0,
    VersionState.SUBMITTED: 1,
    VersionState.CERTIFIED: 2,
    VersionState.LISTED: 3,
}


class NewPackageForm(PageForm):
    """A name, the plan year, and what to begin with."""

    name = NameField(_l("Name of the package"), [needed()], hint=_l("It stays the same year after year."))
    plan_year = SelectField(_l("Plan year"))
    base = SelectField(_l("Begin with"))


class ReasonForm(PageForm):
    """Why a version leaves the shelf."""

    reason = TextField(_l("Why"), [needed()], at_most=1_000, hint=_l("It is kept with the version."))


@bp.get("/")
def show() -> str:
    """Every package with its versions."""
    now = occasion()
    provider = own_provider()
    found = select(Package).where(Package.provider_id == provider.organization_id).order_by(Package.name, Package.id)
    own = db.session.execute(found).scalars().all()
    v = PackageVersion
    ids = [package.id for package in own]
    rows = select(v).where(v.package_id.in_(ids)).order_by(v.plan_year.desc(), v.number.desc())
    versions: dict[int, list[PackageVersion]] = {package.id: [] for package in own}
    for version in db.session.execute(rows).scalars():
        versions[version.package_id].append(version)
    return render_template(
        "provider/packages.html",
        packages=[(package, versions[package.id]) for package in own],
        names={package.id: package.name for package in own},
        states=VERSION_STATES,
        years=_years(now),
    )


@bp.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Begin a package with a draft, empty or like one that is there."""
    now = occasion()
    provider = own_provider()
    form = NewPackageForm(data={"plan_year": _years(now)[-1]})
    form.plan_year.choices = [SelectChoice(year, year) for year in _years(now)]
    form.base.choices = [SelectChoice("", _("Nothing: an empty draft")), *_bases(provider.organization_id)]
    if form.validate_on_submit():
        try:
            version_id = in_unit_of_work(lambda: _begin(form))
        except Refusal as refusal:
            refusal_to_form(form, refusal, field="name" if isinstance(refusal, BadName) else "plan_year")
        else:
            flash(_("The draft is there. Write what it says; nobody else sees it yet."), "success")
            return redirect(url_for("provider_drafts.edit", version_id=version_id), code=303)
    return render_form("provider/new_package.html", form)


@bp.get(f"/versions/<{ROW}:version_id>")
def version(version_id: int) -> str:
    """One version: what it says, where it stands, and what can be done with it."""
    return _page(version_id)


@bp.post(f"/versions/<{ROW}:version_id>/submit")
def submit(version_id: int) -> ResponseReturnValue:
    """Hand a draft in. Everything that stands against it is said at once."""
    refusals = in_unit_of_work(lambda: hand_in(version_id))
    if refusals:
        return _page(version_id), 422
    flash(_("Handed in. A regulator certifies it; from now on its terms never change."), "success")
    return redirect(url_for("provider_packages.version", version_id=version_id), code=303)


@bp.post(f"/versions/<{ROW}:version_id>/list")
def put_on_shelf(version_id: int) -> ResponseReturnValue:
    """List a certified version."""

    def work() -> None:
        now = occasion()
        own = own_version(version_id)
        policy = policy_of_year(now, own.plan_year)
        publication.put_on_shelf(own, policy=policy, by=current_actor(), at=now.at)

    return _step(version_id, work, done=_l("On the shelf. Everybody who may choose can choose it now."))


@bp.route(f"/versions/<{ROW}:version_id>/close", methods=["GET", "POST"])
def take_off_shelf(version_id: int) -> ResponseReturnValue:
    """Take a version off the shelf, with a reason."""
    own = own_version(version_id)
    form = ReasonForm()
    if not form.validate_on_submit():
        return render_form("provider/close_version.html", form, version=own, package=own_package(own.package_id))

    def work() -> None:
        now = occasion()
        publication.take_off_shelf(own_version(version_id), reason=str(form.reason.data), by=current_actor(), at=now.at)

    return _step(version_id, work, done=_l("Off the shelf. Whoever is in it stays in it, on the same terms."))


@bp.post(f"/versions/<{ROW}:version_id>/draft")
def draft_again(version_id: int) -> ResponseReturnValue:
    """Draft the same terms for a plan year."""
    own_version(version_id)
    year = request.form.get("plan_year", "")

    def work() -> int:
        now = occasion()
        own = own_version(version_id)
        return packages.clone(own, plan_year=year, policy=now.policy, by=current_actor(), at=now.at).id

    try:
        made = in_unit_of_work(work)
    except Refusal as refusal:
        flash(str(refusal), "error")
        return redirect(url_for("provider_packages.version", version_id=version_id), code=303)
    flash(_("A draft with the same terms is there."), "success")
    return redirect(url_for("provider_drafts.edit", version_id=made), code=303)


def hand_in(version_id: int) -> list[Refusal]:
    """Hand a version in, or say all that stands against it; to be called in a unit of work."""
    now = occasion()
    own = own_version(version_id)
    policy = policy_of_year(now, own.plan_year)
    refusals = publication.refusals_to_submit(own, policy=policy)
    if not refusals:
        publication.submit(own, policy=policy, by=current_actor(), at=now.at)
    return refusals


def _page(version_id: int) -> str:
    now = occasion()
    own = own_version(version_id)
    policy = policy_of_year(now, own.plan_year)
    (offer,) = shelf.offers([own.id])
    waits = own.state in {VersionState.DRAFT, VersionState.CERTIFIED}
    return render_template(
        "provider/version.html",
        version=own,
        package=own_package(own.package_id),
        card=cards.cards_of([offer], catalogue.kinds_of([offer.provider_id]), policy=policy)[0],
        components=cards.components_shown(offer.terms, policy=policy),
        plan=None if own.health_plan_id is None else health_plans.health_plan(own.health_plan_id),
        state=VERSION_STATES[own.state],
        steps=WAY_TO_SHELF,
        step=_STEP_OF.get(own.state),
        whole_bp=sum(offer.terms.split.values()),
        broken=broken_rules(publication.refusals_to_submit(own, policy=policy)) if waits else [],
        on_sale=shelf.takes_new_members(own),
        years=_years(now),
    )


def _step(version_id: int, work: Callable[[], None], *, done: LazyString) -> ResponseReturnValue:
    own_version(version_id)
    try:
        in_unit_of_work(work)
    except Refusal as refusal:
        flash(str(refusal), "error")
    else:
        flash(str(done), "success")
    return redirect(url_for("provider_packages.version", version_id=version_id), code=303)


def _begin(form: NewPackageForm) -> int:
    now, by = occasion(), current_actor()
    package = packages.create(own_provider(), name=str(form.name.data), by=by, at=now.at)
    if form.base.data:
        terms = packages.terms_of(own_version(int(form.base.data)))
    else:
        terms = Terms(summary="", fee_bp=0, service_area=now.policy.jurisdiction, components=())
    year = form.plan_year.data
    return packages.draft(package, plan_year=year, terms=terms, policy=now.policy, by=by, at=now.at).id


def _years(now: Occasion) -> list[str]:
    """The plan years that terms can be drafted for."""
    return [calendar.plan_year_of(now.policy, now.on).id, calendar.next_plan_year(now.policy, now.on).id]


def _bases(provider_id: int) -> list[SelectChoice]:
    """The provider's own versions, to be copied."""
    v = PackageVersion
    rows = (
        select(v.id, v.plan_year, v.number, Package.name)
        .join(Package, Package.id == v.package_id)
        .where(Package.provider_id == provider_id)
        .order_by(Package.name, v.plan_year.desc(), v.number.desc())
    )
    return [SelectChoice(str(row.id), f"{row.name} {row.plan_year}-{row.number}") for row in db.session.execute(rows)]
