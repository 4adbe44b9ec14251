"""What does no request need to do anew?

A page that is kept takes a millisecond, of which most is what every request goes through. Here that is left out
which comes to the same for all of them: nothing of what is looked at for the sake of safety.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import lru_cache
from types import FunctionType
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from flask import Flask, Request, current_app, g, has_app_context, has_request_context, url_for
from flask.globals import request_ctx
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.templating import Environment
from flask_babel import Domain, get_locale
from itsdangerous import BadSignature, TimestampSigner, URLSafeTimedSerializer
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, Macro
from markupsafe import Markup
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.utils import cached_property

from exchange import clock

F = TypeVar("F", bound=Callable[..., Any])
_LONGEST_QUERY: Final = 2_000


class SparingRequest(Request):
    """Takes a query apart once for all who ask the same: fifty packages to compare are a long one."""

    @cached_property
    def args(self) -> MultiDict[str, str]:
        """The query's keys and values; they never change."""
        if len(self.query_string) > _LONGEST_QUERY or self.parameter_storage_class is not ImmutableMultiDict:
            return super().args
        return _taken_apart(self.query_string)


@lru_cache(maxsize=1_024)
def _taken_apart(query: bytes) -> ImmutableMultiDict[str, str]:
    pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="werkzeug.url_quote")
    return ImmutableMultiDict(pairs)


class SparingSigner(TimestampSigner):
    """Makes of each secret the key to sign with once."""

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        """As the library's, from the same secret, salt and method."""
        secret = self.secret_keys[-1] if secret_key is None else secret_key
        made = _derived.get(key := (secret, self.salt, self.key_derivation, self.digest_method))
        if made is None:
            if len(_derived) >= _MOST_KEYS:
                _derived.clear()
            made = _derived[key] = super().derive_key(secret_key)
        return made


_MOST_KEYS: Final = 16
_derived: dict[tuple[object, ...], bytes] = {}


_MOST_COOKIES: Final = 1_024
_UNCHANGEABLE: Final = frozenset({str, int, bool, type(None)})
_NEVER: Final[tuple[int, dict[str, Any]]] = (2**63, {})


class SparingSessions(SecureCookieSessionInterface):
    """Signs and checks with what was made of the secret before.

    A cookie that comes again, letter by letter and under the same secrets, has its age looked at and not its
    signature: it proves what it proved.
    """

    def __init__(self) -> None:
        self._made: tuple[tuple[object, ...], URLSafeTimedSerializer | None] = ((), None)
        self._proved: dict[str, tuple[int, dict[str, Any]]] = {}

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """As Flask's. Remembered is only what holds nothing that could be changed."""
        serializer = self.get_signing_serializer(app)
        cookie = request.cookies.get(self.get_cookie_name(app))
        if serializer is None or not cookie:
            return super().open_session(app, request)
        longest = int(app.permanent_session_lifetime.total_seconds())
        signed_at_s, content = self._proved.get(cookie, _NEVER)
        if 0 <= clock.machine_seconds() - signed_at_s <= longest:
            return self.session_class(content)
        try:
            content, signed_at = serializer.loads(cookie, max_age=longest, return_timestamp=True)
        except BadSignature:
            return self.session_class()
        if _UNCHANGEABLE.issuperset(map(type, content.values())):
            if len(self._proved) >= _MOST_COOKIES:
                self._proved.clear()
            self._proved[cookie] = int(signed_at.timestamp()), content
        return self.session_class(content)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """As Flask's; made anew when the secrets are others."""
        fallbacks = app.config["SECRET_KEY_FALLBACKS"]
        secrets = (app.secret_key, *(fallbacks or ()))
        if self._made[0] != secrets:
            made = super().get_signing_serializer(app)
            if made is not None:
                made.signer = SparingSigner
            self._made, self._proved = (secrets, made), {}
        return self._made[1]


