"""How far is a cutover, what would it move, and which switches does it carry out?

A rehearsal computes everything beforehand and changes nothing. A switch that must not be carried out
is given up here, with a reason; the worker then stays where he is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select

from enrollment import (
    cutover,
    cutover_control,
    cutover_proposals,
    dry_run,
    reckonings,
    rehearsal,
    switch_list,
    switching,
    turns,
    windows,
)
from enrollment.cutover_proposals import ProposedDeed
from enrollment.dry_run import Conservation
from enrollment.models import EnrollmentWindow, SwitchCause, SwitchState
from enrollment.pages import reckoned
from enrollment.pages.operator import STATES as WINDOW_STATES
from enrollment.pages.operator import asked_number, called, state_of
from enrollment.pages.reckoned import Asked
from enrollment.pages.worker_switches import STATES
from enrollment.reckonings import ReckoningKind
from enrollment.rehearsal import Rehearsal
from exchange import audit_log, clock, exports, settlement
from exchange.audit_log import Wanted
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access, organizations
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.policy import versions
from exchange.policy.document import Policy
from exchange.web import forms, tables
from exchange.web.audiences import audience_blueprint
from exchange.web.downloads import csv_answer
from exchange.web.filters import program_zone

bp = audience_blueprint("operator_cutover", __name__, Audience.OPERATOR, "/operator/cutover")
bp.add_to_nav("show_all", _l("Cutover"), order=20)
switches_bp = audience_blueprint("operator_switches", __name__, Audience.OPERATOR, "/operator/switches")
switches_bp.add_to_nav("show_all", _l("Switches"), order=25)

PER_PAGE: Final = 25
MOST_LINES: Final = 200
MOST_LISTED: Final = 2_000
"""Switches that a list can be paged to: whoever looks for another one narrows it."""
"""Of the conservation report on the page; the CSV file has all of them."""
_IN_WORK: Final = frozenset({"closed", "ordered", "cutting", "rolling_back"})
AGAIN_AFTER: Final = 5
"""Seconds after which a page that is followed is asked for again."""
NEXT: Final[dict[str, LazyString]] = {
    "ahead": _l("Nothing is to be done: it begins by itself at its effective instant."),
    "open": _l("Nothing is to be done: it begins by itself at its effective instant."),
    "closed": _l("Nothing is to be done: the choices become orders within minutes. If they do not, Jobs says why."),
    "ordered": _l("Nothing is to be done: it begins by itself at its effective instant."),
    "cutting": _l("Nothing is to be done: it goes on batch by batch, and nets at the end. If it stops, Jobs says why."),
    "paused": _l("It waits until you let it go on; what was carried out can be rolled back as well."),
    "rolling_back": _l("What was carried out is taken back batch by batch. Then it waits, paused, for you."),
    "done": _l("Look at its settlement. Then confirm it, or have it rolled back while nobody has acted on it."),
}
"""What happens next and what is for the operator to do, by the state of the window."""
ROLLED_BACK: Final = _l(
    "It was rolled back: what had moved stands where it stood before. It waits until you let it go on; then all of it "
    "is carried out anew."
)
CONFIRMED: Final = _l("It is confirmed and over. A mistake is put right worker by worker, under Corrections.")
DECISIONS: Final[dict[str, LazyString]] = {
    "cutover.paused": _l("Paused"),
    "cutover.resumed": _l("Let go on"),
    "cutover.rolling_back": _l("To be rolled back"),
    "cutover.rolled_back": _l("Rolled back"),
    "cutover.confirmed": _l("Confirmed"),
    "cutover.confirm_proposed": _l("Proposed: to confirm it"),
    "cutover.confirm_rejected": _l("Turned down: to confirm it"),
    "cutover.roll_back_proposed": _l("Proposed: to roll it back"),
    "cutover.roll_back_rejected": _l("Turned down: to roll it back"),
}
"""What was decided about it, by the deeds of the audit log."""
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
    pace, proposal = switch_list.pace(window, at=at), cutover_proposals.open_for(window.id)
    answer = make_response(
        render_template(
            "operator/cutover.html",
            window=window,
            at=at,
            state=state,
            states=WINDOW_STATES,
            pace=pace,
            follows=follows,
            in_work=state in _IN_WORK,
            next_step=next_step(window, state, at=at),
            proposal=proposal,
            deeds=[
                deed for deed in DEEDS.values() if deed.is_offered(window, pace) and not (proposal and deed.takes_two)
            ],
            settlement_id=_settlement_of(window),
            decided=audit_log.stretch(Wanted("cutover", f"window:{window.id}"), zone=str(program_zone())).rows,
            decisions=DECISIONS,
            decided_by=decided_by,
        )
    )
    if follows and state in _IN_WORK:
        answer.headers["Refresh"] = str(AGAIN_AFTER)
    return answer


def decided_by(actor: str) -> str:
    """Whoever decided it, for a reader: a command and a job have names of the program's own."""
    kind, _colon, name = actor.partition(":")
    if kind == "command":
        return str(_("On the command line"))
    return str(_("The job %(name)s", name=name)) if kind == "job" else actor


