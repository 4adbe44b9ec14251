"""How does a job tell what it did, or how far it is, to readers of any language?

It says so with ``said`` and ``number_of``, as the rest of the program does with ``gettext`` and ``ngettext``. Messages
and their figures are what is kept of it; they become words when somebody reads them, in his language.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

from flask import Flask, current_app
from flask_babel import force_locale, get_translations
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from exchange.database import in_unit_of_work
from exchange.strict_json import BadJson, parse_json

Figure: TypeAlias = int | str
_PLACE: Final = re.compile(r"%\((\w+)\)s")
_EVERY_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the catalogue, and what stands in it. Where there are ``many``, the figure ``num`` decides."""

    one: str
    many: str | None
    figures: Mapping[str, Figure]

    def __str__(self) -> str:
        catalogue: Any = get_translations()
        if self.many is None:
            text: str = catalogue.ugettext(self.one)
        else:
            text = catalogue.ungettext(self.one, self.many, self.figures["num"])
        # Not by Python's own ``%``: in a row that somebody has tampered with it could ask for gigabytes of blanks.
        return _PLACE.sub(lambda place: _written(self.figures.get(place[1], place[0])), text)


@dataclass(frozen=True, slots=True)
class Telling:
    """What a job tells: messages, said one after another. ``str`` of it are the words, in the language of the moment.

    Not a ``Phrase``, whose template is a constant of a module: this one outlives the release that wrote it.
    """

    messages: tuple[Message, ...]

    def __add__(self, other: Telling) -> Telling:
        return Telling(self.messages + other.messages)

    def __str__(self) -> str:
        return ", ".join(map(str, self.messages))

    def in_english(self) -> str:
        """For logs, which have one language whoever has asked for the run."""
        with force_locale("en"):
            return str(self)


def said(text: str, /, **figures: Figure) -> Telling:
    """``said("bundle %(bundle)s removed", bundle=key)``. ``text`` is a literal: ``make words`` looks for it."""
    return Telling((Message(text, None, figures),))


def number_of(one: str, many: str, num: int, /, **figures: Figure) -> Telling:
    """``number_of("%(num)s letter sent", "%(num)s letters sent", sent)``; two tellings are joined by ``+``."""
    return Telling((Message(one, many, {"num": num, **figures}),))


class Kept(TypeDecorator[Telling | str]):
    """A telling as JSON. What is none, such as a sentence of a release that kept those, is read as it stands."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Telling | str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Telling → column."""
        if value is None:
            return None
        assert isinstance(value, Telling), f"the words are made by who reads it: {value}"
        return json.dumps([asdict(message) for message in value.messages], ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Telling | str | None:  # noqa: ARG002
        """Column → telling, or the text that stands there."""
        return None if value is None else _read(value)


def _read(kept: str) -> Telling | str:
    try:
        rows = parse_json(kept.encode())
    except BadJson:
        return kept
    messages = [_message(row) for row in rows] if isinstance(rows, list) else []
    known = tuple(message for message in messages if message is not None)
    return Telling(known) if known and len(known) == len(messages) else kept


def _message(row: object) -> Message | None:
    # The empty text is left out: under it a catalogue has its own heading.
    match row:
        case {"one": str(one), "many": str() | None as many, "figures": dict(figures), **rest} if one and not rest:
            are_figures = all(type(figure) in {int, str} for figure in figures.values())
            is_counted = many is None or type(figures.get("num")) is int
            return Message(one, many, figures) if are_figures and is_counted else None
    return None


def _written(figure: Figure) -> str:
    return f"{figure:,}" if isinstance(figure, int) else figure


def beside_a_read(hold: Callable[[Telling], None], words: Callable[[int], Telling]) -> Callable[[int], None]:
    """``tell(done)`` holds the run and notes ``words(done)``, every other second at most.

    For a job that reads one state of the database for minutes. What is being read stays one transaction: it is noted
    in an application context, and so a session, of its own.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - a context of its own
    told_at = 0.0

    def tell(done: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _EVERY_SECONDS:
            with app.app_context():
                in_unit_of_work(lambda: hold(words(done)))
            told_at = time.monotonic()

    return tell
