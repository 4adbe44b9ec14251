"""Is an amount read in one way or not at all, and split without losing a cent?"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from exchange.errors import Refusal
from exchange.money import BP, MAX_AMOUNT, BadAmount, divide, parse_dollars, parse_percent, parse_whole, split

DIGITS = {
    "full-width": "０１２３４５６７８９",
    "Arabic": "٠١٢٣٤٥٦٧٨٩",
    "Persian": "۰۱۲۳۴۵۶۷۸۹",
    "Devanagari": "०१२३४५६७८९",
    "Bengali": "০১২৩৪৫৬৭৮৯",
    "Thai": "๐๑๒๓๔๕๖๗๘๙",
    "Tibetan": "༠༡༢༣༤༥༦༧༨༩",
    "Khmer": "០១២៣៤៥៦៧៨៩",
    "bold": "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗",
    "raised": "⁰¹²³⁴⁵⁶⁷⁸⁹",
    "lowered": "₀₁₂₃₄₅₆₇₈₉",
    "circled": "⓪①②③④⑤⑥⑦⑧⑨",
}
AMOUNTS = ["12", "1204", "0.50", "1,204.50", "7"]
HIDDEN = [
    "\u200b",
    "\u200e",
    "\u202e",
    "\ufeff",
    "\u00ad",
    "\u2060",
    "\0",
    "\t",
    "\n",
    "\r\n",
    "\x0b",
    "\u00a0",
    "\u2009",
]
AROUND = ["{}1", "1{}", "1{}2", "1.{}5"]
WRITTEN = r"""
    1e5 1E5 1e-2 1e+2 1e999 0x10 0b1 0o7 1_000 1__0 _1 1_ 1j 1L 1f 1d 10% ½ ¼ Ⅷ 一 十 1·5 1'000 1’000
    nan NaN NAN inf Inf -inf Infinity -Infinity +Infinity None null true false undefined
    1.234 1.2.3 .5 . .. , 1. 1,2 1,23 12,34 1,2345 ,123 1,,234 1,234,5 1234,567 0.001 1.005
    $ $$1 1$ $-1 -$1 ($1) (1) €1 £1 ¥1 1USD USD1 US$1 ＄1 $1$ 1€
    =1 =1+1 @1 1;1 1|1 1&1 1' 1" <1> 1-- 1/**/ 1+1 1*1 1/2 {1} [1] %31 &#49; \x31 \u0031 ${1} {{1}}
"""
HOSTILE = [
    *WRITTEN.split(),
    *(amount.translate(str.maketrans("0123456789", digits)) for digits in DIGITS.values() for amount in AMOUNTS),
    *(pattern.format(hidden) for hidden in HIDDEN for pattern in AROUND),
    *(sign + amount for sign in "+-−–~±＋－" for amount in ("1", "0.01", "12.50")),
    *("1 2", "1 000", "1 .5", "1. 5", "one", "abc", "1a", "a1", "", " ", "  ", "1" * 20, "9" * 400, "9" * 5_000),
    *("92233720368547758.08", "100000000000000000", "18446744073709551616", "9,223,372,036,854,775,808"),
]  # fmt: skip


class TestAmount:
    def test_is_tried_with_two_hundred_strings(self) -> None:
        assert len(set(HOSTILE)) >= 200

    @pytest.mark.parametrize("text", sorted(set(HOSTILE)), ids=ascii)
    def test_in_dollars_is_refused_when_it_could_be_read_in_two_ways(self, text: str) -> None:
        with pytest.raises(BadAmount):
            parse_dollars(text)

    @pytest.mark.parametrize(("parse", "plain"), [(parse_whole, "100000000000000000"), (parse_percent, "10%")])
    def test_of_another_kind_is_refused_likewise(self, parse: Callable[[str], int], plain: str) -> None:
        taken = []
        for text in HOSTILE:
            try:
                parse(text)
            except Refusal:
                continue
            taken.append(text)

        assert set(taken) == {plain}

    @pytest.mark.parametrize(
        ("text", "cents"),
        [
            ("0", 0), ("1", 100), ("0.5", 50), ("0.05", 5), ("$1,204.50", 120_450), (" 12.50 ", 1_250), ("007", 700),
            ("92233720368547758.07", MAX_AMOUNT), ("0" * 400 + "1", 100),
        ],
    )  # fmt: skip
    def test_that_is_plain_is_read(self, text: str, cents: int) -> None:
        assert parse_dollars(text) == cents


class TestSplit:
    @pytest.mark.parametrize("splits", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
    def test_loses_and_makes_no_cent(self, splits: int) -> None:
        chance = random.Random(37)
        for _ in range(splits):
            amount = chance.choice((chance.randrange(1_000), chance.randrange(10**7), chance.randrange(MAX_AMOUNT)))
            cuts = sorted(chance.randrange(BP + 1) for _ in range(chance.randrange(6)))
            shares = [to - since for since, to in zip([0, *cuts], [*cuts, BP], strict=True)]

            parts = divide(amount, shares)

            assert sum(parts) == amount
            assert all(abs(part * BP - amount * share) < BP for part, share in zip(parts, shares, strict=True))
        print(f"{splits} splits")

    def test_gives_nobody_more_for_asking_in_ten_thousand_cents_than_at_once(self) -> None:
        """Each cent goes to the largest share: who cuts an amount up can move at most that, and makes nothing."""
        shares = {"health": 4_999, "retirement": 3_000, "leave": 2_001}

        by_cents = [split(1, shares) for _ in range(10_000)]

        assert sum(sum(one.values()) for one in by_cents) == sum(split(10_000, shares).values()) == 10_000
        assert all(one == {"health": 1, "retirement": 0, "leave": 0} for one in by_cents)