def next_step(window: EnrollmentWindow, state: str, *, at: datetime) -> LazyString:
    """What happens next, or is for the operator to do."""
    if state == "done" and window.confirmed_at is not None:
        return CONFIRMED
    if state == "paused" and window.rolled_back:
        return ROLLED_BACK
    is_held_up = (state == "closed" and not turns.is_turn_to_order(window)) or (
        state == "cutting" and not turns.is_turn_to_carry_out(window, at=at)
    )
    return turns.OTHERS_FIRST if is_held_up else NEXT["paused" if window.paused_at and state == "open" else state]


@bp.get("/<plan_year>/rehearsal")
def rehearse(plan_year: str) -> Response:
    """What would move if it were carried out now. Reads only."""
    window, at = called(plan_year), clock.now()
    policy = _policy_of(window)
    asked = reckoned.asked(window, ReckoningKind.REHEARSAL)
    found, report = _rehearsed(window, asked, at)
    names = organizations.names_of({line.organization_id for line in report.lines})
    lines = dry_run.by_name(report.lines, organizations=names, policy=policy)
    page = render_template(
        "operator/rehearsal.html",
        window=window,
        state=state_of(window, at),
        states=WINDOW_STATES,
        asked=asked,
        rehearsal=found,
        before=turns.before(window),
        report=report,
        changed=[line for line in lines if line.leaves or line.comes][:MOST_LINES],
        page=tables.page_of(found.moves, number=tables.asked_page(), per_page=PER_PAGE),
        names=names,
        components={component.code: component.name for component in policy.components},
    )
    return reckoned.answer(page, asked)


@bp.post("/<plan_year>/rehearsal")
def have_it_reckoned(plan_year: str) -> ResponseReturnValue:
    """Have it added up in the background, and watch."""
    in_unit_of_work(
        lambda: reckonings.ask(called(plan_year), kind=ReckoningKind.REHEARSAL, by=current_actor(), at=clock.now())
    )
    return redirect(url_for(".rehearse", plan_year=plan_year, follow=1), code=303)


@bp.get("/<plan_year>/rehearsal.csv")
def rehearse_csv(plan_year: str) -> ResponseReturnValue:
    """The same as a table: for each organization and component what stands there, leaves, comes, and stands then."""
    window, at = called(plan_year), clock.now()
    asked = reckoned.asked(window, ReckoningKind.REHEARSAL)
    if asked is not None and asked.done is None:
        return redirect(url_for(".rehearse", plan_year=plan_year))
    _found, report = _rehearsed(window, asked, at)
    names = organizations.names_of({line.organization_id for line in report.lines})
    headings = ["organization", "component", "unit", "before", "leaves", "comes", "after"]
    rows = [
        (names[line.organization_id], line.component, line.unit, line.before, line.leaves, line.comes, line.after)
        for line in dry_run.by_name(report.lines, organizations=names, policy=_policy_of(window))
    ]
    return csv_answer(exports.to_csv(headings, rows), f"cutover-{window.plan_year}.csv", rows=len(rows))


