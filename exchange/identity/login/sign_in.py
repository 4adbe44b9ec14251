"""How does somebody sign in, choose a password and prove a second factor?

Flask-Security does it; here it is told our rules. Its views commit by themselves: each that may write runs in a unit
of work of ours instead, so that on SQLite it holds the write lock from its first reading, and what it did stands in
the audit in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from functools import wraps
from typing import Any

from flask import Flask, current_app, request, session
from flask_babel import force_locale
from flask_babel import lazy_gettext as _l
from flask_security import (
    MailUtil,
    PasswordUtil,
    RoleMixin,
    Security,
    SQLAlchemyUserDatastore,
    Totp,
    hash_password,
    password_changed,
    password_reset,
    tf_profile_changed,
    user_authenticated,
)
from flask_security.recoverable import generate_reset_link
from passlib.exc import UsedTokenError
from passlib.totp import TotpMatch
from sqlalchemy import or_, select, update
from werkzeug.wrappers import Response

from exchange import audit, clock, notices, outgoing_mail
from exchange.database import db, unit_of_work
from exchange.identity import access, login, people
from exchange.identity.actors import ANONYMOUS
from exchange.identity.login import forms, places, rates, sessions
from exchange.identity.people import Login, Reader
from exchange.web import language
from exchange.web.audiences import READING, audience_of
from exchange.web.redirects import local_path

HOME = "account.start"
RESET_WITHIN = timedelta(minutes=10)
FRESH_FOR = timedelta(minutes=10)
PROVING = frozenset(
    {"security.login", "security.two_factor_token_validation", "security.mf_recovery", "security.verify"}
)
ARGON2 = {"argon2__type": "ID", "argon2__memory_cost": 19_456, "argon2__time_cost": 2, "argon2__parallelism": 1}
ARGON2_IN_TESTS = {**ARGON2, "argon2__memory_cost": 64, "argon2__time_cost": 1}


def init_app(app: Flask) -> None:
    """Set Flask-Security up and put our guards around its pages."""
    app.config.update({f"SECURITY_{name}": value for name, value in _settings(app).items()})
    app.config.update({f"SECURITY_MSG_{name}": value for name, value in forms.MESSAGES.items()})
    security = Security(
        app,
        LoginStore(db, Login, RoleMixin),
        mail_util_cls=Letters,
        password_util_cls=Passwords,
        totp_cls=CodesGoodOnce,
        **forms.FORMS,
    )
    security.want_json(lambda _request: False)  # these are pages; the API has keys of its own
    security.login_manager.request_loader(None)  # nor does a token in a header or an address sign anybody in
    # Nobody here asks for Flask-Principal's permissions: what an actor may do is said in ``access``.
    app.before_request_funcs[None].remove(security.principal._on_before_request)  # noqa: SLF001 - it has no switch
    app.view_functions["security.logout"] = ending_all_sessions(app.view_functions["security.logout"])
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith("security."):
            app.view_functions[endpoint] = in_a_unit_of_work(view)
    rates.init_app(app)
    app.after_request_funcs.setdefault("security", []).append(lead_home)
    user_authenticated.connect(_signed_in, app)
    password_changed.connect(_password_changed, app)
    password_reset.connect(_password_changed, app)
    tf_profile_changed.connect(_second_factor_changed, app)


def _settings(app: Flask) -> dict[str, Any]:
    return {
        "RECOVERABLE": True,
        "CHANGEABLE": True,
        "RETURN_GENERIC_RESPONSES": True,
        "STATIC_FOLDER": None,
        "STATIC_FOLDER_URL": None,
        "CLI_USERS_NAME": False,
        "CLI_ROLES_NAME": False,
        "JOIN_USER_ROLES": False,
        "URL_PREFIX": None,
        "LOGIN_URL": "/sign-in",
        "LOGOUT_URL": "/sign-out",
        "RESET_URL": "/password/reset",
        "CHANGE_URL": "/account/password",
        "VERIFY_URL": "/sign-in/again",
        "TWO_FACTOR_SETUP_URL": "/account/second-step",
        "TWO_FACTOR_TOKEN_VALIDATION_URL": "/sign-in/code",
        "TWO_FACTOR_RESCUE_URL": "/sign-in/no-code",
        "TWO_FACTOR_SELECT_URL": "/sign-in/choose",
        "MULTI_FACTOR_RECOVERY_URL": "/sign-in/recovery",
        "MULTI_FACTOR_RECOVERY_CODES_URL": "/account/recovery-codes",
        "POST_LOGIN_VIEW": HOME,
        "POST_VERIFY_VIEW": HOME,
        "POST_CHANGE_VIEW": "account.home",
        "TWO_FACTOR_POST_SETUP_VIEW": "account.home",
        "PASSWORD_HASH": "argon2",
        "PASSWORD_SCHEMES": ["argon2"],
        "PASSWORD_SINGLE_HASH": ["argon2"],
        "PASSWORD_HASH_PASSLIB_OPTIONS": ARGON2_IN_TESTS if app.config["TESTING"] else ARGON2,
        # A reset link carries a digest of the stored hash; a slow one would tell which addresses are known.
        "HASHING_SCHEMES": ["hex_sha256"],
        "EMAIL_VALIDATOR_ARGS": {"test_environment": True},
        "EMAIL_HTML": False,
        "RESET_PASSWORD_WITHIN": RESET_WITHIN,
        "FRESHNESS": sessions.IN_DEMO if app.config["DEMO"] else FRESH_FOR,
        "FRESHNESS_GRACE_PERIOD": timedelta(0),
        "API_ENABLED_METHODS": ["session"],
        "TWO_FACTOR": True,
        "TWO_FACTOR_ENABLED_METHODS": ["authenticator"],
        "TWO_FACTOR_AUTHENTICATOR_VALIDITY": 30,
        "TWO_FACTOR_RESCUE_EMAIL": False,
        "TWO_FACTOR_RESCUE_MAIL": app.config.get("MAIL_SENDER") or "no-reply@localhost",
        "TWO_FACTOR_VALIDITY_COOKIE": {"httponly": True, "secure": True, "samesite": "Strict"},
        "TOTP_ISSUER": app.config["PROGRAM_NAME"],
        "MULTI_FACTOR_RECOVERY_CODES": True,
        "MULTI_FACTOR_RECOVERY_CODES_N": 10,
    }


def password_link(of: Login) -> str:
    """A link by which whoever gets it chooses the password of this login: once, within ``RESET_WITHIN``."""
    link, _token = generate_reset_link(of)  # type: ignore[no-untyped-call]  # the library gives no types
    return str(link)


# --- Flask-Security's parts, with our rules -------------------------------------------------------


class LoginStore(SQLAlchemyUserDatastore):
    """Finds logins by exact columns. The unit of work around the view commits, not the view."""

    def commit(self) -> None:
        """Nothing: see ``in_a_unit_of_work``."""

    def find_user(self, case_insensitive: bool = False, **kwargs: Any) -> Login | Reader | None:
        """The login with this address (kept in lower case) or session name; locked where it may be written."""
        ((name, value),) = kwargs.items()
        value = value.lower() if case_insensitive else value
        if name == "fs_uniquifier" and request.method in READING and audience_of(current_app, request.endpoint):
            view = current_app.view_functions[request.endpoint or ""]
            return people.seen(value, getattr(view, "seen_with", None))
        statement = select(Login).where(getattr(Login, name) == value)
        if name == "fs_uniquifier" and request.method not in READING and request.blueprint == "security":
            statement = statement.with_for_update()
        return db.session.execute(statement).scalar_one_or_none()


class CodesGoodOnce(Totp):
    """Codes of an authenticator: one that was taken is not taken again, nor an older one (replay)."""

    def get_last_counter(self, user: Any) -> int | None:
        """The time step of the last code taken."""
        assert isinstance(user, Login)
        return user.tf_last_counter

    def set_last_counter(self, user: Any, tmatch: TotpMatch) -> None:
        """Remember the step; of two requests at once the second is refused."""
        unused = or_(Login.tf_last_counter.is_(None), Login.tf_last_counter < tmatch.counter)
        taken = db.session.execute(
            update(Login).where(Login.id == user.id, unused).values(tf_last_counter=tmatch.counter).returning(Login.id)
        ).first()
        if taken is None:
            raise UsedTokenError


class Passwords(PasswordUtil):
    """Which passwords are taken: see ``login.weakness``."""

    def validate(
        self,
        password: str,
        is_register: bool,  # noqa: ARG002 - the library's signature
        **kwargs: Any,
    ) -> tuple[list[Any] | None, str]:
        """What is wrong with a new password of ``user``, and how it is written for hashing."""
        why = login.weakness(password, kwargs.get("user"))
        return ([why] if why else None), self.normalize(password)


class Letters(MailUtil):
    """Letters are written into our own table; nothing is sent from within a request."""

    def send_mail(
        self,
        template: str,
        subject: str,
        recipient: str | tuple[str, str],
        sender: str | tuple[str, str],  # noqa: ARG002 - the library's signature
        body: str | None,
        html: str | None,  # noqa: ARG002 - the library's signature
        **kwargs: Any,
    ) -> None:
        """Write the letter down. A reset takes as long for a known address as for an unknown one."""
        if template.endswith("reset_instructions"):
            hash_password("as slow as for a stranger")
        address = recipient if isinstance(recipient, str) else recipient[1]
        outgoing_mail.write(address, subject=str(subject), body=body or "", at=clock.now())


# --- around its views -----------------------------------------------------------------------------


def in_a_unit_of_work(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let an unsafe request of the view be one unit of work."""

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if request.method in READING:
            return view(*args, **kwargs)
        with unit_of_work():
            answer = view(*args, **kwargs)
            # A form that comes again let nobody in. A letter asked for is noted for unknown addresses, too: the
            # two take equally long.
            if request.endpoint == "security.forgot_password":
                audit.record("login.reset_asked", "page:reset", by=ANONYMOUS, at=clock.now())
            elif isinstance(answer, str) and request.endpoint in PROVING:
                audit.record("login.refused", f"page:{request.endpoint}", by=ANONYMOUS, at=clock.now())
        return answer

    return wrapped


