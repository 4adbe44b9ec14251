"""What does no request need to do anew?

A page that is kept takes a millisecond, of which most is what every request goes through. Here that is left out
which comes to the same for all of them: nothing of what is looked at for the sake of safety.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from flask import Flask, Request, g, has_app_context
from flask.sessions import SecureCookieSessionInterface
from flask_babel import Domain, get_locale
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.utils import cached_property

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


class SparingSessions(SecureCookieSessionInterface):
    """Signs and checks with what was made of the secret before. Each cookie is checked each time."""

    def __init__(self) -> None:
        self._made: tuple[tuple[object, ...], URLSafeTimedSerializer | None] = ((), None)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """As Flask's; made anew when the secrets are others."""
        fallbacks = app.config["SECRET_KEY_FALLBACKS"]
        secrets = (app.secret_key, *(fallbacks or ()))
        if self._made[0] != secrets:
            made = super().get_signing_serializer(app)
            if made is not None:
                made.signer = SparingSigner
            self._made = secrets, made
        return self._made[1]


class SparingDomain(Domain):
    """Looks for the words of a language once for a request, not for each sentence of the page."""

    def get_translations(self) -> Any:
        """As Flask-Babel's; looked for anew where the language has been changed meanwhile."""
        if not has_app_context():
            return super().get_translations()
        locale, (known_locale, known) = get_locale(), g.get("words_known", (None, None))
        if known is None or known_locale is not locale:
            known = super().get_translations()
            g.words_known = locale, known
        return known


class SparingFlask(Flask):
    """Flask for views and guards that are plain functions, as all of ours are."""

    request_class = SparingRequest
    session_interface = SparingSessions()

    def ensure_sync(self, func: F) -> F:
        """Nothing: Flask would look at each guard at each request whether it is a coroutine."""
        return func
