"""Which figures about windows and cutovers does whoever watches the exchange see?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select

from enrollment import switch_list, windows
from enrollment.models import EnrollmentWindow, WindowKind
from exchange.database import db
from exchange.figures import Sample, figure


@figure("pbx_windows_open", "Windows in which elections are taken now, by kind.")
def _open_windows(at: datetime) -> Iterable[Sample]:
    w = EnrollmentWindow
    rows = select(w.kind, func.count()).where(w.opens_at <= at, w.closes_at > at).group_by(w.kind).order_by(w.kind)
    counts = dict.fromkeys(WindowKind, 0) | {kind: int(count) for kind, count in db.session.execute(rows)}
    for kind, count in counts.items():  # also that there is none: a sample that is missing is below no threshold
        yield Sample(count, {"kind": kind})


@figure("pbx_cutover_switches", "Switches of the cutover that is due and not done, by state.")
def _cutover(at: datetime) -> Iterable[Sample]:
    window = windows.to_be_carried_out(at)
    if window is None or window.effective_at is None or window.effective_at > at:
        return
    pace = switch_list.pace(window, at=at)
    for state, count in (("done", pace.done), ("remaining", pace.remaining), ("abandoned", pace.abandoned)):
        yield Sample(count, {"plan_year": window.plan_year, "state": state})
