"""Can one organization borrow another's name by letters that look alike?"""

from __future__ import annotations

import pytest
from flask import Flask

from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity import organizations
from exchange.identity.organizations import ForeignLetters, NameTaken, OrganizationKind
from tests.support.signing_in import AT, BY

FOREIGN = [
    "Tidew\u0430ter Union",  # Cyrillic a
    "T\u0456dewater Union",  # Ukrainian i
    "Tidewat\u0435r Union",  # Cyrillic e
    "\u0422idewater Union",  # Cyrillic T
    "Tidewater U\u0578ion",  # Armenian vo
    "Tidewater Uni\u03bfn",  # Greek omicron
    "\u0391lpha Union",  # Greek Alpha
    "\u13a2idewater Union",  # Cherokee
    "Tidew\u0251ter Union",  # Latin alpha
    "Tidewater Uni\u043en",  # Cyrillic o
    "\u0422\u0456\u0434\u0435",  # all Cyrillic
    "工会",
    "Union \u0665",  # Arabic five
    "Union \u0be7",  # Tamil one
    "Unio\u0274",  # Latin small capital
    "\u10db Union",  # Georgian
]
ALIKE = [
    "TIDEWATER UNION",
    "Tide-water  Union",
    "Tidewater Union.",
    "T1dewater Un1on",
    "Tldewater Unlon",
    "Tidewater Uni0n",
    "T|dewater Union",
    "Tidevvater Union",
    "Tídéwàtêr Ünïöñ",
    "Ｔｉｄｅｗａｔｅｒ Union",
    "𝐓𝐢𝐝𝐞𝐰𝐚𝐭𝐞𝐫 Union",
    "𝕿idewater Union",
    "Ⓣidewater Union",
    "T\u2170dewater Union",  # a Roman numeral one
    "T\u0131dewater Union",
    "Tidewater Uni\u00f8n",
    "Ti\u0111ewater Union",
    "Tidewater Uni\u1d52n",
    "Tide\u0335water Union",
    "Tidewater™ Union",
]
OTHERS = ["Tidewater Mutual", "Unión de Cocineros", "Łódź Workers", "Straße 5", "Æthel & Søn", "Local 1177", "3M"]


def found(name: str, kind: OrganizationKind = OrganizationKind.PROVIDER) -> str:
    return in_unit_of_work(lambda: organizations.found(name, kind=kind, by=BY, at=AT)).name


@pytest.mark.parametrize("engine_name", ["sqlite"])
class TestName:
    @pytest.mark.parametrize("kind", [OrganizationKind.PROVIDER, OrganizationKind.EMPLOYER])
    def test_that_looks_like_anothers_is_refused_in_whatever_letters(self, app: Flask, kind: OrganizationKind) -> None:
        found("Tidewater Union", kind)

        for name in ALIKE:
            with pytest.raises(NameTaken):
                found(name, kind)

    def test_with_letters_of_another_script_is_refused(self, app: Flask) -> None:
        for name in FOREIGN:
            with pytest.raises(ForeignLetters):
                found(name)

    @pytest.mark.parametrize("name", ["", " ", "&", "™", "Tide\u200bwater", "\u202eretaW", "Tide\nwater", "Tide\0wa"])
    def test_that_says_nothing_or_hides_something_is_refused(self, app: Flask, name: str) -> None:
        with pytest.raises(Refusal):
            found(name)

    def test_of_its_own_is_taken_with_accents(self, app: Flask) -> None:
        found("Tidewater Union")

        assert [found(name) for name in OTHERS] == OTHERS
