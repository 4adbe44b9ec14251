"""To which moments can a stranger move the demonstration's clock?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from enrollment import windows
from enrollment.models import EnrollmentWindow, WindowKind
from exchange import clock
from exchange.database import db

AN_HOUR = timedelta(hours=1)
A_MONTH = timedelta(days=31)


def _window() -> EnrollmentWindow | None:
    """The open enrollment whose switches take effect next."""
    ahead = select(EnrollmentWindow).where(
        EnrollmentWindow.kind == WindowKind.OPEN, EnrollmentWindow.effective_at > clock.now()
    )
    return db.session.execute(ahead.order_by(EnrollmentWindow.effective_at).limit(1)).scalar_one_or_none()


def before_the_close() -> datetime | None:
    """When there is still time to choose, but not for long."""
    window = _window()
    return None if window is None else window.closes_at - AN_HOUR


def the_close() -> datetime | None:
    """When no choice is taken any more, and those that stand become orders."""
    window = _window()
    return None if window is None else window.closes_at + windows.SETTLING


def the_effective_date() -> datetime | None:
    """When the switches are carried out."""
    window = _window()
    return None if window is None else window.effective_at


def a_month_on() -> datetime:
    """A month after what the clock shows."""
    return clock.now() + A_MONTH


MOMENTS: Final[list[tuple[str | LazyString, Callable[[], datetime | None]]]] = [
    (_l("an hour before the close"), before_the_close),
    (_l("the close"), the_close),
    (_l("the effective date"), the_effective_date),
    (_l("a month on"), a_month_on),
]
