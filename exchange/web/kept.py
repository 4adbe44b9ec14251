"""Which pages need not be written anew for everybody who asks?

A page that follows from a few facts alone is written once for all requests with the same facts, and kept in the
memory of this process. The facts come from the database at every request (``Facts``), so what another process
changed is seen by the next request; nothing is ever told to be forgotten. What is a person's own, his name and the
token of his forms, is not kept: the page has holes for it, and they are filled at each answer.

A browser that has the page already is told that it has (304), without the page being written or looked up.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Final, Generic, TypeVar

from flask import Flask, current_app, g, render_template, session
from flask.globals import request_ctx
from flask_wtf.csrf import generate_csrf
from markupsafe import escape
from werkzeug.wrappers import Response

from exchange import clock, remembered, revision
from exchange.identity import access
from exchange.identity.actors import Actor, Audience
from exchange.revision import Moment
from exchange.web.language import select_language

MIB: Final = 1 << 20
T = TypeVar("T")
_EXTENSION: Final = "kept_pages"
_PROGRAM: Final = "digest_of_program"
_LONGEST_ADDRESS: Final = 2_000
# Nobody outside can write a hole into a page: the word is made when the process starts.
_WORD: Final = secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Facts(Generic[T]):
    """Everything that the page follows from, as the database says it now, besides address, language and audience.

    ``seen`` is the same for whoever writes the page. ``is_all``: the page is written from it, and from what is
    remembered of the market, alone; nothing else is read for it that could be newer than the facts.
    """

    facts: Hashable
    seen: T
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A page in pieces: text, name of a hole, text, …"""

    pieces: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return sum(map(len, self.pieces)) + 500


class Kept:
    """The pages kept by this process, those asked for last, up to so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._pages: OrderedDict[Hashable, Written] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Written | None:
        """The page that was written for this key."""
        with self._lock:
            page = self._pages.get(key)
            if page is not None:
                self._pages.move_to_end(key)
        return page

    def keep(self, key: Hashable, page: Written) -> None:
        """Keep it; those that nobody has asked for longest make room."""
        with self._lock:
            before = self._pages.pop(key, None)
            self._bytes += page.size - (before.size if before else 0)
            self._pages[key] = page
            while self._bytes > self._most and self._pages:
                self._bytes -= self._pages.popitem(last=False)[1].size


def init_app(app: Flask) -> None:
    """Give the process its memory for pages (``KEPT_PAGES_MIB``) and let templates of kept pages have holes."""
    app.extensions[_EXTENSION] = Kept(int(app.config["KEPT_PAGES_MIB"]) * MIB)
    app.extensions[_PROGRAM] = _digest_of_program(Path(app.root_path))


def page(ask: Callable[[], Facts[T]], write: Callable[[T], str], *, leaves_no_copy: bool = False) -> Response | str:
    """The page that ``write`` renders with ``render`` from what ``ask`` has read; kept for these facts.

    After the page is written the facts are asked for once more, unless they were all that was read: a page that was
    overtaken is shown, not kept. ``leaves_no_copy``: no browser may store it, for it tells of somebody's money.
    """
    known = ask()
    if not _may_be_kept():
        return write(known.seen)
    actor = access.current_actor()
    if actor.audience is not Audience.PUBLIC:
        # Before the page is named: a token that came with it would make it another one at the next request.
        session.setdefault(current_app.config["WTF_CSRF_FIELD_NAME"], secrets.token_hex(20))
    asked = request_ctx.request  # the other name looks for the request at each of its attributes
    key = (asked.endpoint, asked.path, asked.query_string, select_language(), actor.audience, known.facts)
    tag = None if leaves_no_copy else _tag(key, actor)
    if tag is not None and asked.if_none_match.contains_weak(tag):
        return _to_be_asked_again(Response(status=304), tag)
    kept: Kept = current_app.extensions[_EXTENSION]
    written = kept.get(key)
    if written is None:
        written = _write(lambda: write(known.seen))
        is_of_now = not remembered.has_moved_on() if known.is_all else ask().facts == known.facts
        if is_of_now:
            kept.keep(key, written)
    answer = Response(_filled(written, actor), mimetype="text/html")
    return answer if tag is None else _to_be_asked_again(answer, tag)


def of_the_market() -> Facts[Moment]:
    """For pages that show the market and nothing else: whether it has changed, and the program's local date."""
    moment = revision.moment()
    on = clock.local_date(moment.at, current_app.config["PROGRAM_ZONE"])
    return Facts((moment.market, on), moment)


