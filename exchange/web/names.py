"""Is this text a name that people can read, and only one way?

Names are kept in Unicode's composed form, without characters that hide, turn round or imitate others'
order: two names that look the same are the same.
"""

from __future__ import annotations

import re
import unicodedata

from flask_babel import lazy_gettext as _l

from exchange.errors import Refusal

MAX_NAME = 200
_MARKS_IN_A_ROW = 3
_MARKS_IN_ANY_TEXT = 30
_BLANKS = re.compile(r"[ \u00a0]+")


class BadText(Refusal):
    """Text with characters that cannot be seen, or longer than it may be."""

    code = "bad_text"


def clean_name(text: str, *, at_most: int = MAX_NAME) -> str:
    """The name in composed form (NFC), blanks at the ends and in a row removed. Refuses what cannot be seen."""
    name = _BLANKS.sub(" ", _composed(text, allowed=frozenset())).strip(" ")
    if not name:
        raise BadText(_l("Write a name."))
    _refuse_longer(name, at_most)
    return name


def clean_text(text: str, *, at_most: int = 2_000) -> str:
    """Free text of several lines (a reason, a note); line ends become newlines. Refuses what cannot be seen."""
    lines = _composed(text.replace("\r\n", "\n"), allowed=frozenset("\n\t")).strip()
    _refuse_longer(lines, at_most)
    return lines


def piles_marks(text: str) -> bool:
    """Whether more marks stand on one letter than in any language (Unicode's Stream-Safe Text Format, UAX 15).

    To be asked before a text is normalized: putting the marks in their order takes a time that grows with
    the square of their number, minutes for what fits into a form.
    """
    marks = 0
    for letter in "" if text.isascii() else text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks > _MARKS_IN_ANY_TEXT:
            return True
    return False


def _composed(text: str, *, allowed: frozenset[str]) -> str:
    if piles_marks(text):
        raise BadText(_l("This has too many accents on one letter."))
    composed = unicodedata.normalize("NFC", text)
    marks = 0
    for letter in composed:
        kind = unicodedata.category(letter)
        # Control, format (direction marks, zero widths), surrogate, private, unassigned, line and paragraph breaks.
        if kind in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} and letter not in allowed:
            raise BadText(_l("This has a character that cannot be seen. Type it again instead of copying it."))
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        if marks > _MARKS_IN_A_ROW:
            raise BadText(_l("This has too many accents on one letter."))
    return composed


def _refuse_longer(text: str, at_most: int) -> None:
    if len(text) > at_most:
        raise BadText(_l("This is too long: write at most %(count)s characters.", count=at_most))
