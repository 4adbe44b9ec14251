"""How are the enrollment windows: their instants, the choices made in them, and the special ones?

And what of it stands on the operator's overview.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from flask import render_template, request, url_for
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from enrollment import account_numbers, switch_list, window_counts, windows
from enrollment.models import ElectionState, EnrollmentWindow
from enrollment.window_counts import Day
from exchange import calendar, clock
from exchange.errors import NotFound, Refusal
from exchange.identity.actors import Audience
from exchange.pages.operator import Card, overview_card
from exchange.policy import versions
from exchange.policy.document import NoPolicyInForce, Policy
from exchange.web import tables
from exchange.web.audiences import audience_blueprint
from exchange.web.charts import Chart, Line, Point, line_chart
from exchange.web.filters import moment, program_zone, whole

bp = audience_blueprint("operator_windows", __name__, Audience.OPERATOR, "/operator/windows")
bp.add_to_nav("show_all", _l("Windows"), order=10)
special_bp = audience_blueprint("operator_special", __name__, Audience.OPERATOR, "/operator/special-enrollments")
special_bp.add_to_nav("show_all", _l("Special"), order=30)

STATES: Final = {
    "ahead": ("info", _l("Opens later")),
    "open": ("good", _l("Open")),
    "closed": ("waiting", _l("Closed, to be ordered")),
    "ordered": ("waiting", _l("Ordered, to be carried out")),
    "cutting": ("watch", _l("Being carried out")),
    "paused": ("watch", _l("Paused")),
    "rolling_back": ("watch", _l("Being rolled back")),
    "done": ("done", _l("Carried out")),
}
"""How far an open enrollment is: kind of tag, and word."""
ELECTION_STATES: Final[dict[ElectionState, tuple[str, LazyString]]] = {
    ElectionState.STANDING: ("waiting", _l("Stand")),
    ElectionState.CARRIED_OUT: ("done", _l("Carried out")),
    ElectionState.REPLACED: ("off", _l("Replaced by a later choice")),
    ElectionState.UNDONE: ("off", _l("Taken back")),
}


@dataclass(frozen=True, slots=True)
class WindowShown:
    """An open enrollment: the instants that decide, in the program's zone and in UTC, and what the policy says now."""

    window: EnrollmentWindow
    state: str
    zone: str
    instants: Sequence[tuple[LazyString, str, str, str]]
    agrees: bool


@bp.get("/")
def show_all() -> str:
    """Every published open enrollment, the latest first."""
    at = clock.now()
    policy = _policy(at)
    return render_template(
        "operator/windows.html",
        shown=[_shown(window, policy, at) for window in windows.open_enrollments()],
        states=STATES,
    )


@bp.get("/<plan_year>")
def show(plan_year: str) -> str:
    """One open enrollment: the choices made in it, day by day."""
    window, at = called(plan_year), clock.now()
    policy = _policy(at)
    days = window_counts.by_day(window, zone=str(program_zone()), until=at) if at >= window.opens_at else []
    return render_template(
        "operator/window.html",
        shown=_shown(window, policy, at),
        states=STATES,
        days=days[::-1],
        totals=window_counts.in_all(days),
        election_states=ELECTION_STATES,
        chart=_chart(days),
    )


def called(plan_year: str) -> EnrollmentWindow:
    """The open enrollment for a plan year; ``NotFound`` where none is published."""
    window = windows.open_enrollment_for(plan_year)
    if window is None:
        raise NotFound(_l("No open enrollment is published for that plan year."))
    return window


def state_of(window: EnrollmentWindow, at: datetime) -> str:
    """How far it is: a key of ``STATES``."""
    if at < window.opens_at:
        return "ahead"
    if at < window.closes_at:
        return "open"
    if window.rolling_back_since is not None:
        return "rolling_back"
    if window.cut_over_at is not None:
        return "done"
    if window.paused_at is not None:
        return "paused"
    if window.ordered_at is None:
        return "closed"
    return "ordered" if window.effective_at is None or at < window.effective_at else "cutting"


