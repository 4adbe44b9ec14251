"""What does a person sign in with?

A login speaks in one capacity: a worker for himself, or a member of staff for one organization. Who
is both has two logins. Names and addresses live here and nowhere near the journal.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from flask_security import AsaList, RoleMixin, UserMixin
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column, relationship

from exchange.database import Base, Choice, Instant, one_of
from exchange.identity.actors import Actor, Audience

login_role = Table(
    "login_role",
    Base.metadata,
    Column("login_id", ForeignKey("login.id"), primary_key=True),
    Column("role_id", ForeignKey("role.id"), primary_key=True),
    sqlite_strict=True,
)


class Role(Base, RoleMixin):
    """Asked for by Flask-Security; what a login may do follows from its audience alone."""

    __tablename__ = "role"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Login(Base, UserMixin):
    """A person's way in, for one audience and, if staff, one organization."""

    __tablename__ = "login"
    __table_args__ = (
        one_of("audience", Audience),
        CheckConstraint("(audience = 'worker') = (organization_id IS NULL)", name="staff_has_organization"),
        CheckConstraint("email = lower(email)", name="email_lower"),
        Index("ix_login_organization_id", "organization_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    audience: Mapped[Audience] = mapped_column(Choice(Audience))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    # Flask-Security's: a new one ends every session of this login.
    fs_uniquifier: Mapped[str] = mapped_column(unique=True)
    tf_primary_method: Mapped[str | None]
    tf_totp_secret: Mapped[str | None]
    mf_recovery_codes: Mapped[list[str] | None] = mapped_column(MutableList.as_mutable(AsaList()))

    if not TYPE_CHECKING:
        roles = relationship("Role", secondary=login_role)

    @property
    def has_second_factor(self) -> bool:
        """Whether signing in asks for more than the password."""
        return self.tf_primary_method is not None

    def as_actor(self) -> Actor:
        """The capacity in which this login acts."""
        return Actor(self.audience, self.name, login_id=self.id, organization_id=self.organization_id)


