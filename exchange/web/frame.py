"""What of a page's frame is the same for many, and need not be written for each page?

Head, header and footer follow from the program, the language, the audience and the place of the page in the navigation.
Each process writes them once for each of these, with holes for what is a request's own: the name of who is signed in,
the token of his forms, and the address that the choice of a language leads back to.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from flask import Flask, current_app, request
from markupsafe import Markup, escape

from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.web import kept
from exchange.web.audiences import present_in_navigation
from exchange.web.language import current_language

_EXTENSION: Final = "frame"
_MOST: Final = 1_024


def init_app(app: Flask) -> None:
    """Give the process its memory for frames."""
    app.extensions[_EXTENSION] = {}


def part(template: str, *, plain: bool) -> Markup:
    """The part of the frame that this template writes.

    ``plain``: neither session nor database is asked who reads it, so nobody's name and no navigation stand there.
    """
    config = current_app.config
    key: Hashable = (template, current_language(), request.script_root, config["PROGRAM_NAME"], config["SOURCE_URL"])
    if not plain:
        audience = access.current_actor().audience
        key = (key, audience, present_in_navigation(audience), present_in_navigation(Audience.PUBLIC))
    known: dict[Hashable, list[str]] = current_app.extensions[_EXTENSION]
    written = known.get(key)
    if written is None:
        written = _written(template, plain=plain)
        if len(known) >= _MOST:
            known.clear()
        if not current_app.jinja_env.auto_reload:  # whoever works on a template sees it at the next request
            known[key] = written
    pieces = written.copy()
    pieces[1::2] = [escape(_OWN[hole]()) for hole in written[1::2]]
    return Markup("".join(pieces))  # noqa: S704 - written by templates, and each hole's content is escaped


def here() -> str:
    """The present path and query, for a form that leads back to it. After a POST: the path alone."""
    if request.method != "GET":
        return request.path
    return request.full_path.rstrip("?")


def _written(template: str, *, plain: bool) -> list[str]:
    """Text, name of a hole, text, …"""
    with_holes = {name: kept.hole(name) for name in _OWN}
    text = current_app.jinja_env.get_template(template).render(with_holes, plain=plain)
    return kept.apart(text)


_OWN: Final = {"name": kept.name, "token": kept.token, "here": here}
