"""How does an employer's program report work without anybody clicking?

JSON over HTTP below ``/api/v1``, described at ``/api/openapi.json``. A program signs in with its
employer's token (``Authorization: Bearer …``). Everything that is wrong is told as a problem document
(RFC 9457); the same request sent twice has one effect.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Final

from flask import Flask, g, request, url_for
from flask_babel import lazy_gettext as _l
from flask_smorest import Api, Blueprint
from sqlalchemy import select
from webargs.flaskparser import FlaskParser

from enrollment import contributions, employers, reported_before, reporting, schemas
from enrollment.contributions import Confirmed
from enrollment.models import BenefitAccount, Contribution, Employer, Remittance
from enrollment.reported_before import ReportedBefore
from enrollment.reporting import Report
from exchange import clock
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import access
from exchange.identity.actors import Actor
from exchange.strict_json import parse_json
from exchange.web import shell, tables, watched
from providers.api import bp as market

PER_PAGE: Final = 100
LINES_PER_PAGE: Final = 1_000
# What the database can count: a longer number in an address is no number of ours.
_ID: Final = f"<int(max={2**63 - 1}):remittance_id>"
_KEY: Final = re.compile(r"[!-~]{1,200}", re.ASCII)
DESCRIPTION: Final = """
For employers. Money is whole US cents, time whole minutes, days are ISO dates in the program's zone.
A report is taken as a whole or not at all, and paid on the employer's page. Send an
`Idempotency-Key` with each report: sent again after a broken connection, it has no second effect.
"""


class NotSignedIn(Refusal):
    """Nobody asks, as far as we can tell."""

    code = "not_signed_in"
    status = 401


class BadRequestKey(Refusal):
    """The name of the request is empty, too long or not plain."""

    code = "bad_idempotency_key"


class NotJson(Refusal):
    """The request says that its body is something else."""

    code = "not_json"
    status = 415


class StrictParser(FlaskParser):
    """Reads bodies strictly, and refuses unknown keys in addresses too."""

    DEFAULT_UNKNOWN_BY_LOCATION: Any = MappingProxyType({**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": None})

    def load_json(self, req: Any, schema: Any) -> Any:  # noqa: ARG002 - webargs gives both
        """The body as JSON that cannot be read in two ways. Refuses ``NotJson`` and ``BadJson``."""
        if not req.is_json:
            raise NotJson(_l("Send JSON, and say so: Content-Type: application/json."))
        return parse_json(req.get_data(cache=True))


class ReportingApi(Api):
    """Without an error handler of its own: problems are told, and described, as ``exchange.web.errors`` tells them."""

    ERROR_SCHEMA = schemas.Problem

    def _register_responses(self) -> None:
        usual: str = Api.DEFAULT_RESPONSE_CONTENT_TYPE
        self.DEFAULT_RESPONSE_CONTENT_TYPE = "application/problem+json"
        super()._register_responses()
        self.DEFAULT_RESPONSE_CONTENT_TYPE = usual

    def _register_error_handlers(self) -> None:
        pass


class StrictBlueprint(Blueprint):
    """A blueprint whose bodies and addresses are read strictly."""

    ARGUMENTS_PARSER = StrictParser()


bp = StrictBlueprint("api_v1", __name__, url_prefix="/api/v1", description="Reports and remittances of an employer")


def init_app(app: Flask) -> None:
    """Offer the API and its description."""
    app.config.update(
        API_TITLE="Portable Benefits Exchange",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": DESCRIPTION},
            "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
            "security": [{"token": []}],
        },
    )
    api = ReportingApi(app)
    api.register_blueprint(bp)
    api.register_blueprint(market)
    shell.csrf.exempt(bp)  # no cookie signs in here


@bp.before_request
def sign_in() -> None:
    """Who asks: a program, by its token. A browser's session counts for nothing here."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    actor = employers.actor_with(token.strip()) if scheme.lower() == "bearer" else None
    if actor is None:
        raise NotSignedIn(_l("Send a token that is in force: Authorization: Bearer … Make one on the employer's page."))
    g.api_actor = actor


def _actor() -> Actor:
    actor: Actor = g.api_actor
    return actor


def _employer() -> Employer:
    return employers.of_actor(_actor())


@bp.route("/preview", methods=["POST"])
@bp.arguments(schemas.ReportIn)
@bp.response(200, schemas.ReportOut)
def preview(body: dict[str, Any]) -> dict[str, Any]:
    """What a report would cost, line by line, and what is wrong with it. Nothing is kept."""
    lines = [schemas.report_line(place, line) for place, line in enumerate(body["lines"], start=1)]
    employer = _employer()
    report = reporting.preview(lines, employer=employer, at=clock.now())
    return _shown(report, reported_before.find(report.lines, employer.organization_id))


