"""How does the regulator see all providers side by side, and what the choices made so far would do to them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import Response, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from enrollment import memberships, projection, reckonings, windows
from enrollment.cutover import Flow
from enrollment.pages import reckoned
from enrollment.projection import Movement
from enrollment.reckonings import ReckoningKind
from exchange import clock, exports, remembered
from exchange.database import in_unit_of_work
from exchange.identity import organizations
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.identity.organizations import exchange_id
from exchange.identity.people import seen_with
from exchange.revision import Moment
from exchange.web import kept, tables
from exchange.web.audiences import audience_blueprint, decision
from exchange.web.charts import Bar, Chart, Tone, ladder_chart, sparkline
from exchange.web.downloads import csv_answer
from exchange.web.filters import percent
from exchange.web.kept import Facts
from providers import overview
from providers.overview import Board, Place
from providers.pages.occasion import Occasion, occasion
from providers.pages.regulator import Compared, compared_standings
from providers.pages.wording import KIND_WORDS, PROVIDER_STATES, TONES, TierShown, tier_bands, tiers_shown

bp = audience_blueprint("regulator_overview", __name__, Audience.REGULATOR, "/regulator")
bp.add_to_nav("show", _l("Providers"), order=0)
projection_bp = audience_blueprint("regulator_projection", __name__, Audience.REGULATOR, "/regulator/projection")
projection_bp.add_to_nav("show", _l("Projected"), order=10)

SORTS: Final = ("standing", "name", "liabilities", "members", "overdue")
MATRIX_UP_TO: Final = 12
"""Organizations that still fit side by side; of more the list says the same."""


@dataclass(frozen=True, slots=True)
class Row:
    """One provider in the list, with what only enrollment knows: its members."""

    place: Place
    members: int

    @property
    def trend(self) -> Markup | None:
        """The line of its last ratios; None where they make no line."""
        return _trend(self.place)


@dataclass(frozen=True, slots=True)
class Moving:
    """What would come and go at one provider, and how it would stand after it."""

    compared: Compared
    movement: Movement


@dataclass(frozen=True, slots=True)
class Seen:
    """What the list of providers is written from."""

    board: Board
    members: Mapping[int, int]


@bp.get("/")
@seen_with(overview.board_beside_who_asks())
def show() -> ResponseReturnValue:
    """Every provider: standing, figures, trend; narrowed and ordered by the address."""
    return kept.page(_seen, _show)


def _seen() -> Facts[Seen]:
    """Checks, findings and decisions come one after another and stay; what is answered waits no more."""
    zone = current_app.config["PROGRAM_ZONE"]
    board = overview.board(current_actor().login_id, zone=zone)
    seen = Seen(board, remembered.counts("members", memberships.counts))
    members = tuple(sorted(seen.members.items()))
    on = clock.local_date(board.at, zone)
    return Facts((board.market, on, board.waiting, board.newest, members), seen)


def _show(seen: Seen) -> str:
    now = occasion(Moment(seen.board.at, seen.board.market))
    tiers = tiers_shown(now.policy)
    sort = tables.asked_sort(dict.fromkeys(SORTS), default="standing")
    rows = _rows(overview.places_on(seen.board, policy=now.policy, on=now.on), now, sort, seen.members)
    page = tables.page_of(rows, number=tables.asked_page())
    anything = ("", _("Any"))
    return kept.render(
        "regulator/overview.html",
        page=page,
        sort=sort,
        tiers=tiers,
        kinds=KIND_WORDS,
        states=PROVIDER_STATES,
        chart=_chart(page.rows, tiers, now),
        waiting=seen.board.waiting,
        counts=[(tier, sum(row.place.tier == tier.code for row in rows)) for tier in tiers.values()],
        options={
            "tier": [anything, *((one.code, one.word) for one in tiers.values())],
            "state": [anything, *((one.value, str(word)) for one, (_kind, word) in PROVIDER_STATES.items())],
            "filing": [anything, ("overdue", _("Overdue")), ("in_time", _("In time"))],
        },
        asked=request.args,
        provider_page=url_for("regulator_providers.show", provider_id=0).removesuffix("0"),
    )


@bp.get("/providers.csv")
def as_csv() -> Response:
    """The same providers as a file."""
    now, members = occasion(), remembered.counts("members", memberships.counts)
    places = overview.places(policy=now.policy, on=now.on)
    headings = [
        _l("Provider"), _l("Kind"), _l("State"), _l("Tier"), _l("Since"), _l("Checked on"), _l("Ratio, basis points"),
        _l("Required, cents"), _l("Held, cents"), _l("Owed to workers, cents"), _l("Members"), _l("Filed as of"),
        _l("Next filing due"), _l("Days overdue"), _l("Open findings"),
    ]  # fmt: skip
    rows = [
        (
            one.name, one.kind.value, one.state.value, one.tier, one.tier_since, one.checked_on, one.ratio_bp,
            one.required_cents, one.held_cents, one.liabilities_cents, row.members, one.filed_as_of, one.due_on,
            one.days_overdue, one.open_findings,
        )
        for row in _rows(places, now, tables.asked_sort(dict.fromkeys(SORTS), default="standing"), members)
        for one in [row.place]
    ]  # fmt: skip
    return csv_answer(exports.to_csv(headings, rows), "providers.csv", rows=len(rows))


def _rows(places: Sequence[Place], now: Occasion, sort: tables.Sort, members: Mapping[int, int]) -> list[Row]:
    asked = {name: request.args.get(name, "").strip() for name in ("q", "tier", "state", "filing")}
    found = [
        Row(one, members.get(one.provider_id, 0))
        for one in places
        if asked["q"].casefold() in one.name.casefold()
        and asked["tier"] in {"", one.tier}
        and asked["state"] in {"", one.state.value}
        and (asked["filing"] not in {"overdue", "in_time"} or (asked["filing"] == "overdue") == (one.days_overdue > 0))
    ]
    rungs = {tier.code: rung for rung, tier in enumerate(now.policy.reserves.ladder)}
    orders = {
        # The lowest first: that is where a regulator has to look.
        "standing": lambda row: (-rungs.get(row.place.tier or "", len(rungs)), row.place.ratio_bp or 0),
        "name": lambda row: (row.place.name.casefold(), 0),
        "liabilities": lambda row: (row.place.liabilities_cents or 0, 0),
        "members": lambda row: (row.members, 0),
        "overdue": lambda row: (row.place.days_overdue, 0),
    }
    return sorted(found, key=orders[sort.name], reverse=sort.descending)


def _trend(place: Place) -> Markup | None:
    if len(place.trend) < 2:
        return None
    words = _(
        "Ratio of the last 90 days, from %(first)s to %(last)s",
        first=percent(place.trend[0]),
        last=percent(place.trend[-1]),
    )
    return sparkline(words, place.trend)


def _chart(rows: Sequence[Row], tiers: dict[str, TierShown], now: Occasion) -> Chart | None:
    bars = [
        Bar(
            row.place.name,
            row.place.ratio_bp,
            Tone.MAIN if tier is None else TONES[tier.kind],
            note="" if tier is None else tier.word,
        )
        for row in rows
        for tier in [tiers.get(row.place.tier or "")]
        if row.place.ratio_bp is not None
    ]
    if not bars:
        return None
    return ladder_chart(
        _("Held for each dollar that must be held"),
        bars,
        bands=tier_bands(now.policy),
        show=percent,
        headings=(_("Provider"), _("Held over required")),
    )


# --- projected standing ---------------------------------------------------------------------------


@projection_bp.get("/", endpoint="show")
def projected() -> Response:
    """Before and after, by the choices that stand; while the window is open and until they are carried out."""
    now = occasion()
    window = windows.to_be_carried_out(now.at)
    if window is None:
        return make_response(
            render_template("regulator/projection_none.html", next=windows.next_open_enrollment(now.at))
        )
    asked = reckoned.asked(window, ReckoningKind.PROJECTION)
    flows = reckonings.flows_of(asked.done) if asked is not None and asked.done is not None else None
    found = None
    if asked is None or flows is not None:
        found = projection.project(window, policy=now.policy, on=now.on, flows=flows)
    ids = {id_ for flow in found.flows for id_ in (flow.from_id, flow.to_id)} if found else set()
    compared = compared_standings(found.now, found.then, policy=now.policy) if found else []
    page = render_template(
        "regulator/projection.html",
        window=window,
        is_open=window.opens_at <= now.at < window.closes_at,
        asked=asked,
        projection=found,
        moving=[Moving(one, found.movements[one.provider_id]) for one in compared] if found else [],
        fallen=sum(one.falls for one in compared),
        names=organizations.names_of(ids),
        exchange_id=exchange_id(),
        matrix=flow_matrix(found.flows, sorted(ids)) if found and len(ids) <= MATRIX_UP_TO else None,
        order=sorted(ids),
    )
    return reckoned.answer(page, asked)


@projection_bp.post("/", endpoint="reckon")
@decision
def have_it_reckoned() -> ResponseReturnValue:
    """Have it added up in the background, and watch."""

    def work() -> None:
        at = clock.now()
        window = windows.to_be_carried_out(at)
        if window is not None:
            reckonings.ask(window, kind=ReckoningKind.PROJECTION, by=current_actor(), at=at)

    in_unit_of_work(work)
    return redirect(url_for(".show", follow=1), code=303)


def flow_matrix(flows: Sequence[Flow], order: Sequence[int]) -> list[tuple[int, list[Flow | None]]]:
    """From down, to across; None where nobody goes."""
    found = {(flow.from_id, flow.to_id): flow for flow in flows}
    return [(from_id, [found.get((from_id, to_id)) for to_id in order]) for from_id in order]
