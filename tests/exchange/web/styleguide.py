"""What does the shell look like when every macro stands on one page?

An application of its own, made for these tests: pages of several audiences, a form with every field, every refusal.
Who is signed in is said by the header ``X-Test-Audience`` or the cookie of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask, abort, flash, render_template, request
from flask_babel import lazy_gettext as _l
from flask_login import LoginManager
from jinja2 import ChoiceLoader, FileSystemLoader
from sqlalchemy import text
from wtforms import BooleanField, RadioField, SelectField
from wtforms.fields.choices import SelectChoice

from exchange.database import db
from exchange.errors import NotFound, Refusal
from exchange.identity.actors import Actor, Audience
from exchange.web import charts, filters, forms, shell, tables
from exchange.web.audiences import audience_blueprint, decision, repeatable

ROOT = Path(__file__).resolve().parents[3]
NOON = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
CLOSES = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)  # midnight in Los Angeles
BALANCES = [("Paid leave", 120_450, 4_815), ("Sick leave", 40_010, 1_600), ("Training", 7_500, 0)]


@dataclass(frozen=True)
class Visitor:
    """Whoever the test says is signed in."""

    audience: Audience
    is_authenticated: bool = True
    active: bool = True
    has_second_factor: bool = True

    def as_actor(self) -> Actor:
        return Actor(self.audience, "Rosa Delgado", login_id=1)

    def get_id(self) -> str:
        return "1"


class LeaveForm(forms.PageForm):
    """One of every field."""

    name = forms.NameField("Full name", [forms.needed()], hint="As on your card.")
    number = forms.AccountNumberField("Account number", parse=lambda words: words.upper())
    amount = forms.DollarsField("Amount", [forms.needed()], at_least=100, at_most=1_000_000)
    jobs = forms.WholeField("Jobs done", at_most=500)
    time_off = forms.HoursField("Time off", [forms.needed("Say how long.")], hint="What you ask for.", at_most=2_400)
    starts_on = forms.DateField("First day", earliest=date(2026, 1, 1), latest=date(2026, 12, 31))
    kind = SelectField("Kind of work", choices=[SelectChoice("care", "Care"), SelectChoice("ride", "Driving")])
    paid_by = RadioField(
        "Paid by", choices=[SelectChoice("bank", "Bank transfer"), SelectChoice("card", "Card")], default="bank"
    )
    reason = forms.TextField("Reason", at_most=500)
    sure = BooleanField("I have read what changes")


class WindowClosed(Refusal):
    """A refusal of these tests."""

    code = "window_closed"


public = audience_blueprint("public", __name__, Audience.PUBLIC)
worker = audience_blueprint("worker", __name__, Audience.WORKER, "/worker")
regulator = audience_blueprint("regulator", __name__, Audience.REGULATOR, "/regulator")
public.add_to_nav("home", _l("Packages"), order=10)
public.add_to_nav("listing", _l("Providers"), order=20)
worker.add_to_nav("form", _l("Take leave"), order=20)
worker.add_to_nav("home", _l("My benefits"), order=10)
worker.add_to_nav("history", _l("Contributions"), order=30)


@public.route("/")
def home() -> str:
    return render_template("styleguide.html", **specimens())


@public.route("/list")
def listing() -> str:
    page = tables.page_of(list(range(1_234)), number=tables.asked_page())
    sort = tables.asked_sort({"name": None, "size": None}, default="name")
    return render_template("listing.html", page=page, sort=sort)


@public.route("/compare")
@repeatable("package")
def compare() -> str:
    return ",".join(request.args.getlist("package"))


@public.route("/fail/<kind>")
def fail(kind: str) -> str:
    if kind.isdigit():
        abort(int(kind))
    if kind == "refusal":
        raise WindowClosed(
            _l("The window closed on November 30. The next one opens on November 1."), closes="2026-12-01"
        )
    if kind == "hidden":
        raise NotFound(_l("There is no such record, or it is not yours to see."))
    if kind == "schema":
        db.session.execute(text("SELECT * FROM nothing_of_the_kind"))
    raise RuntimeError(kind)


@public.route("/flash/<kind>")
def flashing(kind: str) -> str:
    flash("Saved. Your choice stands.", kind)
    return render_template(
        "listing.html", page=tables.page_of([], number=1), sort=tables.Sort("name", descending=False)
    )


@worker.route("/")
def worker_home() -> str:
    return render_template("styleguide.html", **specimens())


@worker.route("/leave", methods=["GET", "POST"])
def form() -> tuple[str, int]:
    leave = LeaveForm()
    if leave.validate_on_submit():
        if leave.reason.data == "closed":
            forms.refusal_to_form(leave, WindowClosed(_l("The window is closed.")), field="starts_on")
        elif leave.reason.data == "nobody":
            forms.refusal_to_form(leave, WindowClosed(_l("Nobody can do this now.")))
        else:
            return f"{leave.amount.data} {leave.time_off.data} {leave.starts_on.data} {leave.name.data}", 200
    return forms.render_form("form.html", leave)


@worker.route("/contributions/")
@worker.route("/contributions/<int:number>")
def history(number: int = 0) -> str:
    return render_template(
        "listing.html", page=tables.page_of([number], number=1), sort=tables.Sort("name", descending=False)
    )


@regulator.route("/", methods=["GET"])
def read() -> str:
    return "read"


@regulator.route("/decide", methods=["POST"])
@decision
def decide() -> str:
    return "decided"


worker.add_url_rule("/home", "home", worker_home)


def specimens() -> dict[str, Any]:
    """What the page of all macros shows."""
    months = [date(2026, month, 1) for month in range(1, 12)]
    ratio = [17_400, 16_800, 16_100, 15_300, 14_700, 13_200, 12_100, 11_400, 10_600, 10_900, 11_200]
    ladder = [
        charts.Band("Run-off", 0, charts.Tone.QUIET),
        charts.Band("Restricted", 7_000, charts.Tone.BAD),
        charts.Band("Watch", 10_000, charts.Tone.WATCH),
        charts.Band("Adequate", 12_500, charts.Tone.FAIR),
        charts.Band("Strong", 15_000, charts.Tone.GOOD),
    ]
    parts = [("Health cover", 4_120), ("Paid leave", 2_310), ("Retirement", 1_500), ("Disability", 640), ("Fee", 230)]
    return {
        "balances": BALANCES,
        "noon": NOON,
        "closes": CLOSES,
        "start": date(2026, 1, 1),
        "bars": charts.bar_chart(
            "Reserves of each provider",
            [
                charts.Bar("Drivers United Benefit Trust", 17_200, charts.Tone.GOOD),
                charts.Bar("Care Workers' Cooperative", 11_200, charts.Tone.WATCH),
                charts.Bar("Harbor Credit Union", 6_900, charts.Tone.BAD),
            ],
            show=filters.percent,
            headings=("Provider", "Held of what is required"),
        ),
        "split": charts.split_bar(
            "Where $88.00 goes", parts, show=filters.money, headings=("Component", "Of this contribution")
        ),
        "trend": charts.line_chart(
            "Reserve ratio this year",
            [charts.Line("Now", [charts.Point(on, value) for on, value in zip(months, ratio, strict=True)])],
            show=filters.percent,
            headings=("Day", "Ratio"),
            bands=ladder,
        ),
        "two": charts.line_chart(
            "Contributions by month",
            [
                charts.Line("Ride", [charts.Point(on, 40_000 + 9_000 * i) for i, on in enumerate(months)]),
                charts.Line("Care", [charts.Point(on, 90_000 - 4_000 * i) for i, on in enumerate(months)]),
            ],
            show=filters.money,
            headings=("Month", "Ride", "Care"),
        ),
        "spark": charts.sparkline("Ratio, falling", ratio),
        "later": NOON + timedelta(days=30),
    }


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The application of these tests, on a database in memory that holds nothing."""
    app = Flask("styleguide", root_path=str(ROOT))
    app.config.update(
        SECRET_KEY="not a secret",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        PROGRAM_ZONE="America/Los_Angeles",
        **(config or {}),
    )
    db.init_app(app)
    shell.init_app(app)
    own = FileSystemLoader(Path(__file__).parent / "templates")
    assert app.jinja_loader is not None
    app.jinja_loader = ChoiceLoader([own, app.jinja_loader])
    login = LoginManager(app)
    login.request_loader(_visitor)
    for blueprint in (public, worker, regulator):
        app.register_blueprint(blueprint)
    app.add_url_rule("/sign-in", "security.login", lambda: "sign in")
    app.add_url_rule("/sign-out", "security.logout", lambda: "signed out", methods=["POST"])
    app.add_url_rule("/api/v1/fail/<kind>", "api_fail", fail)
    return app


def _visitor(asked: Any) -> Visitor | None:
    word = asked.headers.get("X-Test-Audience") or asked.cookies.get("X-Test-Audience")
    return Visitor(Audience(word)) if word else None
