"""Which benefit account does a number name, and was it typed correctly?

A number is ``PB-XXXX-XXXX-C``: eight random characters and a check character, all from the 32
digits and letters without I, L, O and U (Crockford's alphabet), so that nothing looks alike and no
word appears by mischief. Eight characters are 40 random bits: nobody guesses his neighbour's.

Why the check character finds what it must. Each character stands for an element of GF(32), the
field of 32 elements (polynomials over {0, 1} modulo x⁵ + x² + 1, whose root α generates all 31
non-zero elements). The nine characters fulfil

    α⁸·x₁ + α⁷·x₂ + … + α¹·x₈ + α⁰·x₉ = 0.

A single wrong character changes the sum by αᵏ·(a − b), which is not zero, because a field has no
divisors of zero. Swapping two different characters changes it by (αʲ − αᵏ)·(a − b), not zero
either, because the nine weights differ; so *every* swap is found, of neighbours or not. And the
check character is one of the same 32: no X or * as in ISO 7064. (A sum modulo 37, the other sound
way, needs five characters more.)
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from flask_babel import lazy_gettext as _l

from exchange.errors import Refusal

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PREFIX: Final = "PB"
BODY: Final = 8
SERIALS: Final = 32**BODY  # 2^40

_FIELD: Final = 0b100101  # x⁵ + x² + 1
_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}
# What people write instead of a hyphen, or between groups.
_BETWEEN: Final = re.compile("[ \t\u00a0\u2007\u2009\u202f\u2010-\u2015\u2212._-]+")
_ALIKE: Final = str.maketrans("OIL", "011")


class BadAccountNumber(Refusal):
    """Text that is no benefit account number. Whether an account has the number is another question."""

    code = "bad_account_number"


def generate(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A new number, formatted. That no account has it yet is the unique constraint's to say: then ask again."""
    return from_serial(int.from_bytes(random_bytes(5), "big"))


def from_serial(serial: int) -> str:
    """The number of a serial in [0, 2^40): different for different serials. For made-up workers; else ``generate``."""
    assert 0 <= serial < SERIALS, "a serial has 40 bits"
    body = "".join(ALPHABET[serial >> shift & 31] for shift in range(5 * (BODY - 1), -1, -5))
    return _formatted(body + check_character(body))


def check_character(body: str) -> str:
    """The ninth character, for eight characters of the alphabet."""
    total = 0
    for character in body:  # Horner's scheme: α⁸·x₁ + … + α·x₈
        total = _times_alpha(total ^ _VALUE[character])
    return ALPHABET[total]


def parse(text: str) -> str:
    """The number in its one written form, whatever the case, blanks, hyphens, and with or without ``PB``.

    The letter O is read as 0, I and L as 1. Raises ``BadAccountNumber``, saying what is wrong.
    """
    packed = _BETWEEN.sub("", text)
    if not packed:
        raise BadAccountNumber(_l("Enter the account number, for example %(example)s.", example=from_serial(0)))
    if not packed.isascii():  # before upper(), which turns some letters of other alphabets into ASCII
        raise BadAccountNumber(_l("An account number has only the digits 0 to 9 and the letters A to Z."))
    packed = packed.upper()
    if len(packed) == len(PREFIX) + BODY + 1 and packed.startswith(PREFIX):
        packed = packed.removeprefix(PREFIX)
    if len(packed) != BODY + 1:
        raise BadAccountNumber(
            _l("An account number has PB and then nine characters, for example %(example)s.", example=from_serial(0))
        )
    packed = packed.translate(_ALIKE)
    if not set(packed) <= _VALUE.keys():
        raise BadAccountNumber(_l("An account number has only digits and letters, and never the letter U."))
    if check_character(packed[:BODY]) != packed[BODY]:
        raise BadAccountNumber(
            _l(
                "The check character at the end does not match: a character is wrong, or two are swapped. "
                "Compare the number with the card."
            )
        )
    return _formatted(packed)


def _times_alpha(element: int) -> int:
    doubled = element << 1
    return doubled ^ _FIELD if doubled & 32 else doubled


def _formatted(packed: str) -> str:
    return f"{PREFIX}-{packed[:4]}-{packed[4:8]}-{packed[8]}"
