"""What is every request held to, and what does every answer tell the browser?

Limits of size, no query key twice, a request id for the log and the reader; a content security policy
that lets nothing from elsewhere in; personal pages are never stored.
"""

from __future__ import annotations

import secrets
from typing import Any

import structlog
from flask import Flask, abort, current_app, g, request, session
from flask.globals import request_ctx
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter, Map
from werkzeug.wrappers import Response

from exchange.identity.actors import Audience
from exchange.web import violations
from exchange.web.audiences import audience_of
from exchange.web.names import piles_marks

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    f"report-uri {violations.ADDRESS}; report-to csp"  # older browsers know the first of the two only
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Reporting-Endpoints": f'csp="{violations.ADDRESS}"',
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
LIMITS = {
    "MAX_CONTENT_LENGTH": 10 * 1024 * 1024,
    "TRUSTED_HOSTS": ["localhost", "127.0.0.1", "[::1]"],
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
}
# Flask's own limits hold beside these: 500 kB for one field of a form with files, 1,000 parts.
_TWO_YEARS = 2 * 365 * 24 * 60 * 60
_LARGEST_ID = 2**63 - 1


class IdConverter(IntegerConverter):
    """A number in an address: what the database cannot count names nothing here."""

    def __init__(self, map: Map, *args: Any, **kwargs: Any) -> None:  # noqa: A002 - werkzeug's name
        super().__init__(map, *args, **{"max": _LARGEST_ID, **kwargs})


def init_app(app: Flask) -> None:
    """Set the limits that the configuration leaves open and put the guards around every request."""
    for name, value in LIMITS.items():
        if app.config.get(name) is None or name.startswith("SESSION_"):
            app.config[name] = value
    if app.config["PREFERRED_URL_SCHEME"] == "https":
        app.config.update(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_NAME="__Host-session", SESSION_COOKIE_PATH="/")
    if proxies := app.config.get("PROXIES"):
        # The visitor's address counts attempts, and the scheme decides about cookies: who sends us these headers
        # himself must not choose them.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=0)  # type: ignore[method-assign]
    app.url_map.converters["int"] = IdConverter
    # One name for the two of them, and before all guards of sign-in: nothing is looked up for a bad request.
    app.before_request(name_request)
    app.before_request(limit_plain_forms)
    app.before_request(refuse_repeated_keys)
    app.before_request(refuse_what_is_no_text)
    app.after_request(protect)


def name_request() -> None:
    """Give the request an id of our own making; the log, the audit and error pages show it."""
    g.request_id = secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def limit_plain_forms() -> None:
    """A form without files is read into memory at once: it may not be as large as a file may."""
    if request.mimetype == "application/x-www-form-urlencoded":
        request.max_content_length = request.max_form_memory_size


def refuse_repeated_keys() -> None:
    """Refuse ``?a=1&a=2``: two readers of one address must not see two things. See ``repeatable``."""
    asked = request_ctx.request  # the other name looks for the request at each of its attributes
    view = current_app.view_functions.get(asked.endpoint or "")
    allowed: frozenset[str] = getattr(view, "repeatable_keys", frozenset())
    if any(len(values) > 1 for key, values in asked.args.lists() if key not in allowed):
        abort(400)


def refuse_what_is_no_text() -> None:
    """Refuse in address and form what no text holds, before anybody looks at it.

    A NUL character, for which one of our databases cannot look; marks piled up to keep us busy.
    """
    asked = request_ctx.request
    texts = [asked.path, *asked.args.keys(), *asked.args.values()]
    # A program's body is read strictly by its own reader. Without a type there is no form.
    if asked.content_type and not asked.path.startswith("/api/"):
        texts += [*asked.form.keys(), *(text for values in asked.form.listvalues() for text in values)]
    if any("\0" in text or piles_marks(text) for text in texts):
        abort(400)


def protect(response: Response) -> Response:
    """Add the headers; decide whether a browser may keep the page."""
    present = {name for name, _ in response.headers}
    for name, value in HEADERS.items():
        if name not in present:
            response.headers.add(name, value)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = f"max-age={_TWO_YEARS}; includeSubDomains"
    if "request_id" in g:
        response.headers["X-Request-ID"] = g.request_id
    if request.endpoint == "static":
        if "v" in request.args:  # the address changes with the file, see shell.asset
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
    response.vary.update(("Accept-Language", "Cookie"))
    if is_personal():
        # What is the same for many but for its frame is asked for again, not sent again: see web/kept.py.
        response.headers["Cache-Control"] = "private, no-cache" if g.get("asked_again") else "no-store"
    else:
        response.headers.setdefault("Cache-Control", "no-cache")
    return response


def is_personal() -> bool:
    """Whether the answer is somebody's own: any page but a public one, and any page of somebody with a session."""
    return bool(session) or session.modified or audience_of(current_app, request.endpoint) is not Audience.PUBLIC
