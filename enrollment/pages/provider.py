"""What does a provider see of its members, and how does it answer their requests for leave?

The exchange holds leave too, for workers who have chosen nobody: its operator answers on pages of the
same kind.
"""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from enrollment import leave, roster
from enrollment.models import LeaveRequest
from exchange import clock, exports
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.policy import versions
from exchange.web import forms, tables
from exchange.web.audiences import audience_blueprint
from exchange.web.downloads import csv_answer

members_bp = audience_blueprint("provider_members", __name__, Audience.PROVIDER, "/provider/members")
members_bp.add_to_nav("show", _l("Members"), order=40)
leave_bp = audience_blueprint("provider_leave", __name__, Audience.PROVIDER, "/provider/leave")
leave_bp.add_to_nav("show", _l("Leave"), order=50)
operator_leave_bp = audience_blueprint("operator_leave", __name__, Audience.OPERATOR, "/operator/leave")
operator_leave_bp.add_to_nav("show", _l("Leave"), order=50)


# --- members --------------------------------------------------------------------------------------


@members_bp.get("/")
def show() -> str:
    """Who is with the provider now, and what it owes each."""
    provider_id = access.require_organization(current_actor())
    columns = roster.sortable()
    sort = tables.asked_sort(columns, default="-since")
    wanted = request.args.get("q", "").strip()
    statement = roster.members_of(provider_id, wanted=wanted, by=sort.name).order_by(
        *tables.order_of(sort, columns, last=roster.key())
    )
    counting = None if wanted else roster.counted(provider_id)
    page = tables.read_page(statement, number=tables.asked_page(), counting=counting, searches=bool(wanted))
    return render_template(
        "provider/members.html",
        page=page,
        members=roster.shown(provider_id, [row.account_id for row in page.rows]),
        sort=sort,
        wanted=wanted,
        totals=roster.totals_of(provider_id),
    )


@members_bp.get("/members.csv")
def as_csv() -> ResponseReturnValue:
    """The whole roster as a file; numbers are masked here too."""
    if (stale := access.require_fresh()) is not None:
        return stale
    provider_id = access.require_organization(current_actor())
    headings = [
        _l("Name"),
        _l("Account number"),
        _l("Package"),
        _l("Member since"),
        _l("Cents"),
        _l("Minutes of leave"),
    ]
    account_ids = roster.ids_of_everybody(provider_id)
    rows = (
        (one.name, "••••" + one.number[-4:], one.package, one.since, one.cents, one.minutes)
        for one in roster.everybody(provider_id, account_ids)
    )
    return csv_answer(exports.csv_lines(headings, rows), "members.csv", rows=len(account_ids), about_workers=True)


# --- requests for leave ---------------------------------------------------------------------------


class RefuseForm(forms.PageForm):
    """The reason of a no."""

    reason = forms.TextField(_l("Reason"), [forms.needed(_l("Say why: the worker reads it."))])


def show_leave() -> str:
    """What waits for an answer, the oldest first."""
    actor, at = current_actor(), clock.now()
    policy = versions.at_instant(at)
    page = tables.read_page(leave.waiting(actor), number=tables.asked_page(), per_page=25)
    shown = [request for (request,) in page.rows]
    return render_template(
        "provider/leave.html",
        page=page,
        late={one.id for one in shown if leave.is_overdue(one, policy=policy, at=at)},
        requests=roster.requests_shown(shown, policy=policy, by=actor),
    )


def answer_leave(request_id: int) -> ResponseReturnValue:
    """One request: approve it, or refuse it with a reason."""
    actor = current_actor()
    form = RefuseForm()
    if form.validate_on_submit():
        try:
            in_unit_of_work(lambda: _refuse(request_id, str(form.reason.data)))
        except Refusal as refusal:
            forms.refusal_to_form(form, refusal)
        else:
            flash(_("Refused. The worker reads your reason."), "success")
            return redirect(url_for(".show"), code=303)
    policy = versions.at_instant(clock.now())
    found = access.one(LeaveRequest, actor, id=request_id)
    (shown,) = roster.requests_shown([found], policy=policy, by=actor)
    return forms.render_form("provider/leave_request.html", form, shown=shown)


def approve_leave(request_id: int) -> ResponseReturnValue:
    """Approve: minutes and their cash value leave the books together."""

    def work() -> None:
        at = clock.now()
        found = access.one(LeaveRequest, current_actor(), id=request_id)
        leave.approve(found, policy=versions.at_instant(at), by=current_actor(), at=at)

    in_unit_of_work(work)
    flash(_("Approved. Time and cash have left the books together."), "success")
    return redirect(url_for(".show"), code=303)


def _refuse(request_id: int, reason: str) -> None:
    at = clock.now()
    found = access.one(LeaveRequest, current_actor(), id=request_id)
    leave.refuse(found, reason=reason, policy=versions.at_instant(at), by=current_actor(), at=at)


for _bp in (leave_bp, operator_leave_bp):
    _bp.add_url_rule("/", "show", show_leave)
    _bp.add_url_rule("/<int(max=9223372036854775807):request_id>", "answer", answer_leave, methods=["GET", "POST"])
    _bp.add_url_rule("/<int(max=9223372036854775807):request_id>/approve", "approve", approve_leave, methods=["POST"])

BLUEPRINTS: list[Blueprint] = [members_bp, leave_bp, operator_leave_bp]
