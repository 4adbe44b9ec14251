"""How are cents and minutes read, split and written, without losing any?

Amounts are ``int``: US cents or leave minutes. There is no float here, and none gets in: text from
outside is read with an ASCII regular expression, because ``Decimal`` and ``int`` accept far more
than people mean (full-width digits, underscores, exponents, NaN).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from flask_babel import lazy_gettext as _l

from exchange.errors import Refusal

MAX_AMOUNT = 2**63 - 1
BP = 10_000  # basis points in the whole

_DOLLARS = re.compile(r"\$?(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.(?P<cents>[0-9]{2}|[0-9]))?", re.ASCII)
_WHOLE = re.compile(r"[0-9]+", re.ASCII)
_MOST_DIGITS = 19  # of 2^63; Python itself refuses to read some thousands
_PERCENT = re.compile(r"(?P<whole>[0-9]{1,3})(?:\.(?P<hundredths>[0-9]{1,2}))? ?%?", re.ASCII)
K = TypeVar("K")


class Unit(StrEnum):
    """What a balance is counted in."""

    USD = "USD"  # US cents
    MIN = "MIN"  # minutes of leave


class BadAmount(Refusal):
    """Text that is not an amount of money or of minutes."""

    code = "bad_amount"


def parse_dollars(text: str) -> int:
    """``"$1,204.50"`` → 120450 cents. Refuses anything but plain ASCII digits with at most two decimals."""
    match = _DOLLARS.fullmatch(text.strip(" "))
    if match is None:
        raise BadAmount(_l("Write an amount like 1204.50: digits, and at most two after the point."))
    whole = match["whole"].replace(",", "").lstrip("0") or "0"
    cents = int(whole[: _MOST_DIGITS + 1]) * 100 + int((match["cents"] or "0").ljust(2, "0"))
    if cents > MAX_AMOUNT:
        raise BadAmount(_l("This amount is too large."))
    return cents


def parse_whole(text: str, *, at_most: int = MAX_AMOUNT) -> int:
    """``"90"`` → 90. Refuses signs, points, exponents, underscores and other alphabets' digits."""
    if _WHOLE.fullmatch(text.strip(" ")) is None:
        raise BadAmount(_l("Write a whole number, with digits only."))
    number = int(text.strip(" ").lstrip("0")[: _MOST_DIGITS + 1] or "0")
    if number > at_most:
        raise BadAmount(_l("This number is too large."))
    return number


def parse_percent(text: str) -> int:
    """``"12.5"`` or ``"12.5 %"`` → 1250 basis points. At most the whole, at most two decimals."""
    match = _PERCENT.fullmatch(text.strip(" "))
    if match is None:
        raise BadAmount(_l("Write a share like 12.5: digits, and at most two after the point."))
    share_bp = int(match["whole"]) * 100 + int((match["hundredths"] or "0").ljust(2, "0"))
    if share_bp > BP:
        raise BadAmount(_l("No share is more than 100."))
    return share_bp


def split(amount: int, shares_bp: Mapping[K, int]) -> dict[K, int]:
    """Split ``amount`` by shares in basis points that sum to 10,000; the parts sum to ``amount``.

    Each part is the share rounded down; the cents that are left over go, one each, to the parts with
    the largest remainders (ties: the larger share, then the order given).
    """
    return dict(zip(shares_bp, divide(amount, tuple(shares_bp.values())), strict=True))


def divide(amount: int, shares_bp: Sequence[int]) -> list[int]:
    """The same by place: the part of each share."""
    assert amount >= 0 and sum(shares_bp) == BP, "shares sum to the whole"
    parts = [amount * share // BP for share in shares_bp]
    left = amount - sum(parts)
    if left:
        # Remainder, share and place in one number, so that ranking compares numbers; the place is in its last digit.
        base = len(shares_bp)
        ranks = [((amount * share % BP) * (BP + 1) + share) * base - place for place, share in enumerate(shares_bp)]
        for rank in sorted(ranks, reverse=True)[:left]:
            parts[-rank % base] += 1
    return parts


def share_down(amount: int, numerator: int, denominator: int) -> int:
    """``amount × numerator / denominator``, rounded down to the whole cent or minute."""
    return amount * numerator // denominator


def share_half_up(amount: int, numerator: int, denominator: int) -> int:
    """``amount × numerator / denominator``, rounded to the nearest, halves up (amounts are not negative)."""
    return (2 * amount * numerator + denominator) // (2 * denominator)


def format_dollars(cents: int) -> str:
    """120450 → ``$1,204.50``; negative amounts carry a minus sign before the dollar."""
    sign = "−" if cents < 0 else ""
    return f"{sign}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def format_minutes(minutes: int) -> str:
    """135 → ``2 h 15 min``."""
    sign = "−" if minutes < 0 else ""
    hours, rest = divmod(abs(minutes), 60)
    if hours and rest:
        return f"{sign}{hours:,} h {rest} min"
    return f"{sign}{hours:,} h" if hours else f"{sign}{rest} min"


def format_amount(amount: int, unit: Unit) -> str:
    """The amount in words of its unit."""
    return format_dollars(amount) if unit is Unit.USD else format_minutes(amount)


def format_percent(share_bp: int) -> str:
    """Basis points as per cent, without trailing zeros: 1250 → ``12.5%``; 9999 → ``99.99%``."""
    sign = "−" if share_bp < 0 else ""
    before, after = divmod(abs(share_bp), BP // 100)
    return f"{sign}{before:,}.{after:02d}".rstrip("0").rstrip(".") + "%"


def total(amounts: Sequence[int]) -> int:
    """Their sum, refused when it would not fit the ledger."""
    result = sum(amounts)
    if result > MAX_AMOUNT:
        raise BadAmount(_l("These amounts are too large together."))
    return result
