"""What is proposed for a cutover, by whom, and does another operator agree?"""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from enrollment import cutover_control, cutover_proposals
from enrollment.cutover_proposals import CutoverProposal, ProposalState, ProposedDeed
from enrollment.models import EnrollmentWindow
from enrollment.pages.operator import called
from enrollment.pages.operator_cutover import DEEDS
from exchange import clock
from exchange.database import in_unit_of_work
from exchange.identity import access, people
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.web import forms
from exchange.web.audiences import audience_blueprint

bp = audience_blueprint("operator_proposal", __name__, Audience.OPERATOR, "/operator/cutover/<plan_year>/proposals")

HEADINGS = {
    ProposedDeed.CONFIRM: _l("Proposed: to confirm it"),
    ProposedDeed.ROLL_BACK: _l("Proposed: to roll it back"),
}
STATES = {
    ProposalState.PROPOSED: ("waiting", _l("Waits for a second operator")),
    ProposalState.AGREED: ("done", _l("Agreed")),
    ProposalState.REJECTED: ("off", _l("Turned down")),
}
"""How a proposal's state is shown: kind of tag, and word."""


class TurnDownForm(forms.PageForm):
    """Why it is turned down, or taken back."""

    reason = forms.TextField(_l("Reason"), [forms.needed()], hint=_l("It goes into the audit log. Name no person."))


@bp.route("/<int:proposal_id>", methods=["GET", "POST"])
def show(plan_year: str, proposal_id: int) -> ResponseReturnValue:
    """One proposal; turn it down with a reason, or take back one's own (the form of this page)."""
    if request.method == "POST" and (stale := access.require_fresh()) is not None:
        return stale
    actor, form = current_actor(), TurnDownForm()
    if form.validate_on_submit():

        def work() -> None:
            window, proposal = _held(plan_year, proposal_id)
            cutover_proposals.reject(proposal, window, reason=str(form.reason.data), by=actor, at=clock.now())

        in_unit_of_work(work)
        flash(_("Turned down. The cutover stays as it is."), "success")
        return redirect(url_for("operator_cutover.show", plan_year=plan_year), code=303)
    window = called(plan_year)
    proposal = cutover_proposals.called(proposal_id, window)
    names = people.names_of([proposal.proposed_by_id, proposal.answered_by_id])
    return forms.render_form(
        "operator/proposal.html",
        form,
        window=window,
        proposal=proposal,
        heading=HEADINGS[proposal.deed],
        state=STATES[proposal.state],
        consequence=DEEDS[proposal.deed.value.replace("_", "-")].consequence,
        proposed_by=names.get(proposal.proposed_by_id, _("somebody who is forgotten")),
        answered_by=names.get(proposal.answered_by_id, "–"),
        is_own=proposal.proposed_by_id == actor.login_id,
        refusal=cutover_proposals.refusal_to_agree(proposal, window, by=actor),
    )


@bp.post("/<int:proposal_id>/agree")
def agree(plan_year: str, proposal_id: int) -> ResponseReturnValue:
    """Stand behind it: then it is done."""
    if (stale := access.require_fresh()) is not None:
        return stale

    def work() -> ProposedDeed:
        window, proposal = _held(plan_year, proposal_id)
        cutover_proposals.agree(proposal, window, by=current_actor(), at=clock.now())
        return proposal.deed

    deed = in_unit_of_work(work)
    is_confirmed = deed is ProposedDeed.CONFIRM
    flash(_("Confirmed.") if is_confirmed else _("It is being rolled back, batch by batch."), "success")
    return redirect(url_for("operator_cutover.show", plan_year=plan_year), code=303)


def _held(plan_year: str, proposal_id: int) -> tuple[EnrollmentWindow, CutoverProposal]:
    """Window and proposal as they are now, the window held: two answers take turns."""
    window = cutover_control.held(called(plan_year).id)
    return window, cutover_proposals.called(proposal_id, window)
