"""How often may somebody try?  Guessing passwords and codes is slowed down by account, by address, by network and by
account and address together.

Flask-Limiter counts; its own memory is one process's, so the counters stand in our database, on either engine,
beside the session: an attempt is counted even when the request that made it is rolled back.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

from flask import Flask, current_app, request, session
from flask_babel import lazy_gettext as _l
from flask_limiter import Limiter
from limits.storage import Storage
from sqlalchemy import Index, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from exchange import clock
from exchange.database import Base, db, writing
from exchange.errors import Refusal
from exchange.identity import login

PER_ACCOUNT_AND_ADDRESS = "10 per 15 minutes"
PER_ACCOUNT = "50 per 1 hour"
PER_ADDRESS = "100 per 15 minutes"
PER_NETWORK = "300 per 15 minutes"
"""One password tried at a thousand accounts comes from as many addresses as one network has."""
ATTEMPTS = (
    "security.login",
    "security.verify",
    "security.forgot_password",
    "security.reset_password",
    "security.change_password",
    "security.two_factor_setup_validate",
    "security.two_factor_token_validation",
    "security.two_factor_rescue",
    "security.mf_recovery",
)
"""Where something secret is tried, or a letter is sent to whom the visitor names."""
_NAMES_AN_ACCOUNT = frozenset({"security.login", "security.forgot_password"})
"""Where the form says whose account it is; everywhere else the session does, and a field of the form says nothing."""
_BLUEPRINT = "security"
"""Flask-Security's pages: all of ``ATTEMPTS`` are among them."""


class RateLimit(Base):
    """How often one key was tried in its present window. The key is a digest: no address is kept here."""

    __tablename__ = "rate_limit"
    __table_args__ = (Index("ix_rate_limit_ends_at_s", "ends_at_s"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    # Seconds since 1970 by the machine's clock: a demo's clock may jump, an attacker's hour does not.
    ends_at_s: Mapped[int]


class DatabaseStorage(Storage):
    """Fixed windows in the table ``rate_limit``, each attempt one statement, safe between processes."""

    STORAGE_SCHEME = ["exchange-database"]  # noqa: RUF012 - the library's own spelling

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a failing store raises."""
        return SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count ``amount`` more; a window that is over begins anew."""
        now = clock.machine_seconds()
        with writing(), db.engine.begin() as connection:
            insert: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(RateLimit)
            connection.execute(delete(RateLimit).where(RateLimit.ends_at_s <= now))
            statement = insert.values(key=_digest(key), count=amount, ends_at_s=now + expiry)
            counted = statement.on_conflict_do_update(
                index_elements=["key"], set_={"count": RateLimit.count + statement.excluded.count}
            )
            count: int = connection.execute(counted.returning(RateLimit.count)).scalar_one()
        return count

    def get(self, key: str) -> int:
        """How often it was tried in the present window."""
        return self._read(RateLimit.count, key) or 0

    def get_expiry(self, key: str) -> float:
        """When the present window ends, in seconds since 1970."""
        return self._read(RateLimit.ends_at_s, key) or clock.machine_seconds()

    def check(self) -> bool:
        """Whether the store answers."""
        with db.engine.connect() as connection:
            connection.execute(select(RateLimit.key).limit(1))
        return True

    def reset(self) -> int | None:
        """Forget all attempts."""
        with writing(), db.engine.begin() as connection:
            return connection.execute(delete(RateLimit)).rowcount

    def clear(self, key: str) -> None:
        """Forget one key's attempts."""
        with writing(), db.engine.begin() as connection:
            connection.execute(delete(RateLimit).where(RateLimit.key == _digest(key)))

    def _read(self, column: Any, key: str) -> int | None:
        statement = select(column).where(RateLimit.key == _digest(key), RateLimit.ends_at_s > clock.machine_seconds())
        with db.engine.connect() as connection:
            found: int | None = connection.execute(statement).scalar_one_or_none()
        return found


class TooManyTries(Refusal):
    """Somebody tries out addresses, or fills the exchange with people who do not exist."""

    code = "too_many_tries"
    status = 429
    retry_after = 3_600


def slow_down(what: str, *, at_most: int) -> None:
    """Count a try of the present hour, beside the session: it stays counted when nothing comes of it.

    A demo has nothing to guess. Refuses ``TooManyTries``.
    """
    if current_app.config["DEMO"]:
        return
    if DatabaseStorage("exchange-database://").incr(what, 3_600) > at_most:
        raise TooManyTries(_l("There were too many tries. Wait an hour, then try again."))


def init_app(app: Flask) -> None:
    """Limit the attempts at every page where something secret is tried. A demo has no secrets."""
    if app.config["DEMO"]:
        return
    limiter = _only_where_it_limits(app)
    for endpoint in ATTEMPTS:
        view: Any = app.view_functions[endpoint]
        for limit, key in (
            (PER_ADDRESS, address),
            (PER_NETWORK, network),
            (PER_ACCOUNT, account),
            (PER_ACCOUNT_AND_ADDRESS, account_and_address),
        ):
            view = limiter.limit(limit, key_func=key, methods=["POST"], scope=f"{endpoint}:{key.__name__}")(view)
        app.view_functions[endpoint] = view


def _only_where_it_limits(app: Flask) -> Limiter:
    """A limiter that looks at requests for the pages of sign-in only, and costs no other page anything."""
    hooks = (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
    before: list[list[Any]] = [list(one.get(None, ())) for one in hooks]
    limiter = Limiter(account_and_address, app=app, storage_uri="exchange-database://")
    for hook, known in zip(hooks, before, strict=True):
        everywhere: list[Any] = hook.get(None, [])  # type: ignore[attr-defined]
        added = [one for one in everywhere if one not in known]
        everywhere[:] = known
        hook.setdefault(_BLUEPRINT, []).extend(added)  # type: ignore[attr-defined]
    assert all(endpoint.startswith(f"{_BLUEPRINT}.") for endpoint in ATTEMPTS)
    return limiter


def address() -> str:
    """The visitor's address; of IPv6 the network, for everybody has many of those."""
    return within(v4=32, v6=64)


def network() -> str:
    """The neighbourhood of the visitor's address: 256 of them, of IPv6 as much as one customer gets."""
    return within(v4=24, v6=48)


def within(*, v4: int, v6: int) -> str:
    """The network of so many bits that the request comes from."""
    remote = request.remote_addr or "unknown"
    try:
        found = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return remote
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    found = mapped or found
    return str(ipaddress.ip_network((found, v4 if found.version == 4 else v6), strict=False))


def account() -> str:
    """Whose account it is that is tried: the one named in the form, or the one this session is about."""
    if request.endpoint in _NAMES_AN_ACCOUNT:
        return _one_spelling(request.form.get("email", "")) or address()
    return str(session.get("tf_user_id") or session.get("_user_id") or address())


def _one_spelling(email: str) -> str:
    """The address as it is looked up: in full-width letters or capitals it names the same account."""
    try:
        return login.clean_email(email)
    except login.BadEmail:
        return email.strip().lower()


def account_and_address() -> str:
    """Both together."""
    return f"{account()} {address()}"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