def _rehearsed(window: EnrollmentWindow, asked: Asked | None, at: datetime) -> tuple[Rehearsal, Conservation]:
    """As it was added up in the background, or now where that is quick; nothing before the window opens."""
    if asked is not None and asked.done is not None:
        return reckonings.report_of(asked.done)
    if asked is not None:
        return Rehearsal([], 0, 0, 0, 0), dry_run.summed([])
    none_yet = at < window.opens_at
    found = Rehearsal([], 0, 0, 0, 0) if none_yet else rehearsal.rehearse(window, policy=_policy_of(window))
    return found, dry_run.conservation(found)


# --- decisions about it ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deed:
    """Something the operator may decide about a cutover: where, in words, what follows, and how it is done."""

    name: str
    title: LazyString
    consequence: LazyString
    done: LazyString
    carry_out: Callable[..., object]
    is_offered: Callable[[EnrollmentWindow, switch_list.Pace], bool]
    refusal: Callable[[EnrollmentWindow], Refusal | None] = lambda _window: None
    # It is proposed here, and done when another operator agrees.
    takes_two: bool = False


PROPOSED: Final = _l("Proposed. Another operator has to agree.")
DEEDS: Final[dict[str, Deed]] = {
    deed.name: deed
    for deed in (
        Deed(
            "pause",
            _l("Pause it"),
            _l("The batch that is being written ends; no other begins. What was carried out stays."),
            _l("Paused. No further batch begins."),
            cutover_control.pause,
            lambda window, _pace: window.cut_over_at is None and window.paused_at is None,
        ),
        Deed(
            "resume",
            _l("Let it go on"),
            _l("It goes on where it stopped; nothing is done twice."),
            _l("It goes on at the scheduler's next look, within seconds."),
            cutover_control.resume,
            lambda window, _pace: window.paused_at is not None and window.rolling_back_since is None,
        ),
        Deed(
            "confirm",
            _l("Confirm it"),
            _l("What moved stays. It cannot be rolled back any more."),
            PROPOSED,
            partial(cutover_proposals.propose, deed=ProposedDeed.CONFIRM),
            lambda window, _pace: cutover_control.refusal_to_confirm(window) is None,
            partial(cutover_proposals.refusal_to_propose, deed=ProposedDeed.CONFIRM),
            takes_two=True,
        ),
        Deed(
            "roll-back",
            _l("Roll it back"),
            _l(
                "Every balance goes back where it stood, by entries that name those they correct. Memberships, orders "
                "and choices stand as before. Afterwards the cutover stays paused until you let it go on."
            ),
            PROPOSED,
            partial(cutover_proposals.propose, deed=ProposedDeed.ROLL_BACK),
            lambda window, pace: (
                pace.done > 0
                and window.confirmed_at is None
                and window.rolling_back_since is None
                and (window.cut_over_at is not None or window.paused_at is not None)
            ),
            partial(cutover_proposals.refusal_to_propose, deed=ProposedDeed.ROLL_BACK),
            takes_two=True,
        ),
    )
}


class DecisionForm(forms.PageForm):
    """Why."""

    reason = forms.TextField(_l("Reason"), [forms.needed()], hint=_l("It goes into the audit log. Name no person."))


@bp.route("/<plan_year>/<any(pause, resume, confirm, 'roll-back'):name>", methods=["GET", "POST"])
def decide(plan_year: str, name: str) -> ResponseReturnValue:
    """Decide about a cutover, with a reason."""
    if (stale := access.require_fresh()) is not None:
        return stale
    deed, window, form = DEEDS[name], called(plan_year), DecisionForm()
    if form.validate_on_submit():

        def work() -> None:
            held = cutover_control.held(window.id)
            deed.carry_out(held, reason=str(form.reason.data), by=current_actor(), at=clock.now())

        try:
            in_unit_of_work(work)
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            flash(deed.done, "success")
            return redirect(url_for("operator_cutover.show", plan_year=plan_year), code=303)
    return forms.render_form(
        "operator/cutover_decision.html", form, window=window, deed=deed, refusal=deed.refusal(window)
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
        page=None if trouble else _page(switch_list.listed(wanted), at_most=MOST_LISTED),
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


def _page(statement: Select[*tuple[Any, ...]], *, at_most: int | None = None) -> tables.Page[Any]:
    return tables.read_page(statement, number=tables.asked_page(), per_page=PER_PAGE, at_most=at_most)


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
