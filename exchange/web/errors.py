"""What does the reader see when a request comes to nothing?

People get a page in plain words: what is wrong, where they can go on, and an id to quote. Programs (below
``/api``) get a problem document of RFC 9457. Pages for faults on our side ask neither database nor session.
"""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask, current_app, g, jsonify, render_template, request
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError, default_exceptions
from werkzeug.wrappers import Response

from exchange.database import is_transient
from exchange.errors import Refusal

RETRY_AFTER_SECONDS = 5
_RETRY_AFTER = {"Retry-After": str(RETRY_AFTER_SECONDS)}
# A disk, ours or that of temporary files, which takes nothing now; too many files open at once.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE})
_READ_ONLY = "25006"  # what a server says that was set back to follow another one


@dataclass(frozen=True, slots=True)
class Explanation:
    """A status in plain words: what happened, and what to do about it."""

    title: str | LazyString
    sentence: str | LazyString


EXPLANATIONS = {
    400: Explanation(
        _l("We could not read this request"),
        _l("Something in the address or the form was not as it should be. Go back, reload the page and try again."),
    ),
    401: Explanation(_l("Sign in first"), _l("This page is for people who have signed in.")),
    403: Explanation(
        _l("This page is not yours to open"),
        _l("You are signed in, but this page belongs to somebody else or to another role. Nothing was changed."),
    ),
    404: Explanation(
        _l("There is no such page"),
        _l("The address may be mistyped, or what stood here is gone. Check the address, or start from the home page."),
    ),
    405: Explanation(
        _l("This cannot be done here"),
        _l("The page exists, but it does not take this kind of request. Nothing was changed."),
    ),
    413: Explanation(
        _l("This is too large"),
        _l("What you sent is larger than we take at once (10 megabytes). Divide the file and send the parts."),
    ),
    415: Explanation(
        _l("We cannot read this kind of file"), _l("Send the file in one of the formats that the page names.")
    ),
    422: Explanation(_l("This could not be done"), _l("What was sent was understood, but the rules do not allow it.")),
    429: Explanation(
        _l("Too many requests"), _l("You have asked many times in a short while. Wait a minute, then try again.")
    ),
    500: Explanation(
        _l("Something went wrong on our side"),
        _l(
            "You did not cause this, and nothing was half done: a step is carried out wholly or not at all. "
            "Try again in a few minutes."
        ),
    ),
    503: Explanation(
        _l("The exchange is busy just now"),
        _l("Your request was not carried out and nothing was changed. Wait a few seconds, then send it again."),
    ),
}
REFUSED = Explanation(_l("This could not be done"), "")
STALE_FORM = Explanation(
    _l("This page was open too long"),
    _l(
        "For your safety a form works only for a while, and only in the browser that opened it. "
        "Nothing was changed. Go back, reload the page and send it again."
    ),
)


def init_app(app: Flask) -> None:
    """Answer every error. Code by code, so that an API extension's catch-all does not take the pages' errors."""
    app.register_error_handler(Refusal, refused)
    app.register_error_handler(CSRFError, stale_form)
    for database_error in (DBAPIError, PoolTimeout):
        app.register_error_handler(database_error, database_unavailable)
    app.register_error_handler(OSError, no_room)
    for code in default_exceptions:
        app.register_error_handler(code, http_error)


def refused(refusal: Refusal) -> ResponseReturnValue:
    """An expected no: its own sentence, code and status."""
    known = EXPLANATIONS[refusal.status] if refusal.status in {403, 404, 429, 503} else REFUSED
    explanation = Explanation(known.title, refusal.sentence)
    body, status = _answer(refusal.status, explanation, code=refusal.code, details=refusal.details)
    if refusal.retry_after is not None:
        return body, status, {"Retry-After": str(refusal.retry_after)}
    return body, status, _RETRY_AFTER if status == 503 else {}


def stale_form(_error: CSRFError) -> ResponseReturnValue:
    """A form without a valid token: most often one that lay open over night."""
    return _answer(400, STALE_FORM, code="stale_form")


