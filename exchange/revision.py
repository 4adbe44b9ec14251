"""Has anything changed that the pages of the market show: offers, providers and their standing, windows, the law?

One random word, which the database itself replaces with every commit that changes such a row (triggers, see the
migration), whichever process made it and by whichever statement. Equal words mean an equal market, also after a
backup was restored. On PostgreSQL it is replaced at the end of the transaction, so that nobody waits for it longer
than for a commit.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import CheckConstraint, ScalarSelect, select
from sqlalchemy.orm import Mapped, mapped_column

from exchange import clock
from exchange.database import Base, from_microseconds
from exchange.glance import Glance


class MarketRevision(Base):
    """The word for the market as it is; one row."""

    __tablename__ = "market_revision"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1, autoincrement=False)
    word: Mapped[str]


class Moment(NamedTuple):
    """The market at an instant of the database's clock."""

    at: datetime
    market: str


def moment() -> Moment:
    """Now, and the word for the market: one short question."""
    row = _MOMENT.row()
    assert row is not None, "the migration wrote it"
    return Moment(from_microseconds(row[0]), row[1])


def column() -> ScalarSelect[str]:
    """The word, for a statement that asks for other things besides."""
    return select(MarketRevision.word).scalar_subquery()


_MOMENT = Glance(lambda: select(clock.microseconds(), MarketRevision.word))
