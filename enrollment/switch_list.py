"""Which switches are there, how far are they, and how fast is a cutover?

For whoever looks after them. Workers stay without a name here: account numbers are shown masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, func, select

from enrollment import cutover_control
from enrollment.models import BenefitAccount, EnrollmentWindow, Switch, SwitchCause, SwitchState
from exchange.database import core, db
from exchange.errors import NotFound
from exchange.identity.organizations import Organization
from providers.models import Package


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for; what is empty narrows nothing. ``number`` is a whole account number."""

    state: SwitchState | None = None
    cause: SwitchCause | None = None
    number: str = ""
    plan_year: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """How far the cutover of an open enrollment is.

    ``per_second``: workers a second since it began; ``seconds_left``: how long the rest takes at that pace.
    None: nothing has been carried out yet, or nothing is left.
    """

    done: int
    total: int
    abandoned: int
    remaining: int
    per_second: int | None
    seconds_left: int | None
    began_at: datetime | None
    last_at: datetime | None

    def further(self, workers: int, *, at: datetime) -> Pace:
        """The same at ``at``, when so many workers more have been carried out. Pure."""
        last_at = at if workers else self.last_at
        began_at = self.began_at or last_at
        return _reckoned(self.done + workers, self.remaining - workers, self.abandoned, (began_at, last_at), until=at)


def listed(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    """A SELECT of switches with account number and the names of both sides, the latest first."""
    s, a = Switch, BenefitAccount
    source, target = core(Organization).alias("source"), core(Organization).alias("target")
    old, new = core(Package).alias("old"), core(Package).alias("new")
    rows = (
        select(
            s.id,
            a.number,
            s.cause,
            s.state,
            s.plan_year,
            s.effective_at,
            s.ordered_at,
            s.carried_out_at,
            s.reason,
            s.entry_id,
            source.c.name.label("from_provider"),
            target.c.name.label("to_provider"),
            old.c.name.label("from_package"),
            new.c.name.label("to_package"),
        )
        .join(a, a.id == s.benefit_account_id)
        .join(source, source.c.id == s.from_provider_id)
        .join(target, target.c.id == s.to_provider_id)
        .outerjoin(old, old.c.id == s.from_package_id)
        .join(new, new.c.id == s.to_package_id)
        .order_by(s.id.desc())
    )
    if wanted.state is not None:
        rows = rows.where(s.state == wanted.state)
    if wanted.cause is not None:
        rows = rows.where(s.cause == wanted.cause)
    if wanted.plan_year:
        rows = rows.where(s.plan_year == wanted.plan_year)
    return rows.where(a.number == wanted.number) if wanted.number else rows


def one(switch_id: int) -> Any:
    """One row of the list; ``NotFound`` where there is no such switch."""
    row = db.session.execute(listed(Wanted()).where(Switch.id == switch_id)).one_or_none()
    if row is None:
        raise NotFound(_l("There is no such switch."))
    return row


def held(switch_id: int) -> Switch:
    """The switch itself, held until the transaction ends, so that no cutover carries it out meanwhile.

    Its window is held before it, as whoever carries out does, so that none is netted without it either.
    """
    of_window = select(Switch.window_id).where(Switch.id == switch_id)
    window_id = db.session.execute(of_window).scalar_one_or_none()
    if window_id is not None:
        cutover_control.held(window_id, shared=True)
    rows = select(Switch).where(Switch.id == switch_id).with_for_update()
    switch = db.session.execute(rows.execution_options(populate_existing=True)).scalar_one_or_none()
    if switch is None:
        raise NotFound(_l("There is no such switch."))
    return switch


def pace(window: EnrollmentWindow, *, at: datetime) -> Pace:
    """How far the window's cutover is at this instant, and how fast; one statement."""
    s = Switch
    rows = (
        select(s.state, func.count(), func.min(s.carried_out_at), func.max(s.carried_out_at))
        .where(s.window_id == window.id)
        .group_by(s.state)
    )
    found = {state: (count, first, last) for state, count, first, last in db.session.execute(rows)}
    done, began_at, last_at = found.get(SwitchState.CARRIED_OUT, (0, None, None))
    ordered = found.get(SwitchState.ORDERED, (0, None, None))[0]
    abandoned = found.get(SwitchState.ABANDONED, (0, None, None))[0]
    stopped_at = last_at if window.paused_at is not None else None  # a pause slows nothing down
    until = window.cut_over_at or stopped_at or at
    return _reckoned(done, ordered, abandoned, (began_at, last_at), until=until)


def _reckoned(
    done: int, ordered: int, abandoned: int, batches: tuple[datetime | None, datetime | None], *, until: datetime
) -> Pace:
    """``batches``: the instants of the first and of the last."""
    began_at, last_at = batches
    seconds = max(1, round((until - began_at).total_seconds())) if began_at is not None else None
    return Pace(
        done=done,
        total=done + ordered,
        abandoned=abandoned,
        remaining=ordered,
        per_second=None if seconds is None else done // seconds,
        seconds_left=-(-ordered * seconds // done) if ordered and done and seconds is not None else None,
        began_at=began_at,
        last_at=last_at,
    )
