"""Which benefit accounts are looked at in one go, where all of them would take too long for one statement?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, SQLColumnExpression, func, select

from enrollment.models import BenefitAccount
from exchange.database import db

AT_ONCE: Final = 20_000
"""Accounts of a piece: of ten thousand workers who move the lines are read in seconds, also from a cold disk."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The benefit accounts with ids from ``first`` on and below ``end``."""

    first: int
    end: int

    def has(self, column: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """Whether the account that the column names is among them."""
        return (column >= self.first) & (column < self.end)


def highest_account() -> int:
    """The highest id of an account, 0 where there is none: about how many accounts there are."""
    return db.session.execute(select(func.coalesce(func.max(BenefitAccount.id), 0))).scalar_one()


def of_all(*, at_once: int = AT_ONCE) -> Iterator[Piece]:
    """All accounts, a piece after the other."""
    for first in range(1, highest_account() + 1, at_once):
        yield Piece(first, first + at_once)
