"""What does a JSON text from outside say, when nothing in it may be read in two ways?

Python's reader takes the last of repeated keys, ``NaN``, ``1e999`` (as infinity), halves of
surrogate pairs and any depth; here each of these is refused (OWASP ASVS 5.0.0, 1.5.3 and 15.3.7).
Unknown keys are the schema's to refuse.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from flask_babel import lazy_gettext as _l

from exchange.errors import Refusal

MAX_BYTES: Final = 10_000_000
MAX_DEPTH: Final = 20
# A text never closed goes to the end: looked for anew from each mark in it, it would take the square of the time.
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_SHOWN: Final = 60


class BadJson(Refusal):
    """A text that is not JSON, or that two readers might read differently."""

    code = "bad_json"
    status = 400


def parse_json(raw: bytes, *, max_bytes: int = MAX_BYTES) -> object:
    """The value of a UTF-8 JSON text: dict, list, str, int, float, bool or None.

    Raises ``BadJson`` for anything larger than ``max_bytes``, deeper than ``MAX_DEPTH``, not UTF-8, not
    JSON, with repeated keys, numbers that are not finite, NUL characters or unpaired surrogates.
    """
    if len(raw) > max_bytes:
        raise BadJson(_l("The JSON text is larger than %(mb)s MB.", mb=max_bytes // 1_000_000))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJson(_l("The JSON text is not UTF-8.")) from error
    _refuse_deep(text)
    try:
        value: object = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        sentence = _l("This is not JSON: line %(line)s, column %(column)s.", line=error.lineno, column=error.colno)
        raise BadJson(sentence) from error
    if any(not _is_storable(found) for found in _strings(value)):
        raise BadJson(_l("A text in the JSON holds a character that cannot be kept."))
    return value


def _refuse_deep(text: str) -> None:
    # Before the reader runs: it descends by recursion.
    depth = 0
    for token in _TOKENS.finditer(text):
        first = token[0][0]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadJson(_l("The JSON text is nested deeper than %(depth)s levels.", depth=MAX_DEPTH))
        elif first in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise BadJson(_l("The key “%(key)s” is there twice.", key=ascii(key)[1:-1][:_SHOWN]))
        result[key] = value
    return result


def _constant(word: str) -> NoReturn:
    raise BadJson(_l("%(word)s is not a number in JSON.", word=word))


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise BadJson(_l("A number in the JSON is too large."))
    return number


def _integer(digits: str) -> int:
    if len(digits) > 20:  # beyond 2^63, and Python itself gives up beyond 4,300 digits
        raise BadJson(_l("A number in the JSON is too large."))
    return int(digits)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
