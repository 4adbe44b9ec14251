"""Can this line of a report be true, and does another line say the same?

Pure: dates against the policy's limits, places and sectors against its lists, hours against what the
days have. What only the database knows (whose number it is) is asked in ``reporting``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby
from typing import Final, NamedTuple

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from enrollment.report_lines import ReportLine
from exchange.errors import Refusal
from exchange.money import format_minutes
from exchange.policy.document import Limits, Policy
from exchange.policy.formulas import covers
from exchange.policy.versions import Timeline

Found = tuple[str, str | LazyString]  # column, sentence
# A state or territory by its ISO code, and perhaps a part of it.
_PLACE: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}(?:/[A-Za-z][A-Za-z0-9 .'-]{0,59}){0,4}", re.ASCII)


class _Alike(NamedTuple):
    """What lines of the same days, place and sector have in common: nothing wrong with those, and the limits."""

    is_good: bool
    most_minutes: int
    may_pay_more: bool


class Checks:
    """Checks the lines of one report; what many of them have in common is looked at once."""

    def __init__(self, law: Timeline, today: date) -> None:
        self._law, self._today = law, today
        self._alike: dict[tuple[date, date, str, str], _Alike] = {}

    def problems_of(self, line: ReportLine) -> Iterable[Found]:
        """As ``problems_of`` says."""
        key = line.first_day, line.last_day, line.place, line.sector
        alike = self._alike.get(key)
        if alike is None:
            alike = self._alike[key] = self._look_at(line)
        if alike.is_good and (line.minutes or 0) <= alike.most_minutes and (alike.may_pay_more or not line.extra_cents):
            return ()
        return problems_of(line, self._law, self._today)

    def _look_at(self, line: ReportLine) -> _Alike:
        bare = replace(line, minutes=None, extra_cents=0)
        if any(True for _ in problems_of(bare, self._law, self._today)):
            return _Alike(is_good=False, most_minutes=0, may_pay_more=False)
        _, policy = self._law.on(line.first_day)
        return _Alike(True, line.days * policy.limits.minutes_per_day, policy.contributions.employer_may_pay_more)


def problems_of(line: ReportLine, law: Timeline, today: date) -> Iterator[Found]:
    """What is wrong with the line: column and sentence of each problem. ``today`` is the program's local date."""
    if line.last_day < line.first_day:
        yield "last_day", _l("The period ends before it begins.")
        return
    _, present = law.on(today)
    yield from _too_far(line, present.limits, today)
    try:
        _, policy = law.on(line.first_day)
    except Refusal as refusal:
        yield "first_day", refusal.sentence
        return
    yield from _too_much(line, policy.limits)
    yield from _unknown(line, policy)
    if line.extra_cents and not policy.contributions.employer_may_pay_more:
        yield "extra", _l("In this program an employer cannot pay more than is owed.")


def _too_far(line: ReportLine, limits: Limits, today: date) -> Iterator[Found]:
    last = today + timedelta(days=limits.future_days)
    first = today - timedelta(days=limits.backdating_days)
    if line.last_day > last:
        yield "last_day", _l("The period lies in the future: work is reported until %(day)s.", day=last.isoformat())
    if line.first_day < first:
        yield "first_day", _l("This is too long ago: work is reported from %(day)s on.", day=first.isoformat())


def _too_much(line: ReportLine, limits: Limits) -> Iterator[Found]:
    if line.days > limits.period_days:
        yield "last_day", _l("The period is longer than %(n)s days. Divide it.", n=limits.period_days)
    most = line.days * limits.minutes_per_day
    if (line.minutes or 0) > most:
        yield "minutes", _l("This is more time than the period has: at most %(most)s.", most=format_minutes(most))


def _unknown(line: ReportLine, policy: Policy) -> Iterator[Found]:
    known = {policy.jurisdiction, *(place.code for place in policy.places)}
    is_elsewhere = not covers(policy.jurisdiction, line.place) and _PLACE.fullmatch(line.place)
    if line.place not in known and not is_elsewhere:
        yield "place", _l("The policy knows no such place: write a code like %(code)s.", code=policy.jurisdiction)
    if line.sector and line.sector not in {sector.code for sector in policy.sectors}:
        yield "sector", _l("The policy knows no such sector.")


def overlaps(lines: Sequence[ReportLine], *, minutes_per_day: int) -> Iterator[tuple[int, str, str | LazyString]]:
    """Lines that count the same work twice: line, column, sentence.

    Lines for one worker, place, sector and class may not share a day, except lines of one single day
    each that differ (the jobs of that day, one by one), as long as the day is long enough for all.
    """
    lines = _repeated(lines, minutes_per_day)
    ordered = sorted(lines, key=lambda line: (_kind(line), line.first_day, line.last_day, _figures(line), line.line))
    for _, group in groupby(ordered, key=_kind):
        farthest: ReportLine | None = None  # of the lines so far, the one that reaches the latest day
        for line in group:
            if farthest and line.first_day <= farthest.last_day and not _are_jobs_of_one_day(farthest, line):
                yield line.line, "first_day", _l("This covers the same days as line %(other)s.", other=farthest.line)
            if farthest is None or line.last_day >= farthest.last_day:
                farthest = line
    days: dict[tuple[str, date], int] = {}
    for line in lines:
        if line.days == 1 and line.minutes:
            key = line.number, line.first_day
            before_minutes = days.get(key, 0)
            days[key] = before_minutes + line.minutes
            if before_minutes <= minutes_per_day < days[key]:
                yield line.line, "minutes", _l("With the lines before, this is more time than the day has.")


def _repeated(lines: Sequence[ReportLine], minutes_per_day: int) -> list[ReportLine]:
    """The lines that can say too much together: of workers named more than once, and those of more than a day."""
    seen: set[str] = set()
    again: set[str] = set()
    for line in lines:
        (again if line.number in seen else seen).add(line.number)
    return [
        line
        for line in lines
        if line.number in again or ((line.minutes or 0) > minutes_per_day and line.first_day == line.last_day)
    ]


def _kind(line: ReportLine) -> tuple[str, str, str, str]:
    return line.number, line.place, line.sector, line.worker_class.value


def _are_jobs_of_one_day(one: ReportLine, other: ReportLine) -> bool:
    return one.days == other.days == 1 and _figures(one) != _figures(other)


def _figures(line: ReportLine) -> tuple[int, ...]:
    figures = line.minutes, line.earnings_cents, line.fee_cents, line.tolls_cents, line.jobs, line.extra_cents
    return tuple(-1 if figure is None else figure for figure in figures)
