"""Which organizations meet on the exchange?

Providers, employers, regulators and the exchange's own operator. The operator's organization also
stands for "held by the exchange": money that is with no provider is on its books.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from exchange import audit
from exchange.bulk import Prepared
from exchange.database import Base, Choice, db, one_of
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.web.names import clean_name


class OrganizationKind(StrEnum):
    """What an organization is on the exchange."""

    PROVIDER = "provider"
    EMPLOYER = "employer"
    REGULATOR = "regulator"
    OPERATOR = "operator"


class Organization(Base):
    """A legal body that takes part, under the name it is registered with."""

    __tablename__ = "organization"
    __table_args__ = (
        one_of("kind", OrganizationKind),
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
        CheckConstraint("ein IS NULL OR length(ein) = 9", name="ein_length"),
        # One exchange, one operator.
        Index(
            "uq_organization_operator",
            "kind",
            unique=True,
            postgresql_where=text("kind = 'operator'"),
            sqlite_where=text("kind = 'operator'"),
        ),
        # Two providers whose names look alike would let one borrow the other's trust.
        Index("uq_organization_kind_name_skeleton", "kind", "name_skeleton", unique=True),
        Index(
            "uq_organization_kind_ein",
            "kind",
            "ein",
            unique=True,
            postgresql_where=text("ein IS NOT NULL"),
            sqlite_where=text("ein IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[OrganizationKind] = mapped_column(Choice(OrganizationKind))
    name: Mapped[str]
    name_skeleton: Mapped[str]
    ein: Mapped[str | None]
    created_at: Mapped[datetime]


class NameTaken(Refusal):
    """Another organization of the kind has this name, or one that looks like it, or this EIN."""

    code = "name_taken"
    status = 409


class ForeignLetters(Refusal):
    """A name with letters of which some look like Latin ones and are others, or with none at all."""

    code = "foreign_letters"


def skeleton_of(name: str) -> str:
    """The name as an eye that is in a hurry sees it: case, blanks, punctuation, accents and look-alikes folded.

    After Unicode Technical Standard 39 (confusable detection), reduced to what Latin names need: accents fall off,
    letters in bold or full width and digits that look like letters become those letters.
    """
    folded = unicodedata.normalize("NFKD", name.casefold().translate(_LATIN_ALONE))
    folded = unicodedata.normalize("NFKD", folded.casefold()).translate(_LOOK_ALIKES)
    return "".join(letter for letter in folded if letter.isalnum()).replace("rn", "m").replace("vv", "w")


def _in_latin_letters(name: str) -> str:
    """The skeleton of a name that can be read one way. Refuses ``ForeignLetters``.

    No script is mixed with another where there is only one: a Cyrillic "a" in a Latin name cannot be told from one.
    """
    skeleton = skeleton_of(name)
    if not skeleton or not skeleton.isascii():
        raise ForeignLetters(
            _l("Write the name in Latin letters, accents included: others cannot be told from them."), field="name"
        )
    return skeleton


# Letters that no accent makes, and that the casefold leaves.
_LATIN_ALONE: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "™": " ", "℠": " "}
)
_LOOK_ALIKES: Final = str.maketrans("01i5|", "ollsl")


def found(name: str, *, kind: OrganizationKind, ein: str | None = None, by: Actor, at: datetime) -> Organization:
    """Enter an organization. Refuses a name that looks like another's of the same kind, or cannot be read one way."""
    name = clean_name(name)
    skeleton = _in_latin_letters(name)
    taken = select(Organization.id).where(
        Organization.kind == kind,
        (Organization.name_skeleton == skeleton) | ((Organization.ein == ein) & (Organization.ein.is_not(None))),
    )
    if db.session.execute(taken).first() is not None:
        raise NameTaken(
            _l("An organization with this name (or one that looks like it) or this EIN is already registered.")
        )
    organization = Organization(kind=kind, name=name, name_skeleton=skeleton, ein=ein, created_at=at)
    db.session.add(organization)
    db.session.flush()
    audit.record("organization.founded", f"organization:{organization.id}", by=by, at=at)
    return organization


def named(name: str, *, kind: OrganizationKind) -> Organization | None:
    """The organization of the kind that is registered under exactly this name."""
    return db.session.execute(
        select(Organization).where(Organization.kind == kind, Organization.name == name)
    ).scalar_one_or_none()


def names_of(organization_ids: Collection[int]) -> dict[int, str]:
    """The names of some organizations by id."""
    rows = select(Organization.id, Organization.name).where(Organization.id.in_(organization_ids))
    return dict(db.session.execute(rows).all())


def exchange_id() -> int:
    """The organization that holds what is with no provider."""
    ((id_,),) = _EXCHANGE.run()
    return int(id_)


_EXCHANGE: Final = Prepared("SELECT id FROM organization WHERE kind = 'operator'")
