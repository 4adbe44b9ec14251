"""How does a worker shop, compare on his own work, choose, and take his choice back?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from enrollment import choosing, elections, overview, windows
from enrollment.choosing import Choice
from enrollment.models import EnrollmentWindow
from enrollment.pages.worker_comparison import USUAL, columns_of, packages_asked, rows_of
from enrollment.pages.worker_home import time_left
from enrollment.pages.worker_self import Self, asked_id, read_self
from exchange import calendar, clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work
from exchange.errors import NotFound, Refusal
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.web.audiences import audience_blueprint, repeatable
from exchange.web.forms import PageForm, refusal_to_form, render_form
from providers import comparison
from providers.models import PackageVersion, VersionState
from providers.pages.wording import tiers_shown

bp = audience_blueprint("worker_choice", __name__, Audience.WORKER, "/worker/choose")
bp.add_to_nav("shop", _l("Choose a package"), order=10)


class ConfirmForm(PageForm):
    """Only the token: what is confirmed stands in the address and on the page."""


@bp.get("/")
@repeatable("package")
def shop() -> str:
    """What is on sale for the plan year of the window, for somebody who lives where the worker lives."""
    me = read_self()
    open_ = choosing.open_windows(me.account, policy=me.policy, at=me.at)
    asked = asked_id("window")
    window = next((one for one in open_ if one.id == asked), open_[0] if open_ else None)
    has = request.args.get("has") or None
    found = (
        []
        if window is None
        else choosing.choices(me.account, window=_window(me, window.id), policy=me.policy, at=me.at)
    )
    wanted = [one for one in found if has is None or has in one.offer.terms.split]
    return render_template(
        "worker/choose.html",
        windows=open_,
        window=window,
        next_window=windows.next_open_enrollment(me.at),
        choices=sorted(wanted, key=_order(request.args.get("sort"))),
        count=len(found),
        has=has,
        sort=request.args.get("sort") or "provider",
        benefits=[(one.code, one.name) for one in me.policy.components if not one.mandatory],
        names={component.code: component.name for component in me.policy.components},
        tiers=tiers_shown(me.policy),
        chosen_ids=packages_asked(),
        time_left=time_left,
    )  # fmt: skip


def _order(sort: str | None) -> Callable[[Choice], tuple[object, ...]]:
    if sort == "fee":
        return lambda one: (not one.is_mine, one.offer.terms.fee_bp, one.offer.provider_name)
    return lambda one: (not one.is_mine, one.offer.provider_name, one.offer.package_name)


@bp.get("/compare")
@repeatable("package")
def compare() -> str:
    """Packages side by side on the worker's own work, what he has among them."""
    me = read_self()
    window = _window(me, asked_id("window"))
    offered = choosing.choices(me.account, window=window, policy=me.policy, at=me.at)
    asked = packages_asked()
    beside = [one for one in offered if one.is_mine or one.offer.version_id in asked]
    chosen = sorted(beside, key=lambda one: not one.is_mine)
    pattern = overview.pattern_of(me.account.id, today=me.today)
    table = comparison.compare([one.offer for one in chosen], pattern=pattern or USUAL, policy=me.policy)
    return render_template(
        "worker/compare.html",
        window=window,
        choices=chosen,
        pattern=table.pattern,
        is_own_pattern=pattern is not None,
        columns=columns_of(chosen),
        rows=rows_of(table),
        others=[one for one in offered if one not in chosen],
        asked=asked,
    )


@bp.route("/<int(max=9223372036854775807):version_id>", methods=["GET", "POST"])
def confirm(version_id: int) -> ResponseReturnValue:
    """What the choice would do, before it is confirmed; and the confirming."""
    if (answer := access.require_fresh()) is not None:
        return answer
    form = ConfirmForm()
    window_id = asked_id("window")
    if form.validate_on_submit():
        received_at = clock.now()
        try:
            in_unit_of_work(lambda: _confirm(version_id, window_id, received_at))
        except Refusal as refusal:
            refusal_to_form(form, refusal)
        else:
            return redirect(url_for(".chosen", window=window_id), code=303)
    me = read_self()
    window = _window(me, window_id)
    shown = choosing.statement(me.account, window=window, version=_version(version_id), policy=me.policy, at=me.at)
    return render_form(
        "worker/confirm.html",
        form,
        shown=shown,
        window=window,
        home=overview.home_of(me.account, policy=me.policy, at=me.at),
        names={component.code: component.name for component in me.policy.components},
    )


def _confirm(version_id: int, window_id: int | None, received_at: datetime) -> None:
    # Received whole: what came before the close counts, however long the database lets it wait.
    me = read_self(received_at)
    choosing.confirm(
        me.account,
        window=_window(me, window_id),
        version=_version(version_id),
        policy=me.policy,
        by=me.actor,
        at=me.at,
    )


@bp.get("/chosen")
def chosen() -> ResponseReturnValue:
    """The choice that stands, like a receipt, with the button that undoes it."""
    me = read_self()
    window = _window(me, asked_id("window"))
    year = choosing.plan_year_for(window, policy=me.policy, at=me.at)
    election = elections.standing(me.account.id, year)
    if election is None:
        return redirect(url_for(".shop"))
    shown = choosing.statement(
        me.account, window=window, version=_version(election.package_version_id), policy=me.policy, at=me.at
    )
    effective_on = local_date(election.effective_at, me.policy.zone)
    days = me.policy.switching.cash_within_business_days
    return render_template(
        "worker/chosen.html",
        election=election,
        shown=shown,
        effective_on=effective_on,
        window=window,
        time_left=time_left(window.closes_at - me.at),
        cash_by=calendar.business_days_after(me.policy.calendar, effective_on, days),
        may_not_undo=windows.refusal_to_choose(window, me.at),
    )


@bp.post("/undo")
def undo() -> ResponseReturnValue:
    """Take the standing choice back: one click, until the window closes."""
    window_id = asked_id("window")
    received_at = clock.now()

    def work() -> None:
        me = read_self(received_at)
        window = _window(me, window_id)
        year = choosing.plan_year_for(window, policy=me.policy, at=me.at)
        choosing.take_back(me.account, window=window, plan_year=year, by=me.actor, at=me.at)

    in_unit_of_work(work)
    flash(_("Your choice is undone. You stay where you are, unless you choose again."), "success")
    return redirect(url_for(".shop", window=window_id), code=303)


def _window(me: Self, window_id: int | None) -> EnrollmentWindow:
    """The window asked for, else the one that is open; everybody's or the worker's own."""
    if window_id is None:
        open_ = windows.open_for(me.account, me.at)
        found = open_[0] if open_ else None
    else:
        found = db.session.get(EnrollmentWindow, window_id)
    if found is None or found.benefit_account_id not in {None, me.account.id}:
        raise NotFound(_l("No enrollment is open for you now."))
    return found


def _version(version_id: int) -> PackageVersion:
    version = db.session.get(PackageVersion, version_id)
    if version is None or version.state is not VersionState.LISTED:
        raise NotFound(_l("This package is not offered."))
    return version
