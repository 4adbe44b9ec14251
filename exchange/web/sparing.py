"""What does no request need to do anew?

A page that is kept takes a millisecond, of which most is what every request goes through. Here that is left out
which comes to the same for all of them: nothing of what is looked at for the sake of safety.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from flask import Flask, Request
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
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


class SparingSessions(SecureCookieSessionInterface):
    """Signs and checks with what was made of the secret before. Each cookie is checked each time."""

    def __init__(self) -> None:
        self._made: tuple[tuple[object, ...], URLSafeTimedSerializer | None] = ((), None)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """As Flask's; made anew when the secrets are others."""
        fallbacks = app.config["SECRET_KEY_FALLBACKS"]
        secrets = (app.secret_key, *(fallbacks or ()))
        if self._made[0] != secrets:
            self._made = secrets, super().get_signing_serializer(app)
        return self._made[1]


class SparingFlask(Flask):
    """Flask for views and guards that are plain functions, as all of ours are."""

    request_class = SparingRequest
    session_interface = SparingSessions()

    def ensure_sync(self, func: F) -> F:
        """Nothing: Flask would look at each guard at each request whether it is a coroutine."""
        return func
