"""What do a load balancer and whoever watches the exchange ask it?

``/healthz``: does the process live? ``/readyz``: may requests be sent to it? ``/metrics``: how does the work stand?
The first two say nothing about anybody and are open; the figures ask for the token of the setting METRICS_TOKEN.
"""

from __future__ import annotations

import hmac
from typing import Final

from flask import Blueprint, Response, current_app, jsonify, request

from exchange import clock, figures, health
from exchange.web import requests_seen

_TEXT: Final = "text/plain; version=0.0.4"

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def lives() -> Response:
    """The process answers; the database is not asked."""
    return _uncached(jsonify(alive=True))


@bp.get("/readyz")
def is_ready() -> tuple[Response, int]:
    """200: send requests here. 503: do not, and why."""
    found = health.readiness()
    answer = jsonify(ready=found.is_ready, troubles=found.troubles, scheduler_leads=found.scheduler_leads)
    return _uncached(answer), 200 if found.is_ready else 503


@bp.get("/metrics")
def show_figures() -> tuple[Response, int] | Response:
    """The figures, for whoever shows the token; 401 for anybody else, and for everybody where none is set."""
    if not _may_see():
        refused = Response("A bearer token is asked for: see METRICS_TOKEN.\n", mimetype="text/plain")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return _uncached(refused), 401
    return _uncached(Response(figures.text(clock.now()) + requests_seen.text(), content_type=_TEXT))


def _may_see() -> bool:
    wanted = current_app.config["METRICS_TOKEN"]
    shown = request.authorization.token if request.authorization and request.authorization.type == "bearer" else None
    return bool(wanted) and hmac.compare_digest(str(shown or "").encode(), str(wanted).encode())


def _uncached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