class SparingDomain(Domain):
    """Looks for the words of a language once for a request, not for each sentence of the page."""

    def speak_in(self, templates: Environment) -> None:
        """Let templates ask here, without the many ways round that Flask-Babel's and Jinja's own words take."""
        install: Any = templates.install_gettext_callables  # type: ignore[attr-defined]  # its extension brings it
        install(
            lambda text: self.get_translations().ugettext(text),
            lambda one, many, number: self.get_translations().ungettext(one, many, number),
            newstyle=True,
        )

        @pass_eval_context
        def say(context: EvalContext, text: str, **values: Any) -> str:
            words: str = self.get_translations().ugettext(text)
            if context.autoescape:
                words = Markup(words)  # noqa: S704 - as Jinja's own: they are the program's, values are escaped
            return words % values if values or "%" in words else words

        # The second is another name for the first, which would look for it at each sentence.
        templates.globals["gettext"] = templates.globals["_"] = say

    def get_translations(self) -> Any:
        """As Flask-Babel's; looked for anew where the language has been changed meanwhile."""
        if not has_app_context():
            return super().get_translations()
        # What Flask-Babel has noted of this request, the language among it; until then it is asked for it.
        noted: Any = getattr(g, "_flask_babel", None)
        locale = getattr(noted, "babel_locale", None)
        if locale is not None and getattr(noted, "words_of", None) is locale:
            return noted.words
        found = super().get_translations()
        noted = g._flask_babel  # noqa: SLF001 - by now it has noted something
        noted.words_of, noted.words = get_locale(), found
        return found


def address_of(endpoint: str, **values: Any) -> str:
    """As Flask's ``url_for``; an address without values, or with zeros only, is put together once for all requests
    that come the same way.
    """
    if any(value != 0 for value in values.values()) or endpoint.startswith(".") or not has_request_context():
        return url_for(endpoint, **values)
    app, asked = current_app._get_current_object(), request_ctx.request  # type: ignore[attr-defined]  # noqa: SLF001 - once
    known: dict[tuple[str, ...], str] = app.extensions.setdefault(_ADDRESSES, {})
    key = (endpoint, asked.script_root, *values)
    found = known.get(key)
    if found is None:
        if len(known) >= _MOST_ADDRESSES:
            known.clear()
        found = known[key] = url_for(endpoint, **values)
    return found


_ADDRESSES: Final = "addresses"
_MOST_ADDRESSES: Final = 1_024


class SparingContext(Context):
    """Calls what a template calls without looking twice whether it wants more than it is given."""

    def call(self, obj: Any, /, *args: Any, **values: Any) -> Any:
        """As Jinja's. Plain functions and macros, which are nearly all that is called, take the short way."""
        kind = type(obj)
        wanted = vars(obj).get("jinja_pass_arg") if kind is FunctionType else _OTHER
        if kind is not Macro and wanted is not None and wanted is not _EVAL_CONTEXT:
            return super().call(obj, *args, **values)
        values.pop("_block_vars", None)
        values.pop("_loop_vars", None)
        if wanted is None:
            return obj(*args, **values)
        return obj(self.eval_ctx, *args, **values)


_OTHER: Final = object()
_EVAL_CONTEXT: Final = vars(pass_eval_context(lambda _: None))["jinja_pass_arg"]


class SparingEnvironment(Environment):
    """Templates see the globals of all templates, and none that would be one template's own.

    Then what one of them imports from another need not be made anew where they differ, nor looked at whether they do.
    """

    context_class = SparingContext

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """The globals of all where nothing is to be added."""
        return super().make_globals(d) if d else self.globals


class SparingFlask(Flask):
    """Flask for views and guards that are plain functions, as all of ours are."""

    request_class = SparingRequest
    jinja_environment = SparingEnvironment
    session_interface = SparingSessions()

    def ensure_sync(self, func: F) -> F:
        """Nothing: Flask would look at each guard at each request whether it is a coroutine."""
        return func
