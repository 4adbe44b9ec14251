"""Does who reads Spanish find the law's own names in Spanish, and does the law stay as it is written?"""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask

from exchange.policy import differences
from exchange.policy.reading import read
from tests.exchange.web import styleguide
from tests.support import spanish
from tests.support.policies import NEW_YORK, WASHINGTON, changed

POLICY = read(WASHINGTON.read_text(encoding="utf-8")).on(date(2026, 11, 2))


@pytest.fixture
def in_spanish() -> Flask:
    """Pages with the catalogue as it is kept."""
    return spanish.teach(styleguide.create_app({}))


class TestName:
    def test_is_the_laws_own_where_nobody_asks_in_another_language(self) -> None:
        assert POLICY.component("paid_leave").name == "Paid leave"

    def test_is_in_the_readers_language(self, in_spanish: Flask) -> None:
        with in_spanish.test_request_context(headers=spanish.ASKED):
            assert POLICY.component("paid_leave").name == "Licencia pagada"
            assert POLICY.reserves.tier("strong").name == "Fuerte"
            assert "Viajes por aplicación" in {sector.name for sector in POLICY.sectors}

    def test_keeps_its_per_cent_signs(self, in_spanish: Flask) -> None:
        rules = read(NEW_YORK.read_text(encoding="utf-8")).on(date(2026, 11, 2)).contributions.rules

        with in_spanish.test_request_context(headers=spanish.ASKED):
            stage = next(rule for rule in rules if rule.code == "stage")
            assert stage.name == "Teatro, cine y música, 9.25 % de los ingresos"
        assert stage.name == "Stage, film and music, 9.25 % of earnings"

    def test_that_no_catalogue_has_stays_as_it_is_written(self, in_spanish: Flask) -> None:
        text, _ = changed(WASHINGTON, "name: Paid leave", "name: Leave of 100 %")
        policy = read(text).on(date(2024, 2, 1))

        with in_spanish.test_request_context(headers=spanish.ASKED):
            assert policy.component("paid_leave").name == "Leave of 100 %"

    def test_is_compared_as_the_law_has_it(self, in_spanish: Flask) -> None:
        after = read(changed(WASHINGTON, "name: Paid leave", "name: Leave")[0]).on(date(2026, 11, 2))

        with in_spanish.test_request_context(headers=spanish.ASKED):
            found = differences.of_rules(POLICY, after)

        assert [(one.path, one.before, one.after) for one in found] == [
            ("components.paid_leave.name", "Paid leave", "Leave")
        ]
