"""What do all pages share?

The template environment, the language, protection of forms, the headers, the pages for errors, and the few questions
that the frame of a page asks: who is signed in, what is in the navigation, where is a static file.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import lru_cache
from typing import Any

from flask import Flask, current_app, g, request, url_for
from flask_babel import Babel
from flask_wtf.csrf import CSRFProtect
from jinja2 import StrictUndefined

from exchange.identity import access
from exchange.identity.actors import Actor, Audience
from exchange.web import errors, filters, frame, kept, language, safety, tables, violations
from exchange.web.audiences import NavLink, navigation
from exchange.web.sparing import SparingDomain, address_of

csrf = CSRFProtect()
"""Every form and every unsafe request carries a token. The API, which nobody is signed in to by cookie, is exempted
where it is registered: ``shell.csrf.exempt(blueprint)``."""

DEFAULTS = {
    "PROGRAM_NAME": "Portable Benefits Exchange",
    "PROGRAM_ZONE": "UTC",
    "SOURCE_URL": None,
    "KEPT_PAGES_MIB": 64,
    "DEMO": False,
    "BABEL_DEFAULT_LOCALE": "en",
    # A form lives as long as its session; the session has its own, shorter, limits.
    "WTF_CSRF_TIME_LIMIT": None,
    "SEND_FILE_MAX_AGE_DEFAULT": timedelta(hours=1),
}


def init_app(app: Flask) -> None:
    """Put the shell around the app. Blueprints are registered by ``app.py``, before or after."""
    for name, value in DEFAULTS.items():
        if app.config.get(name) is None:
            app.config[name] = value
    safety.init_app(app)
    csrf.init_app(app)
    Babel(app, locale_selector=language.select_language)
    words = app.extensions["babel"].instance.domain_instance = SparingDomain()
    words.speak_in(app.jinja_env)
    app.register_blueprint(language.bp)
    csrf.exempt(language.bp)  # guarded by where it came from: see language.came_from_this_site
    violations.init_app(app)
    csrf.exempt(violations.bp)  # a browser sends it by itself, and nothing is changed
    filters.init_app(app)
    errors.init_app(app)
    kept.init_app(app)
    frame.init_app(app)
    _prepare_templates(app)


def _prepare_templates(app: Flask) -> None:
    env = app.jinja_env
    env.undefined = StrictUndefined
    env.trim_blocks = True
    env.lstrip_blocks = True
    # Globals, not a context processor: macros are imported without context and see these too.
    env.globals.update(
        asset=asset,
        csrf_token=kept.token,
        current_actor=access.current_actor,
        current_language=language.current_language,
        frame_part=frame.part,
        heads=tables.heads,
        here=frame.here,
        is_signed_in=is_signed_in,
        last_day=filters.last_day,
        lines=tables.lines,
        nav_links=nav_links,
        numbers_shown=tables.numbers_shown,
        other_languages=language.other_languages,
        public_links=public_links,
        same_address=tables.same_address,
        url_for=address_of,
        url_if=url_if,
    )


def asset(name: str) -> str:
    """The address of a static file; it changes when the file does, so browsers may keep the file for good."""
    found: dict[str, str] = g.setdefault("assets", {})  # an icon stands on a page many times
    if name not in found:
        found[name] = _asset(name)
    return found[name]


def _asset(name: str) -> str:
    assert current_app.static_folder is not None
    try:
        stat = os.stat(f"{current_app.static_folder}/{name}")  # noqa: PTH116 - a dozen times on each page
    except FileNotFoundError:
        return url_for("static", filename=name)
    return _address_of_file(name, f"{stat.st_mtime_ns:x}{stat.st_size:x}", request.script_root)


@lru_cache(maxsize=1_024)
def _address_of_file(name: str, version: str, _root: str) -> str:
    return url_for("static", filename=name, v=version)


def url_if(endpoint: str, **values: Any) -> str | None:
    """The page's address, or None when this app has no such page: for links of the frame."""
    return address_of(endpoint, **values) if endpoint in current_app.view_functions else None


def is_signed_in() -> bool:
    """Whether somebody is signed in."""
    return _actor().audience is not Audience.PUBLIC


def nav_links() -> list[NavLink]:
    """The main navigation of whoever is signed in: also where another audience's page was refused to him."""
    return navigation(_actor().audience)


def public_links() -> list[NavLink]:
    """The public pages, offered beside the own navigation to those who are signed in."""
    return navigation(Audience.PUBLIC) if is_signed_in() else []


def _actor() -> Actor:
    return access.current_actor()
