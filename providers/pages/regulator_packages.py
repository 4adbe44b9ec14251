"""Which packages wait for a regulator's certification, and are their terms within the law?"""

from __future__ import annotations

from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, select

from exchange.database import db, in_unit_of_work
from exchange.errors import NotFound, Refusal
from exchange.identity import access
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.identity.organizations import Organization
from exchange.web import forms, tables
from exchange.web.audiences import audience_blueprint, decision
from providers import packages, publication
from providers.models import Package, PackageVersion, VersionState
from providers.pages import cards
from providers.pages.occasion import occasion, policy_of_year
from providers.pages.wording import VERSION_STATES, place_names

bp = audience_blueprint("regulator_packages", __name__, Audience.REGULATOR, "/regulator/packages")
bp.add_to_nav("show_all", _l("Packages"), order=40)


SHOWN: Final = frozenset(VersionState) - {VersionState.DRAFT}


class TurnDownForm(forms.PageForm):
    """Why a package is not certified."""

    reason = forms.TextField(_l("Reason"), [forms.needed()], hint=_l("The provider reads it."))


@bp.get("/")
def show_all() -> str:
    """Versions by state, at first those that wait; the oldest first."""
    asked = request.args.get("state", VersionState.SUBMITTED.value)
    # A draft is its provider's own business until it is handed in.
    state = VersionState(asked) if asked in SHOWN else None
    return render_template(
        "regulator/packages.html",
        page=tables.read_page(_listed(state), number=tables.asked_page()),
        state=asked,
        states=VERSION_STATES,
        options=[
            ("any", _("Any")),
            *((one.value, word) for one, (_kind, word) in VERSION_STATES.items() if one in SHOWN),
        ],
    )


@bp.route("/<int:version_id>", methods=["GET", "POST"])
@decision
def show(version_id: int) -> ResponseReturnValue:
    """One version: its terms, what speaks against them; turned down with a reason (the form of this page)."""
    form = TurnDownForm()
    actor = current_actor()
    if form.validate_on_submit():
        reason = str(form.reason.data)

        def work() -> None:
            version = access.one(PackageVersion, actor, id=version_id)
            publication.turn_down(version, reason=reason, by=actor, at=occasion().at)

        try:
            in_unit_of_work(work)
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            flash(_("Turned down. The provider may draft another version."), "success")
            return redirect(url_for("regulator_packages.show_all"), code=303)
    now = occasion()
    version = access.one(PackageVersion, actor, id=version_id)
    if version.state not in SHOWN:
        raise NotFound(_l("This package has not been submitted."))
    policy = policy_of_year(now, version.plan_year)
    package = db.session.get_one(Package, version.package_id)
    terms = packages.terms_of(version)
    return forms.render_form(
        "regulator/package.html",
        form,
        version=version,
        package=package,
        provider=db.session.get_one(Organization, package.provider_id),
        state=VERSION_STATES[version.state],
        terms=terms,
        components=cards.components_shown(terms, policy=policy),
        parts=cards.parts_of(terms, policy=policy),
        place=place_names(policy).get(version.service_area, version.service_area),
        refusals=publication.refusals_to_submit(version, policy=policy),
        waits=version.state is VersionState.SUBMITTED,
    )


@bp.post("/<int:version_id>/certify")
@decision
def certify(version_id: int) -> ResponseReturnValue:
    """Find the terms lawful: the provider may put them on the shelf."""
    if (stale := access.require_fresh()) is not None:
        return stale

    def work() -> None:
        now = occasion()
        version = access.one(PackageVersion, current_actor(), id=version_id)
        policy = policy_of_year(now, version.plan_year)
        publication.certify(version, policy=policy, by=current_actor(), at=now.at)

    in_unit_of_work(work)
    flash(_("Certified. The provider may put it on the shelf."), "success")
    return redirect(url_for("regulator_packages.show_all"), code=303)


def _listed(state: VersionState | None) -> Select[*tuple[Any, ...]]:
    v = PackageVersion
    rows = (
        select(
            v.id,
            v.plan_year,
            v.number,
            v.state,
            v.fee_bp,
            v.submitted_at,
            Package.name.label("package"),
            Package.provider_id,
            Organization.name.label("provider"),
        )
        .join(Package, Package.id == v.package_id)
        .join(Organization, Organization.id == Package.provider_id)
        .order_by(v.submitted_at, v.id)
    )
    return rows.where(v.state.in_(SHOWN) if state is None else v.state == state)
