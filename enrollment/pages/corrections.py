"""How does an employer ask a contribution back, and how does the operator decide?"""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, select

from enrollment import corrections
from enrollment.contribution_rules import retold
from enrollment.corrections import Correction, CorrectionState
from enrollment.models import BenefitAccount, Contribution
from exchange import clock
from exchange.database import db, in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.identity.organizations import Organization
from exchange.web import forms, tables
from exchange.web.audiences import audience_blueprint

employer_bp = audience_blueprint("employer_corrections", __name__, Audience.EMPLOYER, "/employer/contributions")
operator_bp = audience_blueprint("operator_corrections", __name__, Audience.OPERATOR, "/operator/corrections")
operator_bp.add_to_nav("listed", _l("Corrections"), order=60)

STATES = {
    CorrectionState.ASKED: ("waiting", _l("Waits for a decision")),
    CorrectionState.CARRIED_OUT: ("done", _l("Taken back")),
    CorrectionState.REFUSED: ("bad", _l("Refused")),
}
"""How a correction's state is shown: kind of tag, and word."""


class ReasonForm(forms.PageForm):
    """Why something is asked or refused."""

    reason = forms.TextField(_l("Reason"), [forms.needed(_l("Say why."))], at_most=500)


@employer_bp.route("/<int:contribution_id>/correction", methods=["GET", "POST"])
def ask(contribution_id: int) -> ResponseReturnValue:
    """Ask that a contribution be taken back that should not have been reported."""
    contribution = access.one(Contribution, access.current_actor(), id=contribution_id)
    form = ReasonForm()

    def work() -> None:
        actor = access.current_actor()
        found = access.one(Contribution, actor, id=contribution_id)
        corrections.ask(found, reason=str(form.reason.data), by=actor, at=clock.now())

    if form.validate_on_submit():
        try:
            in_unit_of_work(work)
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            flash(
                _("Asked for. The operator of the exchange decides; what is taken back becomes your credit."), "success"
            )
            return redirect(url_for("employer.remittance", remittance_id=contribution.remittance_id), code=303)
    return forms.render_form("employer/correction.html", form, retold=retold, contribution=contribution)


@operator_bp.get("/")
def listed() -> str:
    """All corrections, those that wait for a decision first."""
    page = tables.read_page(_rows(), number=tables.asked_page())
    return render_template("operator/corrections.html", page=page, states=STATES)


@operator_bp.route("/<int:correction_id>", methods=["GET", "POST"])
def decide(correction_id: int) -> ResponseReturnValue:
    """One correction: carry it out, or refuse it with a reason."""
    if request.method == "POST" and (stale := access.require_fresh()) is not None:
        return stale
    access.one(Correction, access.current_actor(), id=correction_id)
    row = db.session.execute(_rows().where(Correction.id == correction_id)).one()
    form = ReasonForm()
    carried_out = request.form.get("decision") == "carry_out"

    def work() -> None:
        actor = access.current_actor()
        found = access.one(Correction, actor, id=correction_id)
        if carried_out:
            corrections.carry_out(found, by=actor, at=clock.now())
        else:
            corrections.refuse(found, reason=str(form.reason.data), by=actor, at=clock.now())

    if form.is_submitted() and (carried_out or form.validate()):
        try:
            in_unit_of_work(work)
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            flash(_("Decided."), "success")
            return redirect(url_for(".listed"), code=303)
    return forms.render_form("operator/correction.html", form, row=row, states=STATES)


def _rows() -> Select[*tuple[Any, ...]]:
    c = Contribution
    return (
        select(
            Correction.id,
            Correction.state,
            Correction.reason,
            Correction.answer,
            Correction.asked_at,
            Organization.name.label("employer"),
            BenefitAccount.number,
            (c.owed_cents + c.extra_cents + c.late_cents).label("amount_cents"),
        )
        .join(c, c.id == Correction.contribution_id)
        .join(BenefitAccount, BenefitAccount.id == c.benefit_account_id)
        .join(Organization, Organization.id == Correction.employer_id)
        .order_by(Correction.state != CorrectionState.ASKED, Correction.id.desc())
    )