def ending_all_sessions(view: Callable[..., Any]) -> Callable[..., Any]:
    """Signing out ends every session of the login, so that a copied cookie is worth nothing."""

    @wraps(view)
    def wrapped() -> Any:
        login_id = access.current_actor().login_id
        answer = view()
        if login_id is not None:
            found = db.session.get_one(Login, login_id)
            login.end_sessions(found)
            _record("login.signed_out", found)
        session.clear()
        # Kept pages go. What stays is what the browser saw of the journal, under a hashed name: forks show by it.
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    return wrapped


def lead_home(response: Response) -> Response:
    """Whatever ``next`` said, nobody is led to another site."""
    target = response.headers.get("Location")
    if target is not None and local_path(target, default="") != target:
        response.headers["Location"] = "/"
    return response


# --- what is remembered of it ---------------------------------------------------------------------


def _signed_in(_app: Flask, user: Login, **_: Any) -> None:
    # A new password signs the same person in again: a demo's one click goes on counting.
    sessions.begin(user, by_demo=bool(session.get("by_demo")))
    if places.note(user) and not current_app.config["DEMO"]:
        # In the language that he read before: it may be somebody else who chooses one now.
        with force_locale(user.language) if user.language is not None else nullcontext():
            _tell(
                user,
                str(_l("Somebody signed in from somewhere new")),
                str(
                    _l(
                        "Your account was signed in to from a network or a browser that was not used for it lately. If "
                        "it was you, all is well. If not, set a new password at once: that signs everybody else out."
                    )
                ),
            )
    user.language = language.current_language()
    _record("login.signed_in", user)


def _password_changed(_app: Flask, user: Login, **_: Any) -> None:
    _record("login.password_changed", user)
    _tell(user, str(_l("Your password was changed")), str(_l("If it was not you, set a new password at once.")))


def _second_factor_changed(_app: Flask, user: Login, **_: Any) -> None:
    _record("login.second_factor_changed", user)
    _tell(
        user,
        str(_l("The second step of your sign-in was changed")),
        str(_l("If it was not you, tell the exchange at once.")),
    )


def _record(action: str, user: Login) -> None:
    audit.record(action, f"login:{user.id}", by=user.as_actor(), at=clock.now())


def _tell(user: Login, subject: str, body: str) -> None:
    notices.notify(subject, body=body, login_id=user.id, by=user.as_actor(), at=clock.now())
