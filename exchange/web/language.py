"""In which language is this page?

What the reader chose (a cookie that says nothing about him) comes first, then what his browser asks for. Of whoever is
signed in it is kept as well, for the letters that he gets.
English is the source of all sentences. The switch is a plain form and works without scripts.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, has_request_context, redirect, request
from flask.globals import request_ctx
from flask_babel import get_locale
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header
from werkzeug.wrappers import Response

from exchange.database import in_unit_of_work
from exchange.identity import people
from exchange.identity.access import current_actor
from exchange.web.redirects import local_path

LANGUAGES = {"en": "English", "es": "Español"}
COOKIE = "language"
_A_YEAR = 365 * 24 * 60 * 60
_LONGEST_REMEMBERED = 200

bp = Blueprint("language", __name__)


def select_language() -> str | None:
    """The language of this request; None where there is no request (jobs, commands) means English."""
    if not has_request_context():
        return None
    asked = request_ctx.request  # the other name looks for the request at each of its attributes
    chosen = asked.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return str(chosen)
    wanted = asked.headers.get("Accept-Language", "")
    return _best(wanted) if len(wanted) <= _LONGEST_REMEMBERED else _best.__wrapped__(wanted)


@lru_cache(maxsize=256)
def _best(wanted: str) -> str | None:
    """The language for whoever's browser asks so: browsers ask in a few ways only."""
    return parse_accept_header(wanted, LanguageAccept).best_match(list(LANGUAGES), "en")


def current_language() -> str:
    """``en`` or ``es``: what the page's ``lang`` says."""
    locale = get_locale()
    return locale.language if locale is not None else "en"


def other_languages() -> dict[str, str]:
    """The languages that the reader could change to, by code, each in its own name."""
    return {code: name for code, name in LANGUAGES.items() if code != current_language()}


def came_from_this_site() -> bool:
    """Whether the browser says that this site's own page sent the form.

    Guards the one form that stands on cacheable public pages and so carries no CSRF token.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("Origin", "")).netloc == request.host


@bp.post("/language")
def choose() -> Response:
    """Remember the language and lead back to where the reader was."""
    language = request.form.get("language", "")
    if language not in LANGUAGES or not came_from_this_site():
        abort(400)
    actor = current_actor()
    if actor.login_id is not None:
        in_unit_of_work(lambda: people.note_language(language, by=actor))
    answer = redirect(local_path(request.form.get("next"), default="/"), code=303)
    secure = current_app.config["PREFERRED_URL_SCHEME"] == "https"
    answer.set_cookie(COOKIE, language, max_age=_A_YEAR, secure=secure, httponly=True, samesite="Lax")
    return answer
