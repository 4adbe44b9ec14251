"""How does a worker shop, compare on his own work, choose, and take his choice back?"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from enrollment import choosing, elections, overview, standpoint, windows, workers
from enrollment.models import EnrollmentWindow
from enrollment.pages.worker_comparison import USUAL, actions_of, columns_of, packages_asked, rows_of
from enrollment.pages.worker_home import time_left
from enrollment.pages.worker_offers import cards_of
from enrollment.pages.worker_self import Self, asked_id, read_self
from enrollment.standpoint import Standpoint
from exchange import calendar, clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work
from exchange.errors import NotFound, Refusal
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.identity.people import seen_with
from exchange.policy import versions
from exchange.revision import Moment
from exchange.web import kept, tables
from exchange.web.audiences import audience_blueprint, repeatable
from exchange.web.forms import PageForm, refusal_to_form, render_form
from exchange.web.kept import Facts
from exchange.web.sparing import address_of
from providers.models import PackageVersion, VersionState
from providers.pages.comparison_table import compare_known, stem_of
from providers.pages.wording import tiers_shown

bp = audience_blueprint("worker_choice", __name__, Audience.WORKER, "/worker/choose")
bp.add_to_nav("shop", _l("Choose a package"), order=10)


PER_PAGE: Final = 20
MOST_BESIDE: Final = 30
"""So many others can be ticked beside a comparison; where there are more, they are found in the list."""
STANDPOINT: Final = standpoint.beside_who_asks(lambda: asked_id("window"))
_SHOP: Final = "worker_choice.shop"
NOTHING_OPEN: Final = _l("No enrollment is open for you now.")


class ConfirmForm(PageForm):
    """Only the token: what is confirmed stands in the address and on the page."""


@bp.get("/")
@seen_with(STANDPOINT)
@repeatable("package")
def shop() -> ResponseReturnValue:
    """What is on sale for the plan year of the window, for somebody who lives where the worker lives."""
    return kept.page(lambda: _here(tells_time_left=True), _shop)


def _shop(here: Standpoint) -> str:
    policy = versions.at_moment(Moment(here.at, here.market))
    open_ = here.open_windows
    window = next((one for one in open_ if one.id == asked_id("window")), open_[0] if open_ else None)
    told = choosing.told(open_, {}, policy=policy, at=here.at)  # what stands is marked among the offers
    has, sort = request.args.get("has") or None, request.args.get("sort") or "provider"
    page, found = None, []
    if window is not None:
        year = choosing.plan_year_for(window, policy=policy, at=here.at)
        wanted = choosing.on_sale(here, plan_year=year, has=has, by_fee=sort == "fee")
        page = tables.page_of(wanted, number=tables.asked_page(), per_page=PER_PAGE)
        found = choosing.choices(here, [one.version_id for one in page.rows], window=window, policy=policy)
    return kept.render(
        "worker/choose.html",
        windows=told,
        window=next((one for one in told if window is not None and one.id == window.id), None),
        next_window=windows.next_open_enrollment(here.at) if window is None else None,
        cards=cards_of(found, ticked=packages_asked(), policy=policy, market=here.market),
        package_page=stem_of("packages.package"),
        confirm_page=stem_of("worker_choice.confirm"),
        page=page,
        has=has,
        sort=sort,
        benefits=[(one.code, one.name) for one in policy.components if not one.mandatory],
        tiers=tiers_shown(policy),
        chosen_ids=packages_asked(),
        shown_ids=[one.offer.version_id for one in found],
        time_left=time_left,
    )


@bp.get("/compare")
@seen_with(STANDPOINT)
@repeatable("package")
def compare() -> ResponseReturnValue:
    """Packages side by side on the worker's own work, what he has among them."""
    return kept.page(_here, _compare)


def _compare(here: Standpoint) -> str:
    asked, window_id = packages_asked(), asked_id("window")
    policy = versions.at_moment(Moment(here.at, here.market))
    window = next(iter(here.open_windows), None) if window_id is None else here.window(window_id)
    if window is None:
        raise NotFound(NOTHING_OPEN)
    chosen = choosing.choices(here, asked, window=window, policy=policy)
    offers = [one.offer for one in chosen]
    table = compare_known(offers, pattern=here.pattern or USUAL, policy=policy, market=here.market)
    year = choosing.plan_year_for(window, policy=policy, at=here.at)
    beside = {offer.version_id for offer in offers}
    others = choosing.on_sale(here, plan_year=year, beside=beside, at_most=MOST_BESIDE + 1)
    return kept.render(
        "worker/compare.html",
        window=window,
        choices=chosen,
        pattern=table.pattern,
        is_own_pattern=here.pattern is not None,
        columns=columns_of(chosen),
        **actions_of(chosen, window_id=window.id),
        rows=rows_of(table),
        others=others if len(others) <= MOST_BESIDE else [],
        has_more=len(others) > MOST_BESIDE,
        asked=asked,
        list_url="&".join([f"{address_of(_SHOP)}?window={window.id}", *(f"package={id_}" for id_ in asked)]),
    )


def _here(*, tells_time_left: bool = False) -> Facts[Standpoint]:
    """The worker of this request, before the window that he asks for."""
    login_id = access.current_actor().login_id
    assert login_id is not None, "the audience's guard stands before"
    zone = current_app.config["PROGRAM_ZONE"]
    found = standpoint.of_login(login_id, window_id=asked_id("window"), zone=zone)
    if found is None:
        raise NotFound(workers.NO_WORKER)
    return Facts((found.time_left if tells_time_left else None, found.facts), found, is_all=True)


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
        raise NotFound(NOTHING_OPEN)
    return found


def _version(version_id: int) -> PackageVersion:
    version = db.session.get(PackageVersion, version_id)
    if version is None or version.state is not VersionState.LISTED:
        raise NotFound(_l("This package is not offered."))
    return version
