"""Does an account number's check character find what people get wrong?"""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.account_numbers import (
    ALPHABET,
    SERIALS,
    BadAccountNumber,
    check_character,
    from_serial,
    generate,
    parse,
)

SERIAL = st.integers(0, SERIALS - 1)


def packed(number: str) -> str:
    """The nine characters without prefix and hyphens."""
    return number.removeprefix("PB-").replace("-", "")


def is_number(text: str) -> bool:
    try:
        parse(text)
    except BadAccountNumber:
        return False
    return True


class TestCheckCharacter:
    def test_is_linear_so_that_the_proofs_below_hold_for_every_number(self) -> None:
        # The check of a difference is the difference of the checks: so an error's effect depends only
        # on its place and on the two characters, and trying each of these tries every number.
        value = {character: number for number, character in enumerate(ALPHABET)}
        draw = random.Random(7)
        for _ in range(2_000):
            one, other = (draw.choices(range(32), k=8) for _ in range(2))
            both = [a ^ b for a, b in zip(one, other, strict=True)]
            checks = [value[check_character("".join(ALPHABET[v] for v in body))] for body in (one, other, both)]

            assert checks[0] ^ checks[1] == checks[2]

    def test_finds_every_wrong_character_in_every_place(self) -> None:
        missed = []
        for right in ALPHABET:  # each character in each place, turned into each other one
            for place in range(8):
                body = "0" * place + right + "0" * (7 - place)
                number = body + check_character(body)
                missed += [
                    (number, at, wrong)
                    for at in range(9)
                    for wrong in ALPHABET
                    if wrong != number[at] and is_number(number[:at] + wrong + number[at + 1 :])
                ]

        assert missed == []

    def test_finds_every_swap_of_two_different_characters_wherever_they_stand(self) -> None:
        draw = random.Random(11)
        missed, tried = [], 0
        for a, b in combinations(ALPHABET, 2):
            for one, other in combinations(range(9), 2):
                body = draw.choices(ALPHABET, k=8)
                body[one] = a
                if other < 8:
                    body[other] = b
                number = "".join(body) + check_character("".join(body))
                swapped = list(number)
                swapped[one], swapped[other] = number[other], number[one]
                if swapped != list(number):
                    tried += 1
                    missed += [number] if is_number("".join(swapped)) else []

        assert missed == []
        assert tried > 17_000

    def test_finds_every_swap_with_the_check_character_itself(self) -> None:
        missed = []
        for a in ALPHABET:
            for b in ALPHABET:
                body = "000000" + a + b
                check = check_character(body)
                if check != b and is_number("000000" + a + check + b):
                    missed.append(body)

        assert missed == []

    @given(SERIAL, st.integers(0, 8), st.sampled_from(ALPHABET))
    def test_finds_a_wrong_character_in_any_number(self, serial: int, place: int, wrong: str) -> None:
        number = packed(from_serial(serial))

        assert is_number(number[:place] + wrong + number[place + 1 :]) == (number[place] == wrong)


class TestParse:
    @given(SERIAL)
    def test_takes_back_every_number_that_was_given_out(self, serial: int) -> None:
        number = from_serial(serial)

        assert parse(number) == number

    @pytest.mark.parametrize(
        "typed",
        [
            "PB-7K2M-9QXA-{c}",
            "pb-7k2m-9qxa-{c}",
            "7K2M9QXA{c}",
            "PB7K2M9QXA{c}",
            "  pb 7k2m 9qxa {c}\t",
            "PB\u20117K2M\u20139QXA\u2212{c}",
            "PB\u00a07K2M.9QXA_{c}",
        ],
    )
    def test_does_not_mind_case_blanks_and_hyphens(self, typed: str) -> None:
        check = check_character("7K2M9QXA")

        assert parse(typed.format(c=check)) == f"PB-7K2M-9QXA-{check}"

    def test_reads_letters_that_look_like_digits_as_the_digits(self) -> None:
        check = check_character("0101AAAA")

        assert parse(f"PB-OLoi-AAAA-{check}") == f"PB-0101-AAAA-{check}"

    def test_takes_a_number_that_begins_with_the_letters_of_the_prefix(self) -> None:
        check = check_character("PB000000")

        assert parse(f"PB000000{check}") == f"PB-PB00-0000-{check}"

    @pytest.mark.parametrize("text", ["", " - ", "PB", "PB-7K2M-9QXA", "PB-7K2M-9QXA-00", "BP-0000-0000-0", "x" * 99])
    def test_refuses_what_has_not_nine_characters(self, text: str) -> None:
        with pytest.raises(BadAccountNumber):
            parse(text)

    @pytest.mark.parametrize(
        "text", ["PB-0000-000U-0", "PB-0000-0000-*", "PB-００００-0000-0", "ſ00000000", "ı00000000"]
    )
    def test_refuses_characters_of_no_number(self, text: str) -> None:
        with pytest.raises(BadAccountNumber):
            parse(text)

    def test_says_that_the_check_character_does_not_match(self) -> None:
        with pytest.raises(BadAccountNumber, match="check character at the end does not match"):
            parse("PB-0000-0000-1")


class TestGenerate:
    def test_uses_forty_random_bits(self) -> None:
        asked = []

        def bytes_of(count: int) -> bytes:
            asked.append(count)
            return b"\xff" * count

        assert packed(generate(bytes_of))[:8] == "ZZZZZZZZ"
        assert asked == [5]

    def test_gives_numbers_of_which_none_tells_the_next(self) -> None:
        numbers = [generate() for _ in range(2_000)]

        assert len(set(numbers)) == 2_000
        assert all(parse(number) == number for number in numbers)
        assert len({number[3] for number in numbers}) == 32

    def test_gives_different_serials_different_numbers(self) -> None:
        assert len({from_serial(serial) for serial in range(100_000)}) == 100_000
