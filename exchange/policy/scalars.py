"""How is each kind of value written in a policy file?

One reader per kind: it takes the place of a value and returns what is meant, or writes down there
which rule is broken. Nothing is guessed: an amount begins with $, a share ends with %, a date is
written like 2026-01-31, and yes is yes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import TypeVar
from zoneinfo import available_timezones

import yaml
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from exchange.money import BadAmount, parse_dollars, parse_whole
from exchange.policy.document import MonthDay
from exchange.policy.nodes import At, Broken, Reader

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MONTH_DAY = re.compile(r"([0-9]{2})-([0-9]{2})", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,4})(?:\.([0-9]{1,2}))?%", re.ASCII)
_CODE = re.compile(r"[a-z][a-z0-9_]{0,49}", re.ASCII)
_JURISDICTION = re.compile(r"[A-Z]{2}-[A-Z0-9]{2,3}", re.ASCII)
_PLACE = re.compile(r"[A-Z]{2}-[A-Z0-9]{2,3}(?:/[A-Za-z][A-Za-z0-9 .'-]{0,59}){0,4}", re.ASCII)
_IRS_CODE = re.compile(r"[0-9]{2}", re.ASCII)


def name(at: At) -> str:
    """Words for people: one line of at most 200 characters."""
    text = at.text()
    if len(text) > 200 or "\n" in text:
        raise at.fault(_l("a name is one line of at most 200 characters"))
    return text


def _matching(pattern: re.Pattern[str], rule: LazyString) -> Reader[str]:
    def read(at: At) -> str:
        text = at.text()
        if pattern.fullmatch(text) is None:
            raise at.fault(rule)
        return text

    return read


code = _matching(_CODE, _l("a code is written in small letters, digits and _, beginning with a letter"))
jurisdiction = _matching(_JURISDICTION, _l("a jurisdiction is written like US-WA"))
place = _matching(_PLACE, _l("a place is written like US-WA or US-WA/Seattle"))
irs_code = _matching(_IRS_CODE, _l("a code of the IRS register has two digits, like 03"))


def zone(at: At) -> str:
    """The IANA name of a time zone."""
    text = at.text()
    if text not in available_timezones():
        raise at.fault(_l("“%(zone)s” is no known time zone; write one like America/Los_Angeles", zone=text))
    return text


def whole(at_least: int, at_most: int) -> Reader[int]:
    """A whole number within both."""

    def read(at: At) -> int:
        try:
            number = parse_whole(at.text())
        except BadAmount:
            number = -1
        if not at_least <= number <= at_most:
            rule = _l("a whole number from %(least)d to %(most)d must stand here", least=at_least, most=at_most)
            raise at.fault(rule)
        return number

    return read


def dollars(at: At) -> int:
    """``$6.00`` → 600 cents."""
    text = at.text()
    try:
        if text.startswith("$"):
            return parse_dollars(text)
    except BadAmount:
        pass
    raise at.fault(_l("an amount is written like $6.00 or $1,000.00"))


def percent(at_most: int = 100) -> Reader[int]:
    """``2.5%`` → 250 basis points; a share is at most 100 %, a ratio may be more."""

    def read(at: At) -> int:
        match = _PERCENT.fullmatch(at.text())
        bp = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else -1
        if not 0 <= bp <= at_most * 100:
            rule = _l("a percentage from 0%% to %(most)d%% must stand here, with at most two decimals", most=at_most)
            raise at.fault(rule)
        return bp

    return read


def day(at: At) -> date:
    """``2026-01-31`` → the date."""
    text = at.text()
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise at.fault(_l("a date is written like 2026-01-31 and must exist"))


def month_day(at: At) -> MonthDay:
    """``11-01`` → the day of every year."""
    match = _MONTH_DAY.fullmatch(at.text())
    try:
        if match:
            found = MonthDay(int(match[1]), int(match[2]))
            found.in_year(2023)  # no leap year: 29 February is refused
            return found
    except ValueError:
        pass
    raise at.fault(_l("a day of every year is written like 11-01 (month and day; 02-29 is not in every year)"))


def yes_no(at: At) -> bool:
    """``yes`` or ``no``."""
    text = at.text()
    if text not in {"yes", "no"}:
        raise at.fault(_l("write yes or no"))
    return text == "yes"


def one_of(enum: type[E]) -> Reader[E]:
    """A word of the enum."""

    def read(at: At) -> E:
        text = at.text()
        if text not in list(enum):
            raise at.fault(_l("“%(word)s” is not known here; known are: %(known)s", word=text, known=", ".join(enum)))
        return enum(text)

    return read


def constant(text: str) -> Reader[str]:
    """Exactly this word."""

    def read(at: At) -> str:
        if at.text() != text:
            raise at.fault(_l("only %(word)s is known here", word=text))
        return text

    return read


def each(read: Reader[T], *, at_least: int = 1) -> Reader[tuple[T, ...]]:
    """A list; equal values in it are refused."""

    def read_all(at: At) -> tuple[T, ...]:
        items = at.items()
        if len(items) < at_least:
            raise at.fault(_l("the list has at least %(least)d entries", least=at_least))
        values: list[T] = []
        broken = False
        for item in items:
            try:
                value = read(item)
            except Broken:
                broken = True
                continue
            if value in values:
                item.fault(_l("this stands in the list already"))
                broken = True
            values.append(value)
        if broken:
            raise Broken
        return tuple(values)

    return read_all


def by_code(read: Callable[[str, At], T], *, key: Reader[str] = code) -> Reader[tuple[T, ...]]:
    """A group whose keys are codes chosen by the policy's author."""

    def read_all(at: At) -> tuple[T, ...]:
        values: list[T] = []
        entries = at.entries()
        broken = not entries
        if broken:
            at.fault(_l("the group has at least one entry"))
        for word, value in entries.items():
            try:
                key(replace(value, node=_spelled(word, value.node)))
                values.append(read(word, value))
            except Broken:
                broken = True
        if broken:
            raise Broken
        return tuple(values)

    return read_all


def _spelled(word: str, node: yaml.Node) -> yaml.ScalarNode:
    return yaml.ScalarNode("", word, node.start_mark, node.end_mark)