def database_unavailable(error: DBAPIError | PoolTimeout) -> ResponseReturnValue:
    """The database is locked or away: 503, try again. Anything else that it says is our fault: 500."""
    if isinstance(error, DBAPIError) and not _passes(error):
        raise error
    body, status = _answer(503, EXPLANATIONS[503], code="busy")
    return body, status, _RETRY_AFTER


def no_room(error: OSError) -> ResponseReturnValue:
    """A file that was sent finds no room until it is read: 503, try again. Anything else is our fault: 500."""
    if error.errno not in _NO_ROOM:
        raise error
    body, status = _answer(503, EXPLANATIONS[503], code="busy")
    return body, status, _RETRY_AFTER


def http_error(error: HTTPException) -> ResponseReturnValue:
    """Every other HTTP error, with the headers that belong to it (Allow, Retry-After)."""
    if error.code is None or error.code < 400:
        return error
    if isinstance(error, InternalServerError):
        return _answer(500, EXPLANATIONS[500], code="internal")
    known = EXPLANATIONS.get(error.code) or EXPLANATIONS[400 if error.code < 500 else 500]
    data: dict[str, Any] = getattr(error, "data", None) or {}
    details = {"errors": data["messages"]} if "messages" in data else {}
    body, status = _answer(error.code, known, code=_code_of(error.code), details=details)
    headers = [(name, value) for name, value in error.get_headers() if name not in {"Content-Type", "Content-Length"}]
    return body, status, headers


def wants_problem() -> bool:
    """Whether a program asks: everything below ``/api``."""
    return request.path == "/api" or request.path.startswith("/api/")


def _code_of(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "_") if status in set(HTTPStatus) else "error"


def _passes(error: DBAPIError) -> bool:
    # On PostgreSQL these classes stand for lost connections, shutdown, deadlock, a full disk; a unique key was taken
    # by somebody else in each of the repetitions. SQLite says OperationalError also of a missing table, which no
    # waiting mends.
    if not isinstance(error.orig, sqlite3.Error):
        is_away = isinstance(error, OperationalError | InterfaceError)
        return is_away or is_transient(error) or getattr(error.orig, "sqlstate", None) == _READ_ONLY
    words = ("locked", "busy", "unable to open", "disk", "readonly")
    return isinstance(error, OperationalError) and any(word in str(error.orig) for word in words)


def _answer(
    status: int, explanation: Explanation, *, code: str, details: dict[str, Any] | None = None
) -> tuple[Response | str, int]:
    request_id = g.get("request_id", "")
    if wants_problem():
        return _problem(status, explanation, code, request_id, details or {}), status
    if request_ctx.url_adapter is None:  # an unknown host: no address of ours can be written
        return Response(f"{explanation.title}\n", status, mimetype="text/plain"), status
    shown = {"explanation": explanation, "status": status, "code": code, "request_id": request_id}
    if status >= 500:
        return _fault(shown), status
    try:
        return render_template("errors/refused.html", **shown), status
    except (DBAPIError, PoolTimeout) as error:  # the frame says who is signed in, and for that the database is asked
        if isinstance(error, DBAPIError) and not _passes(error):
            raise
        page = _fault({**shown, "explanation": EXPLANATIONS[503], "status": 503, "code": "busy"})
        return Response(page, 503, _RETRY_AFTER, mimetype="text/html"), 503


def _fault(shown: dict[str, Any]) -> str:
    # Without the context processors of the extensions: before any template they ask the database who is signed in.
    return current_app.jinja_env.get_template("errors/fault.html").render(shown)


def _problem(status: int, explanation: Explanation, code: str, request_id: str, details: dict[str, Any]) -> Response:
    standard = {
        "type": "about:blank",
        "title": str(explanation.title),
        "status": status,
        "detail": str(explanation.sentence),
        "code": code,
        "request_id": request_id,
    }
    response = jsonify({**{key: _plain(value) for key, value in details.items()}, **standard})
    response.mimetype = "application/problem+json"
    return response


def _plain(value: object) -> object:
    return value if isinstance(value, (str, int, bool, list, dict, type(None))) else str(value)
