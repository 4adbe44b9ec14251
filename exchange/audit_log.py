"""Which deeds of the audit log does somebody look for, page by page?

Pages are cut by the id of the last row shown, so that the thousandth costs what the first does, and
what is written meanwhile moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select

from exchange.audit import AuditEvent
from exchange.calendar import first_instant
from exchange.database import db
from exchange.identity.actors import Audience

PER_PAGE = 50
AT_ONCE = 1_000
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for; what is empty narrows nothing.

    ``action``: a deed (``provider.suspended``) or all of a kind (``provider``); ``subject`` likewise
    (``provider:7`` or ``provider``); ``who``: a part of the actor's name; both days are included.
    """

    action: str = ""
    subject: str = ""
    who: str = ""
    audience: Audience | None = None
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some events, the latest first. ``older`` and ``newer``: the ids that the neighbouring pages begin at."""

    rows: Sequence[Row[Any]]
    older: int | None
    newer: int | None


def stretch(wanted: Wanted, *, zone: str, before: int | None = None, after: int | None = None) -> Stretch:
    """The newest events, or those before (after) an id. Days are days of ``zone`` (an IANA name)."""
    e = AuditEvent
    rows = _selected(wanted, zone=zone)
    if after is not None:
        found = list(db.session.execute(rows.where(e.id > after).order_by(e.id).limit(PER_PAGE + 1)))
        more_newer, found = len(found) > PER_PAGE, found[:PER_PAGE][::-1]
        older = found[-1].id if found else None
        return Stretch(found, older, found[0].id if more_newer else None)
    if before is not None:
        rows = rows.where(e.id < before)
    found = list(db.session.execute(rows.order_by(e.id.desc()).limit(PER_PAGE + 1)))
    more_older, found = len(found) > PER_PAGE, found[:PER_PAGE]
    newer = found[0].id if found and before is not None else None
    return Stretch(found, found[-1].id if more_older else None, newer)


def how_many(wanted: Wanted, *, zone: str, at_most: int) -> int:
    """How many ``everything`` gives."""
    found = _selected(wanted, zone=zone).with_only_columns(AuditEvent.id).limit(at_most).subquery()
    return db.session.execute(select(func.count()).select_from(found)).scalar_one()


def everything(wanted: Wanted, *, zone: str, at_most: int) -> Iterator[Row[Any]]:
    """The same as one list, for a file: a piece at a time, each in a transaction of its own that is over when read."""
    rows = _selected(wanted, zone=zone).order_by(AuditEvent.id.desc())
    left, piece = at_most, list(db.session.execute(rows.limit(min(at_most, AT_ONCE))))
    while piece:
        db.session.rollback()
        yield from piece
        left -= len(piece)
        following = rows.where(AuditEvent.id < piece[-1].id).limit(min(left, AT_ONCE))
        piece = list(db.session.execute(following)) if left else []


def _selected(wanted: Wanted, *, zone: str) -> Select[*tuple[Any, ...]]:
    e = AuditEvent
    rows = select(
        e.id, e.at, e.action, e.subject, e.audience, e.actor_name, e.reason, e.facts, e.request_id, e.address
    )  # fmt: skip
    conditions: list[ColumnElement[bool]] = []
    if wanted.action:
        conditions.append(_one_or_kind(e.action.expression, wanted.action, "."))
    if wanted.subject:
        conditions.append(_one_or_kind(e.subject.expression, wanted.subject, ":"))
    if wanted.who:
        conditions.append(e.actor_name.icontains(wanted.who, autoescape=True))
    if wanted.audience is not None:
        conditions.append(e.audience == wanted.audience.value)
    if wanted.first_day is not None:
        conditions.append(e.at >= first_instant(wanted.first_day, zone))
    if wanted.last_day is not None and wanted.last_day < date.max:  # after the last day there is none
        conditions.append(e.at < first_instant(wanted.last_day + _A_DAY, zone))
    return rows.where(*conditions)


def _one_or_kind(column: ColumnElement[str], wanted: str, mark: str) -> ColumnElement[bool]:
    """Exactly that one, or (without the mark) every one of the kind; a range, so that the index serves."""
    if mark in wanted:
        return column == wanted
    return (column > wanted + mark) & (column < wanted + chr(ord(mark) + 1))
