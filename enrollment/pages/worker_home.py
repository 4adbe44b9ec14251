"""What does a worker find when he comes to his account?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from enrollment import accounts, choosing, leave, overview, receipts, windows
from enrollment.models import LeaveState, SwitchState
from enrollment.overview import ContributionState, Holding
from enrollment.pages import worker_check
from enrollment.pages.worker_self import Self, read_self
from exchange import exports, notices
from exchange.database import db, in_unit_of_work
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.money import format_minutes
from exchange.web import tables
from exchange.web.audiences import audience_blueprint
from exchange.web.charts import Chart, split_bar
from exchange.web.downloads import csv_answer
from exchange.web.filters import money
from exchange.web.qr import qr_svg

bp = audience_blueprint("worker_home", __name__, Audience.WORKER, "/worker")
bp.add_to_nav("home", _l("My account"), order=0)

CONTRIBUTION_STATES = {
    ContributionState.WAITING: ("waiting", _l("Reported, not paid yet")),
    ContributionState.POSTED: ("done", _l("In your account")),
    ContributionState.TAKEN_BACK: ("off", _l("Taken back")),
}
"""How a contribution's state is shown: kind of tag, and word."""
_LAST = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Totals:
    """All that a worker has, in cents and in minutes of leave."""

    cents: int
    minutes: int


@bp.get("/")
def home() -> str:
    """Everything at one glance."""
    me = read_self()
    account_id = me.account.id
    holdings = overview.holdings_of(account_id, policy=me.policy)
    payers = overview.payers_of(account_id)
    latest = list(db.session.execute(overview.contributions_of(account_id).limit(_LAST)).scalars())
    return render_template(
        "worker/home.html",
        name=me.worker.legal_name,
        number=me.account.number,
        locked=me.account.switch_locked,
        home=overview.home_of(me.account, policy=me.policy, at=me.at),
        holdings=holdings,
        totals=Totals(sum(one.cents for one in holdings), sum(one.minutes or 0 for one in holdings)),
        chart=_chart(holdings),
        covers=overview.covers_of(account_id, policy=me.policy, at=me.at),
        payers=payers,
        contributions=overview.paid(latest, policy=me.policy),
        states=CONTRIBUTION_STATES,
        notices=notices.newest(me.actor, at_most=3),
        **_what_waits(me),
        **_what_is_checked(me),
    )


def _what_is_checked(me: Self) -> dict[str, object]:
    """The script of the check gets its settings only where there is something to check."""
    newest = worker_check.newest_round(me.at)
    if newest is None:
        return {"check": None}
    return {
        "check": worker_check.settings_of(me, newest),
        "check_round": newest,
        "regulators": worker_check.regulators(),
    }


def _what_waits(me: Self) -> dict[str, object]:
    switches = receipts.switches_of(me.account.id, policy=me.policy)
    return {
        "windows": choosing.open_windows(me.account, policy=me.policy, at=me.at),
        "next_window": windows.next_open_enrollment(me.at),
        "switches": [switch for switch in switches if switch.state is SwitchState.ORDERED],
        "last_switch": next((switch for switch in switches if switch.state is SwitchState.CARRIED_OUT), None),
        "requests": [one for one in leave.of_account(me.account.id) if one.state is LeaveState.ASKED],
        "component_names": {component.code: component.name for component in me.policy.components},
        "time_left": time_left,
    }


def time_left(left: timedelta) -> str:
    """``24 days left``; on the last day in hours and minutes."""
    if left >= _DAY:
        return str(ngettext("%(num)s day left", "%(num)s days left", left // _DAY))
    return str(_("%(time)s left", time=format_minutes(left // timedelta(minutes=1))))


def _chart(holdings: list[Holding]) -> Chart | None:
    parts = [(one.name, one.cents) for one in holdings if one.cents]
    if len(parts) < 2:
        return None
    return split_bar(_l("Your money by benefit"), parts, show=money, headings=(str(_("Benefit")), str(_("Amount"))))


# --- the card and the lock ------------------------------------------------------------------------


@bp.get("/card")
def card() -> str:
    """The number to give to everyone one works for, printable."""
    me = read_self()
    number = me.account.number
    code = qr_svg(number, title=str(_("Account number %(number)s", number=number)))
    return render_template(
        "worker/card.html", name=me.worker.legal_name, number=number, code=code, is_new="welcome" in request.args
    )


@bp.post("/lock")
def set_lock() -> ResponseReturnValue:
    """Lock the account against switches, or take the lock off; the latter asks for the password first."""
    word = request.form.get("lock")
    if word not in {"on", "off"}:
        abort(400)
    wants_lock = word == "on"
    if not wants_lock and (answer := access.require_fresh()) is not None:
        return answer

    def work() -> None:
        me = read_self()
        accounts.set_switch_lock(me.account, locked=wants_lock, by=me.actor, at=me.at)

    in_unit_of_work(work)
    flash(
        _("Your account is locked: no switch can be chosen until you take the lock off.")
        if wants_lock
        else _("The lock is off: you can choose again."),
        "success",
    )
    return redirect(url_for(".home") + "#lock", code=303)


# --- contributions --------------------------------------------------------------------------------


@bp.get("/contributions")
def contributions() -> str:
    """Every contribution, how each was computed, and where it stands."""
    me = read_self()
    page = tables.read_page(overview.contributions_of(me.account.id), number=tables.asked_page(), per_page=25)
    return render_template(
        "worker/contributions.html",
        page=page,
        contributions=overview.paid([row.id for row in page.rows], policy=me.policy),
        payers=overview.payers_of(me.account.id),
        states=CONTRIBUTION_STATES,
    )


@bp.get("/contributions.csv")
def contributions_csv() -> Response:
    """The same as a file."""
    me = read_self()
    ids = list(db.session.execute(overview.contributions_of(me.account.id)).scalars())
    headings = [_l("Employer"), _l("First day"), _l("Last day"), _l("Place"), _l("Cents"), _l("How"), _l("State")]
    rows = [
        (one.employer, one.work_from, one.work_to, one.place, one.cents, one.explanation, one.state.value)
        for one in overview.paid(ids, policy=me.policy)
    ]
    return csv_answer(exports.to_csv(headings, rows), "contributions.csv")
