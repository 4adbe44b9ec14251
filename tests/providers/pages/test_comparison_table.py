"""Are tables and cards of which parts are remembered the ones that would be written anew?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask_babel import force_locale

from exchange import clock, revision
from exchange.database import db, unit_of_work
from exchange.policy import versions
from providers import catalogue, shelf
from providers.comparison import Comparison, WorkPattern, compare
from providers.models import Package
from providers.pages import cards
from providers.pages.comparison_table import compare_known
from tests.support.counting import statements
from tests.support.worker_makers import OFFERINGS, Market

PATTERN = WorkPattern(7_800, 26_000)


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


def remembered_table(market: Market, pattern: WorkPattern = PATTERN) -> Comparison:
    word = revision.moment()
    ids = [market.version_of(place).id for place in range(len(OFFERINGS))]
    policy = versions.at_moment(word)
    return compare_known(
        shelf.offers_known(ids, market=word.market), pattern=pattern, policy=policy, market=word.market
    )


class TestCompareKnown:
    @pytest.mark.parametrize("language", ["en", "es"])
    def test_says_what_a_comparison_says(self, app: Flask, market: Market, language: str) -> None:
        policy = versions.at_instant(clock.now())
        with app.test_request_context("/"), force_locale(language):
            for pattern in (PATTERN, WorkPattern(60, 1), PATTERN):
                found = remembered_table(market, pattern)

                assert found == compare(found.offers, pattern=pattern, policy=policy)
                assert (found.sections[0].title == "Set aside each month") is (language == "en")

    def test_asks_for_nothing_again_until_the_market_changes(self, app: Flask, market: Market) -> None:
        with app.test_request_context("/"):
            before = remembered_table(market)
            with statements() as told:
                assert remembered_table(market) == before
            assert len([one for one in told if "market_revision" not in one]) <= len(OFFERINGS), "only the ids"

        with unit_of_work():
            db.session.get_one(Package, before.offers[0].package_id).name = "Another name"

        with app.test_request_context("/"):
            assert remembered_table(market).offers[0].package_name == "Another name"


class TestCardsKnown:
    @pytest.mark.parametrize("language", ["en", "es"])
    def test_say_what_cards_say(self, app: Flask, market: Market, language: str) -> None:
        word = revision.moment()
        policy = versions.at_moment(word)
        offers = shelf.offers([market.version_of(place).id for place in range(len(OFFERINGS))])
        kinds = catalogue.kinds_of([offer.provider_id for offer in offers])

        with app.test_request_context("/"), force_locale(language):
            anew = cards.cards_of(offers, kinds, policy=policy)
            found = [cards.cards_known(offers, kinds, policy=policy, market=word.market) for _ in range(2)]

            assert found == [anew, anew]
            assert [part.legend for part in found[1][0].parts] == [part.legend for part in anew[0].parts]
            assert (anew[0].parts[-1].label == "Fee") is (language == "en")
