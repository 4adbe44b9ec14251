"""What does a worker find when he comes to his account?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask import Response, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from enrollment import accounts, choosing, overview, own_account, workers
from enrollment.models import SwitchState
from enrollment.overview import ContributionState, Holding
from enrollment.own_account import OwnAccount
from enrollment.pages import worker_check
from enrollment.pages.worker_self import read_self
from exchange import exports, remembered
from exchange.database import db, in_unit_of_work
from exchange.errors import NotFound
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.identity.organizations import OrganizationKind
from exchange.identity.people import seen_with
from exchange.money import format_minutes
from exchange.web import kept, tables
from exchange.web.audiences import audience_blueprint
from exchange.web.charts import Chart, split_bar
from exchange.web.downloads import csv_answer
from exchange.web.filters import money
from exchange.web.kept import Facts
from exchange.web.qr import qr_svg

bp = audience_blueprint("worker_home", __name__, Audience.WORKER, "/worker")
bp.add_to_nav("home", _l("My account"), order=0)

CONTRIBUTION_STATES = {
    ContributionState.WAITING: ("waiting", _l("Reported, not paid yet")),
    ContributionState.POSTED: ("done", _l("In your account")),
    ContributionState.TAKEN_BACK: ("off", _l("Taken back")),
}
"""How a contribution's state is shown: kind of tag, and word."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Totals:
    """All that a worker has, in cents and in minutes of leave."""

    cents: int
    minutes: int


@bp.get("/")
@seen_with(own_account.BESIDE_WHO_ASKS)
def home() -> ResponseReturnValue:
    """Everything at one glance."""
    return kept.page(_own, _home, leaves_no_copy=True)


def _own() -> Facts[OwnAccount]:
    """The account of this request's worker. The browser's check is told at which sign-in it runs."""
    login_id = access.current_actor().login_id
    assert login_id is not None, "the audience's guard stands before"
    own = own_account.of_login(login_id)
    if own is None:
        raise NotFound(workers.NO_WORKER)
    return Facts((own.facts, worker_check.is_sealing(), session.get("began_at")), own, is_all=True)


def _home(own: OwnAccount) -> str:
    (exchange_id,) = own.officials(OrganizationKind.OPERATOR)
    holdings = overview.holdings(own.balances, exchange_id=exchange_id, policy=own.policy)
    return kept.render(
        "worker/home.html",
        name=own.told.legal_name,
        number=own.told.number,
        locked=bool(own.told.locked),
        home=own.home,
        holdings=holdings,
        totals=Totals(sum(one.cents for one in holdings), sum(one.minutes or 0 for one in holdings)),
        chart=_chart(holdings),
        covers=own.covers(),
        payers=own.payers,
        contributions=own.contributions(),
        notices=own.notices(),
        **_what_waits(own),
        **_what_is_checked(own),
    )


def _what_is_checked(own: OwnAccount) -> dict[str, object]:
    """The script of the check gets its settings only where there is something to check."""
    newest = own.newest_round if worker_check.is_sealing() else None
    if newest is None:
        return {"check": None}
    providers = remembered.of_market("names of providers", own.told.market, worker_check.providers_called)
    names = worker_check.names_in(own.policy, {**providers, **own.officials(OrganizationKind.OPERATOR)})
    return {
        "check": worker_check.settings_of(own.told.account_id, own.told.number, newest, names),
        "check_round": newest,
        "regulators": list(own.officials(OrganizationKind.REGULATOR).values()),
    }


def _what_waits(own: OwnAccount) -> dict[str, object]:
    return {
        "windows": choosing.told(own.open_windows, own.standing, policy=own.policy, at=own.at),
        "next_window": own.next_window,
        "switches": own.switches(SwitchState.ORDERED),
        "last_switch": next(iter(own.switches(SwitchState.CARRIED_OUT)), None),
        "requests": list(own.requests()),
        "component_names": {component.code: component.name for component in own.policy.components},
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
    return render_template("worker/card.html", name=me.worker.legal_name, number=number, code=code)


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
    return csv_answer(exports.to_csv(headings, rows), "contributions.csv", rows=len(rows))