def _shown(window: EnrollmentWindow, policy: Policy | None, at: datetime) -> WindowShown:
    said = None if policy is None else calendar.open_enrollment(policy, calendar.plan_year(policy, window.plan_year))
    published = (window.opens_at, window.closes_at, window.effective_at)
    computed = (None, None, None) if said is None else (said.opens_at, said.closes_at, said.effective_at)
    words = (_l("Opens"), _l("Closes"), _l("Takes effect"))
    return WindowShown(
        window=window,
        state=state_of(window, at),
        zone=str(program_zone()),
        instants=[
            (word, moment(instant), _utc(instant), moment(computed[number]))
            for number, (word, instant) in enumerate(zip(words, published, strict=True))
        ],
        agrees=said is None or published == computed,
    )


def _utc(instant: datetime | None) -> str:
    return "–" if instant is None else instant.astimezone(UTC).isoformat(sep=" ").replace("+00:00", " UTC")


def _policy(at: datetime) -> Policy | None:
    try:
        return versions.at_instant(at)
    except NoPolicyInForce:
        return None


def _chart(days: Sequence[Day]) -> Chart | None:
    if not days:
        return None
    return line_chart(
        _("Choices made each day"),
        [Line(_("Made"), [Point(day.on, day.made) for day in days])],
        show=whole,
        headings=(_("Day"), _("Made")),
    )


# --- special enrollments --------------------------------------------------------------------------


@special_bp.get("/", endpoint="show_all")
def show_special() -> str:
    """Special enrollments: how many of each cause, and one by one; found by a whole account number."""
    at = clock.now()
    policy = _policy(at)
    names = {cause.code: cause.name for cause in policy.causes} if policy else {}
    counted = window_counts.by_cause(at)
    cause, number, trouble = request.args.get("cause", ""), *asked_number()
    statement = window_counts.special_windows(cause=cause, account_number=number)
    return render_template(
        "operator/special.html",
        counted=counted,
        names=names,
        page=None if trouble else tables.read_page(statement, number=tables.asked_page(), per_page=25),
        trouble=trouble,
        at=at,
        cause=cause,
        written=request.args.get("number", ""),
        options=[("", _("Any")), *((one.cause, names.get(one.cause, one.cause)) for one in counted)],
    )


def asked_number() -> tuple[str, str]:
    """(the account number asked for in its one written form, or nothing; what is wrong with it, or nothing)."""
    written = request.args.get("number", "").strip()
    if not written:
        return "", ""
    try:
        return account_numbers.parse(written), ""
    except Refusal as refusal:
        return "", str(refusal)


# --- the overview ---------------------------------------------------------------------------------


@overview_card
def _windows_card(at: datetime) -> Card:
    window = windows.to_be_carried_out(at) or windows.next_open_enrollment(at)
    heading = _("Open enrollment")
    if window is None:
        return Card(heading, url_for("operator_windows.show_all"), [_("None is published or under way.")])
    said = [_("%(year)s: %(state)s.", year=window.plan_year, state=STATES[state_of(window, at)][1])]
    if at < window.closes_at:
        said.append(_("It closes %(at)s.", at=moment(window.closes_at)))
    elif window.effective_at is not None:
        said.append(_("It takes effect %(at)s.", at=moment(window.effective_at)))
    return Card(heading, url_for("operator_windows.show", plan_year=window.plan_year), said)


@overview_card
def _cutover_card(at: datetime) -> Card:
    window = windows.to_be_carried_out(at)
    heading = _("Cutover")
    if window is None or at < window.closes_at:
        return Card(heading, url_for("operator_cutover.show_all"), [_("No cutover is due.")])
    pace = switch_list.pace(window, at=at)
    said = [_("Workers carried out: %(done)s of %(total)s.", done=whole(pace.done), total=whole(pace.total))]
    return Card(heading, url_for("operator_cutover.show", plan_year=window.plan_year), said)