def _shown(report: Report, before: ReportedBefore) -> dict[str, Any]:
    return {
        "total_cents": report.total_cents,
        "late_cents": report.late_cents,
        "workers": report.workers,
        "problem_count": report.problems.count,
        "problems": [{"line": p.line, "column": p.column, "reason": str(p.reason)} for p in report.problems.kept],
        "earlier_remittance_id": report.earlier_id,
        "reported_before": before.kept,
        "reported_before_count": before.count,
        "lines": [
            {
                "line": computed.line.line,
                "account_number": computed.line.number,
                "rule": computed.rule,
                "owed_cents": computed.owed_cents,
                "extra_cents": computed.line.extra_cents,
                "explanation": computed.explanation,
            }
            for computed in report.lines
        ],
    }


@bp.route("/remittances", methods=["POST"])
@bp.arguments(schemas.RemittanceIn)
@bp.response(201, schemas.RemittanceOut)
@bp.alt_response(409, description="Reported before, not what it may cost, or the key stands for another report")
@bp.doc(
    parameters=[
        {
            "in": "header",
            "name": "Idempotency-Key",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": "Your own name for this request: the same again has no second effect.",
        }
    ]
)
def report(body: dict[str, Any]) -> tuple[Remittance, int, dict[str, str]]:
    """Report work. All of it is taken, or nothing and every problem told."""
    lines = [schemas.report_line(place, line) for place, line in enumerate(body["lines"], start=1)]
    key, actor = _request_key(), _actor()
    confirmed = Confirmed(body.get("total_cents"), body.get("other_work", False))

    def submit() -> Remittance:
        return contributions.submit(
            lines,
            employer=_employer(),
            source="api",
            request_key=key,
            confirmed=confirmed,
            by=actor,
            at=clock.now(),
        )

    remittance = in_unit_of_work(submit)
    address = url_for(".remittance", remittance_id=remittance.id)
    return remittance, 201, {"Location": address}


def _request_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and _KEY.fullmatch(key) is None:
        raise BadRequestKey(_l("An Idempotency-Key has 1 to 200 plain characters without blanks."))
    return key


@bp.route("/remittances", methods=["GET"])
@bp.arguments(schemas.PageIn, location="query")
@bp.response(200, schemas.RemittancesOut)
def remittances(query: dict[str, int]) -> dict[str, Any]:
    """What was reported, the latest first."""
    own = access.selecting(Remittance, _actor()).with_only_columns(*Remittance.__table__.c)
    page = tables.read_page(own.order_by(Remittance.id.desc()), number=query["page"], per_page=PER_PAGE)
    return {"remittances": page.rows, "page": page.number, "pages": page.pages}


@bp.route(f"/remittances/{_ID}", methods=["GET"])
@bp.response(200, schemas.RemittanceOut)
@bp.alt_response(404, description="There is none, or it is another employer's")
def remittance(remittance_id: int) -> Remittance:
    """One remittance."""
    return access.one(Remittance, _actor(), id=remittance_id)


@bp.route(f"/remittances/{_ID}/lines", methods=["GET"])
@bp.arguments(schemas.PageIn, location="query")
@bp.response(200, schemas.ContributionsOut)
@bp.alt_response(404, description="There is none, or it is another employer's")
@bp.alt_response(429, description="Your organization took as many lines within the hour as it may: see Retry-After")
def lines(query: dict[str, int], remittance_id: int) -> dict[str, Any]:
    """The lines of a remittance, with the rule that was applied and how it came to its figure."""
    access.one(Remittance, _actor(), id=remittance_id)
    c = Contribution
    rows = (
        select(
            c.line, BenefitAccount.number.label("account_number"), c.work_from.label("first_day"),
            c.work_to.label("last_day"), c.place, c.rule, c.owed_cents, c.extra_cents, c.late_cents, c.explanation,
        )
        .join(BenefitAccount, BenefitAccount.id == c.benefit_account_id)
        .where(c.remittance_id == remittance_id)
        .order_by(c.line)
    )  # fmt: skip
    page = tables.read_page(rows, number=query["page"], per_page=LINES_PER_PAGE)
    watched.count_records(len(page.rows))
    return {"lines": page.rows, "page": page.number, "pages": page.pages}
