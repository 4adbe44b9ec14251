"""How are money, leave, dates and shares written on a page?

Templates do no sums: they get final figures and write them with these filters. An instant is shown in the
program's zone and says which zone that is; a period's excluded end is shown as its last day.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale, dates
from flask import Flask, current_app
from flask_babel import get_locale

from exchange.money import BP, Unit, format_amount, format_dollars, format_minutes

NOTHING = "–"
_PERCENT_BP = BP // 100
_MICROSECOND = timedelta(microseconds=1)


def init_app(app: Flask) -> None:
    """Make the filters known to templates under short names."""
    app.add_template_filter(money, "money")
    app.add_template_filter(minutes, "minutes")
    app.add_template_filter(amount, "amount")
    app.add_template_filter(whole, "whole")
    app.add_template_filter(day, "day")
    app.add_template_filter(short_day, "short_day")
    app.add_template_filter(last_day, "last_day")
    app.add_template_filter(moment, "moment")
    app.add_template_filter(percent, "percent")
    app.add_template_filter(masked, "masked")


def program_zone() -> ZoneInfo:
    """The zone that the program's policy names (configuration ``PROGRAM_ZONE``)."""
    return ZoneInfo(current_app.config["PROGRAM_ZONE"])


def money(cents: int | None) -> str:
    """120450 → ``$1,204.50``; a dash for None."""
    return NOTHING if cents is None else format_dollars(cents)


def minutes(amount_minutes: int | None) -> str:
    """135 → ``2 h 15 min``; a dash for None."""
    return NOTHING if amount_minutes is None else format_minutes(amount_minutes)


def amount(value: int | None, unit: Unit | str) -> str:
    """Cents or minutes, by their unit; a dash for None."""
    return NOTHING if value is None else format_amount(value, Unit(unit))


def whole(number: int | None) -> str:
    """27396 → ``27,396``; a dash for None."""
    return NOTHING if number is None else f"{number:,}"


def day(on: date | None) -> str:
    """``November 30, 2026``, or as the reader's language says it; a dash for None."""
    return NOTHING if on is None else _in_words(on, "long", _locale())


def short_day(on: date | None) -> str:
    """``Nov 30, 2026``, for tables; a dash for None."""
    return NOTHING if on is None else _in_words(on, "medium", _locale())


@lru_cache(maxsize=4_096)
def _in_words(on: date, style: Literal["long", "medium"], locale: Locale) -> str:
    """The same few dates stand on all pages."""
    return dates.format_date(on, format=style, locale=locale)


def last_day(end: date | datetime) -> date:
    """The last date within a period that excludes its ``end``: a date, or an instant read in the program's zone."""
    if isinstance(end, datetime):
        return (end - _MICROSECOND).astimezone(program_zone()).date()
    return end - timedelta(days=1)


def moment(at: datetime | None, zone: str | None = None) -> str:
    """``November 30, 2026, 11:59 PM PST``: date, time and zone; a dash for None."""
    if at is None:
        return NOTHING
    return _moment_in_words(at, zone or current_app.config["PROGRAM_ZONE"], _locale())


@lru_cache(maxsize=4_096)
def _moment_in_words(at: datetime, zone: str, locale: Locale) -> str:
    """So do the same few instants: when a window closes."""
    local = at.astimezone(ZoneInfo(zone))
    time = dates.format_time(local, format="short", tzinfo=local.tzinfo, locale=locale)
    name = dates.get_timezone_name(local, width="short", locale=Locale("en", "US"))
    return f"{_in_words(local.date(), 'long', locale)}, {time} {name}"


def percent(share_bp: int | None) -> str:
    """Basis points as per cent, without trailing zeros: 1250 → ``12.5%``; a dash for None."""
    if share_bp is None:
        return NOTHING
    sign = "−" if share_bp < 0 else ""
    before, after = divmod(abs(share_bp), _PERCENT_BP)
    return f"{sign}{before:,}.{after:02d}".rstrip("0").rstrip(".") + "%"


def masked(text: str | None, keep: int = 4) -> str:
    """``••••4321``: enough to recognize a number that one knows, too little to use one that one doesn't."""
    if not text:
        return NOTHING
    return "••••" + (text[-keep:] if len(text) > keep else "")


def _locale() -> Locale:
    return get_locale() or Locale("en", "US")
