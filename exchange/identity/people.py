"""What does a person sign in with?

A login speaks in one capacity: a worker for himself, or a member of staff for one organization. Who
is both has two logins. Names and addresses live here and nowhere near the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, TypeVar

from flask import g
from flask_security import AsaList, UserMixin
from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, Text, bindparam, select, update
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, Choice, Instant, db, one_of
from exchange.glance import Glance
from exchange.identity.actors import SECOND_FACTOR_REQUIRED, Actor, Audience

V = TypeVar("V", bound=Callable[..., Any])


class Login(Base, UserMixin):
    """A person's way in, for one audience and, if staff, one organization.

    The names of some columns are Flask-Security's.
    """

    __tablename__ = "login"
    __table_args__ = (
        one_of("audience", Audience),
        CheckConstraint("(audience = 'worker') = (organization_id IS NULL)", name="staff_has_organization"),
        CheckConstraint("email = lower(email)", name="email_lower"),
        CheckConstraint("(tf_primary_method IS NULL) = (tf_totp_secret IS NULL)", name="second_factor_whole"),
        CheckConstraint("length(language) = 2", name="language_code"),
        Index("ix_login_organization_id", "organization_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    audience: Mapped[Audience] = mapped_column(Choice(Audience))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    # Argon2id. None until its owner has chosen one.
    password: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    # What a session names its login by: a new one ends every session of this login.
    fs_uniquifier: Mapped[str] = mapped_column(unique=True)
    tf_primary_method: Mapped[str | None]
    # Encrypted with TOTP_SECRETS.
    tf_totp_secret: Mapped[str | None]
    # The time step of the last code that was taken: a code is good once.
    tf_last_counter: Mapped[int | None]
    # Encrypted with RECOVERY_KEYS.
    mf_recovery_codes: Mapped[list[str] | None] = mapped_column(MutableList.as_mutable(AsaList()))
    # Digests of the places that it signed in from, the latest last: see ``login/places.py``.
    known_from: Mapped[list[str] | None] = mapped_column(MutableList.as_mutable(AsaList()))
    # In which he last read pages (``es``), and reads letters. None: he has not been here yet.
    language: Mapped[str | None]

    # What a login may do follows from its audience alone; Flask-Security asks for roles.
    roles: ClassVar[list[Any]] = []  # type: ignore[misc]  # a class's, for it never holds any

    @property
    def has_second_factor(self) -> bool:
        """Whether signing in asks for more than the password."""
        return self.tf_primary_method is not None

    @property
    def needs_second_factor(self) -> bool:
        """Whether this login may not be used without one."""
        return self.audience in SECOND_FACTOR_REQUIRED

    def check_tf_required(
        self, tf_setup_methods: list[tuple[str, str]], _tf_fresh: bool
    ) -> tuple[bool, list[tuple[str, str]]]:
        """Flask-Security asks after the password: is more needed?  Who must have a second factor sets it up then."""
        return self.needs_second_factor or self.has_second_factor, tf_setup_methods

    def check_tf_required_setup(self) -> bool:
        """Flask-Security asks: must the second factor stay?

        Once there it can be moved but not removed, for whoever has one may use a shorter password.
        """
        return self.needs_second_factor or self.has_second_factor

    def as_actor(self) -> Actor:
        """The capacity in which this login acts."""
        return Actor(self.audience, self.name, login_id=self.id, organization_id=self.organization_id)


@dataclass(slots=True)
class Reader(UserMixin):
    """A login as pages need it that only show: read in one short question, in no session of the database."""

    id: int
    audience: Audience
    organization_id: int | None
    name: str
    active: bool
    fs_uniquifier: str
    has_second_factor: bool
    roles: ClassVar[list[Any]] = []  # type: ignore[misc]  # as of a login

    @property
    def is_active(self) -> bool:
        """Whether it may be used."""
        return self.active

    def as_actor(self) -> Actor:
        """The capacity in which this login acts."""
        return Actor(self.audience, self.name, login_id=self.id, organization_id=self.organization_id)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a page asks in the same trip in which it is asked who asks: see ``seen_with``.

    ``question`` begins with ``WHO`` and has a row for whoever ``is_named`` by the session, whatever else it finds;
    ``given`` tells its other parameters from the request.
    """

    question: Glance
    given: Callable[[], Mapping[str, int | str | None]]


def seen_with(beside: Beside) -> Callable[[V], V]:
    """Mark a view: the rows of its question are found by ``read_beside``, once, as they were when it was asked."""

    def mark(view: V) -> V:
        view.__dict__["seen_with"] = beside
        return view

    return mark


def seen(session_name: str, beside: Beside | None = None) -> Reader | None:
    """Whom a session names; every page of somebody who is signed in asks it."""
    rows = (_SEEN if beside is None else beside.question).rows(name=session_name, **(beside.given() if beside else {}))
    if not rows:
        return None
    id_, audience, organization_id, name, active, method = rows[0][: len(WHO)]
    if beside is not None:
        g.read_beside = id_, [row[len(WHO) :] for row in rows]
    return Reader(id_, Audience(audience), organization_id, name, bool(active), session_name, method is not None)


def read_beside(login_id: int) -> Sequence[tuple[Any, ...]] | None:
    """What was read together with who asks, if it was he; asked for again, there is nothing: the world moves on."""
    asked_by, rows = g.pop("read_beside", (None, None))
    return rows if asked_by == login_id else None


WHO: Final = (
    Login.id, Login.audience, Login.organization_id, Login.name, Login.active, Login.tf_primary_method,
)  # fmt: skip


def is_named() -> ColumnElement[bool]:
    """Whether a session names the login."""
    return Login.fs_uniquifier == bindparam("name", type_=Text)


_SEEN = Glance(lambda: select(*WHO).where(is_named()))


def note_language(language: str, *, by: Actor) -> None:
    """Remember in which language (``en``) somebody who is signed in reads; no deed that an audit asks for."""
    db.session.execute(update(Login).where(Login.id == by.login_id).values(language=language))


def names_of(login_ids: Collection[int | None]) -> dict[int | None, str]:
    """The names of some logins by id, for lists of who did what; who was forgotten is absent."""
    rows = select(Login.id, Login.name).where(Login.id.in_([id_ for id_ in login_ids if id_ is not None]))
    return dict(db.session.execute(rows).all())
