"""Is a name kept so that it can be read in one way only?"""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.web.names import MAX_NAME, BadText, clean_name, clean_text

HIDDEN = [
    0x00,
    0x07,
    0x09,
    0x0A,
    0x0D,
    0x1B,
    0x7F,
    0x85,
    0xAD,
    0x200B,
    0x200C,
    0x200D,
    0x200E,
    0x200F,
    0x2028,
    0x2029,
    0x202A,
    0x202E,
    0x2060,
    0x2066,
    0x2069,
    0xFEFF,
    0xE000,
    0xFFFE,
    0xE0041,
]


class TestCleanName:
    @pytest.mark.parametrize("code", HIDDEN, ids=hex)
    def test_refuses_a_character_that_cannot_be_seen(self, code: int) -> None:
        with pytest.raises(BadText):
            clean_name(f"Ro{chr(code)}sa")

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("  Rosa   Delgado ", "Rosa Delgado"),
            ("Rosa\u00a0Delgado", "Rosa Delgado"),
            ("Jose\u0301", "José"),
            ("O'Brien-Ngũgĩ", "O'Brien-Ngũgĩ"),
            ("李小龍", "李小龍"),
        ],
    )
    def test_composes_and_trims(self, text: str, name: str) -> None:
        assert clean_name(text) == name

    @pytest.mark.parametrize("text", ["", "   ", "\u00a0"])
    def test_refuses_nothing_at_all(self, text: str) -> None:
        with pytest.raises(BadText, match="Write a name"):
            clean_name(text)

    def test_takes_the_longest_and_refuses_one_more(self) -> None:
        assert clean_name("a" * MAX_NAME) == "a" * MAX_NAME
        with pytest.raises(BadText, match="at most 200"):
            clean_name("a" * (MAX_NAME + 1))

    def test_refuses_a_tower_of_accents(self) -> None:
        with pytest.raises(BadText, match="accents"):
            clean_name("e" + "\u0301" * 20)

    def test_refuses_a_mountain_of_marks_at_once(self) -> None:
        """To put them in order would take minutes."""
        began = time.process_time()

        with pytest.raises(BadText, match="accents"):
            clean_name("e" + "\u0315" * 100_000 + "\u0316" * 100_000)

        assert time.process_time() - began < 5

    @given(st.text(max_size=60))
    def test_cleaned_twice_is_the_same_and_composed(self, text: str) -> None:
        try:
            name = clean_name(text)
        except BadText:
            return

        assert clean_name(name) == name
        assert unicodedata.is_normalized("NFC", name)


class TestCleanText:
    def test_keeps_lines(self) -> None:
        assert clean_text("one\r\ntwo\n") == "one\ntwo"

    def test_refuses_what_turns_the_line_round(self) -> None:
        with pytest.raises(BadText):
            clean_text("pay \u202e05.1$")
