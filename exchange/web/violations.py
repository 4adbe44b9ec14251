"""What do browsers tell of pages that broke the content security policy?

A report may come from anybody and holds addresses, which may hold what is personal. Of each, one line of the log keeps
the directive, the origin that was kept out, and which page of ours it was; figures count them. Nothing else is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Flask, Response, abort, current_app, request
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException

from exchange import clock
from exchange.strict_json import parse_json
from exchange.web import requests_seen

ADDRESS: Final = "/csp-reports"
MOST_BYTES: Final = 16 * 1024
MOST_AT_ONCE: Final = 10
LINES_A_MINUTE: Final = 60  # of each process; what comes beyond is counted and not told
DIRECTIVES: Final = frozenset(
    {
        "default-src", "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-elem",
        "style-src-attr", "img-src", "font-src", "connect-src", "media-src", "object-src", "frame-src", "child-src",
        "worker-src", "manifest-src", "form-action", "base-uri", "frame-ancestors",
    }
)  # fmt: skip
OTHER: Final = "other"
_KEYWORDS: Final = frozenset({"inline", "eval", "wasm-eval", "self", "data", "blob"})
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,30}", re.ASCII)
_HOST: Final = re.compile(r"[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\]", re.ASCII)
_EXTENSION: Final = "violations_told"
_log = structlog.get_logger(__name__)

bp = Blueprint("violations", __name__)


def init_app(app: Flask) -> None:
    """Take reports; how many were told in the present minute is the process's own."""
    app.extensions[_EXTENSION] = (0, 0)
    app.register_blueprint(bp)


@bp.post(ADDRESS)
def report() -> Response:
    """Take one report of the older kind (``report-uri``), or some of the newer one (``report-to``)."""
    if request.content_length is None or request.content_length > MOST_BYTES:  # each browser says how long it is
        abort(413)
    for one in _reports(parse_json(request.get_data(cache=False))):
        directive = _directive(_text(one, "effectiveDirective", "effective-directive", "violated-directive"))
        requests_seen.count_violation(directive)
        if _may_tell():
            blocked = _origin(_text(one, "blockedURL", "blocked-uri"))
            page = _endpoint(_text(one, "documentURL", "document-uri"))
            _log.warning("csp violation", directive=directive, blocked=blocked, page=page)
    return Response(status=204)


def _reports(body: Any) -> Iterator[Mapping[str, Any]]:
    of_newer_kind = [one.get("body") for one in body if isinstance(one, dict)] if isinstance(body, list) else []
    of_older_kind = [body.get("csp-report")] if isinstance(body, dict) else []
    for one in (of_newer_kind + of_older_kind)[:MOST_AT_ONCE]:
        if isinstance(one, dict):
            yield one


def _text(one: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := one.get(name), str)), "")


def _directive(text: str) -> str:
    name = text.partition(" ")[0]  # older browsers quote the whole directive
    return name if name in DIRECTIVES else OTHER


def _origin(text: str) -> str:
    """Where something was to come from: its origin without path and query, or the browser's word for it."""
    if text in _KEYWORDS:
        return text
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return OTHER
    if parts.scheme not in {"http", "https", "ws", "wss"}:
        return f"{parts.scheme}:" if _SCHEME.fullmatch(parts.scheme) else OTHER
    host = f"[{host}]" if ":" in host else host
    if not _HOST.fullmatch(host):
        return OTHER
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _endpoint(text: str) -> str:
    """Which page of ours it was: its name, never its address."""
    assert request_ctx.url_adapter is not None
    try:
        endpoint, _values = request_ctx.url_adapter.match(urlsplit(text).path, method="GET")
    except (HTTPException, ValueError):
        return OTHER
    return str(endpoint)


def _may_tell() -> bool:
    minute = clock.machine_seconds() // 60
    began, told = current_app.extensions[_EXTENSION]
    told = told + 1 if began == minute else 1
    current_app.extensions[_EXTENSION] = (minute, told)
    return bool(told <= LINES_A_MINUTE)