def render(template: str, **values: Any) -> str:
    """As Flask's; on a page that is being kept, with holes where the person's own stands."""
    if g.get("keeps_page"):
        nameless = replace(access.current_actor(), name=hole("name"))
        values |= {"csrf_token": token, "current_actor": lambda: nameless}
    return render_template(template, **values)


def hole(name: str) -> str:
    """What stands for something of a request's own in what is written for many."""
    return f"{_WORD}{name}{_WORD}"


def apart(text: str) -> list[str]:
    """What was written with holes: text, name of a hole, text, …"""
    return text.split(_WORD)


def token() -> str:
    """What templates and macros call ``csrf_token``: on a page that is being kept, the hole for it."""
    return hole("token") if g.get("keeps_page") else str(generate_csrf())


def name() -> str:
    """Who is signed in; on a page that is being kept, the hole for it."""
    return hole("name") if g.get("keeps_page") else access.current_actor().name


def _may_be_kept() -> bool:
    """Not in a demonstration, whose frame tells the time; not when the frame has something to say to this person."""
    asked = request_ctx.request
    if (
        current_app.config["DEMO"]
        or "_flashes" in session
        or len(asked.path) + len(asked.query_string) > _LONGEST_ADDRESS
    ):
        return False
    return asked.method in {"GET", "HEAD"}


def _write(write: Callable[[], str]) -> Written:
    g.keeps_page = True
    try:
        text = write()
    finally:
        g.keeps_page = False
    assert current_app.config["WTF_CSRF_FIELD_NAME"] not in g, "a kept page holds nobody's token"
    return Written(tuple(piece.encode() for piece in apart(text)))


def _filled(written: Written, actor: Actor) -> bytes:
    pieces = list(written.pieces)
    holes = set(pieces[1::2])
    own = {
        b"name": str(escape(actor.name)).encode() if b"name" in holes else b"",
        b"token": _token().encode() if b"token" in holes else b"",
    }
    pieces[1::2] = [own[hole] for hole in pieces[1::2]]
    return b"".join(pieces)


def _token() -> str:
    """The token of this session's forms. It has no time limit of its own, so one signature serves the session."""
    raw = session.get(current_app.config["WTF_CSRF_FIELD_NAME"])
    return _signed(raw, current_app.secret_key) if raw else str(generate_csrf())


@lru_cache(maxsize=4_096)
def _signed(_raw: str, _secret: str | bytes | None) -> str:
    return str(generate_csrf())


def _tag(key: Hashable, actor: Actor) -> str:
    """Names this very page as this very person's: facts, frame, name, the token of forms, and the program itself."""
    token = session.get(current_app.config["WTF_CSRF_FIELD_NAME"])
    own = (key, actor.login_id, actor.name, token, current_app.extensions[_PROGRAM])
    return hashlib.blake2b(repr(own).encode(), digest_size=16).hexdigest()


def _to_be_asked_again(response: Response, tag: str) -> Response:
    """The browser may keep the answer, and asks each time whether it still holds: see ``safety.protect``."""
    response.set_etag(tag, weak=True)
    g.asked_again = True
    return response


def _digest_of_program(root: Path) -> str:
    """Changes when code, templates, words or static files do: then every page is another one."""
    made = hashlib.blake2b(digest_size=16)
    for folder in ("templates", "static", "translations", "exchange", "providers", "enrollment"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix != ".pyc" and path.is_file():
                stat = path.stat()
                made.update(f"{path.name} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    return made.hexdigest()
