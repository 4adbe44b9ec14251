"""How far is a cutover, what would it move, and which switches does it carry out?

A rehearsal computes everything beforehand and changes nothing. A switch that must not be carried out
is given up here, with a reason; the worker then stays where he is.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select

from enrollment import cutover, rehearsal, switch_list, switching, windows
from enrollment.models import EnrollmentWindow, SwitchCause, SwitchState
from enrollment.pages.operator import STATES as WINDOW_STATES
from enrollment.pages.operator import asked_number, called, state_of
from enrollment.pages.worker_switches import STATES
from enrollment.rehearsal import Rehearsal
from exchange import clock, settlement
from exchange.database import in_unit_of_work
from exchange.identity import organizations
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.policy import versions
from exchange.policy.document import Policy
from exchange.web import forms, tables
from exchange.web.audiences import audience_blueprint

bp = audience_blueprint("operator_cutover", __name__, Audience.OPERATOR, "/operator/cutover")
bp.add_to_nav("show_all", _l("Cutover"), order=20)
switches_bp = audience_blueprint("operator_switches", __name__, Audience.OPERATOR, "/operator/switches")
switches_bp.add_to_nav("show_all", _l("Switches"), order=25)

PER_PAGE: Final = 25
AGAIN_AFTER: Final = 5
"""Seconds after which a page that is followed is asked for again."""
CAUSES: Final[dict[SwitchCause, LazyString]] = {
    SwitchCause.ELECTION: _l("Chosen by the worker"),
    SwitchCause.SUCCESSOR: _l("Successor of a package that ended"),
    SwitchCause.PLACEMENT: _l("Placed by the policy"),
}


@bp.get("/")
def show_all() -> ResponseReturnValue:
    """The cutover that is next, or the last one; every one of them when there is nothing to choose from."""
    at = clock.now()
    found = windows.open_enrollments()
    return render_template(
        "operator/cutovers.html",
        shown=[(window, state_of(window, at), switch_list.pace(window, at=at)) for window in found[:20]],
        states=WINDOW_STATES,
    )


@bp.get("/<plan_year>")
def show(plan_year: str) -> Response:
    """One cutover: how far it is; with ``?follow=1`` the browser asks again by itself while it runs."""
    window, at = called(plan_year), clock.now()
    state, follows = state_of(window, at), request.args.get("follow") == "1"
    answer = make_response(
        render_template(
            "operator/cutover.html",
            window=window,
            state=state,
            states=WINDOW_STATES,
            pace=switch_list.pace(window, at=at),
            follows=follows,
            settlement_id=_settlement_of(window),
        )
    )
    if follows and state in {"closed", "ordered", "cutting"}:
        answer.headers["Refresh"] = str(AGAIN_AFTER)
    return answer


@bp.get("/<plan_year>/rehearsal")
def rehearse(plan_year: str) -> str:
    """What would move if it were carried out now. Reads only."""
    window, at = called(plan_year), clock.now()
    policy = _policy_of(window)
    found = rehearsal.rehearse(window, policy=policy) if at >= window.opens_at else Rehearsal([], 0, 0, 0, 0)
    ids = {move.from_id for move in found.moves} | {move.to_id for move in found.moves}
    return render_template(
        "operator/rehearsal.html",
        window=window,
        state=state_of(window, at),
        states=WINDOW_STATES,
        rehearsal=found,
        page=tables.page_of(found.moves, number=tables.asked_page(), per_page=PER_PAGE),
        names=organizations.names_of(ids),
        components={component.code: component.name for component in policy.components},
    )


def _policy_of(window: EnrollmentWindow) -> Policy:
    """The law that holds when it takes effect: by it balances find their place."""
    assert window.effective_at is not None, "an open enrollment has an effective instant"
    return versions.at_instant(window.effective_at)


def _settlement_of(window: EnrollmentWindow) -> int | None:
    return settlement.id_of(cutover.reference_of(window))


# --- switches -------------------------------------------------------------------------------------


class AbandonForm(forms.PageForm):
    """Why a switch is given up."""

    reason = forms.TextField(
        _l("Reason"), [forms.needed()], hint=_l("It goes into the audit log. Name no person: the switch names him.")
    )


@switches_bp.get("/", endpoint="show_all")
def show_switches() -> str:
    """Every switch, the latest first; by state, cause, plan year, or a whole account number."""
    number, trouble = asked_number()
    asked = {name: request.args.get(name, "").strip() for name in ("state", "cause", "plan_year")}
    wanted = switch_list.Wanted(
        state=SwitchState(asked["state"]) if asked["state"] in set(SwitchState) else None,
        cause=SwitchCause(asked["cause"]) if asked["cause"] in set(SwitchCause) else None,
        number=number,
        plan_year=asked["plan_year"],
    )
    return render_template(
        "operator/switches.html",
        page=None if trouble else _page(switch_list.listed(wanted)),
        trouble=trouble,
        asked=asked,
        written=request.args.get("number", ""),
        states=STATES,
        causes=CAUSES,
        options={
            "state": [("", _("Any")), *((one.value, word) for one, (_kind, word) in STATES.items())],
            "cause": [("", _("Any")), *((one.value, word) for one, word in CAUSES.items())],
        },
    )


def _page(statement: Select[*tuple[Any, ...]]) -> tables.Page[Any]:
    return tables.read_page(statement, number=tables.asked_page(), per_page=PER_PAGE)


@switches_bp.route("/<int:switch_id>", methods=["GET", "POST"], endpoint="show")
def show_switch(switch_id: int) -> ResponseReturnValue:
    """One switch; as long as it is not carried out it can be given up, with a reason."""
    form = AbandonForm()
    if form.validate_on_submit():
        reason = str(form.reason.data)
        in_unit_of_work(
            lambda: switching.abandon(switch_list.held(switch_id), reason=reason, by=current_actor(), at=clock.now())
        )
        flash(_("Given up. The worker stays where he is; nothing has moved."), "success")
        return redirect(url_for("operator_switches.show", switch_id=switch_id), code=303)
    return forms.render_form(
        "operator/switch.html",
        form,
        switch=switch_list.one(switch_id),
        states=STATES,
        causes=CAUSES,
    )
