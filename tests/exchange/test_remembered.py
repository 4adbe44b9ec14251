"""Is what is large counted once a minute, and what is small each time?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, current_app

from exchange import remembered, revision
from tests.support.counting import statements


@pytest.fixture
def page(app: Flask) -> Iterator[None]:
    with app.test_request_context("/"):
        yield
    app.extensions["remembered"].clear()


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("engine_name", ["sqlite"])
class TestCounts:
    @pytest.mark.parametrize(("size", "asked"), [(remembered.LARGE - 1, 2), (remembered.LARGE, 1)])
    def test_are_remembered_where_they_are_large(self, size: int, asked: int) -> None:
        answers = iter([{"here": size - 5, "there": 5}, {"here": 0}])

        first = remembered.counts("of a test", lambda: next(answers))
        second = remembered.counts("of a test", lambda: next(answers))

        assert (first, len(list(answers))) == ({"here": size - 5, "there": 5}, 2 - asked)
        assert (second == first) is (asked == 1)

    def test_are_counted_again_after_a_minute(self) -> None:
        remembered.counts("of a test", lambda: {"here": remembered.LARGE})
        memory = current_app.extensions["remembered"]
        counted_at, counts = memory["of a test"]
        memory["of a test"] = (counted_at - remembered.SECONDS, counts)

        assert remembered.counts("of a test", lambda: {"here": 7}) == {"here": 7}

    def test_stand_each_under_its_own_name(self) -> None:
        remembered.counts("of a test", lambda: {"here": remembered.LARGE})

        assert remembered.counts("of another test", lambda: {"here": 7}) == {"here": 7}


@pytest.fixture
def market_page(app: Flask) -> Iterator[str]:
    with app.test_request_context("/"):
        yield revision.moment().market


class TestOfMarket:
    def test_is_read_once_while_the_market_is_the_same(self, market_page: str) -> None:
        answers = iter(["first", "second"])

        told = [remembered.of_market("of a test", market_page, lambda: next(answers)) for _ in range(2)]

        assert told == ["first", "first"]
        assert not remembered.has_moved_on()

    def test_is_read_again_for_another_market(self, market_page: str) -> None:
        remembered.of_market("of a test", market_page, lambda: "first")

        assert remembered.of_market("of a test", "another word", lambda: "second") == "second"

    def test_is_not_remembered_when_the_market_has_moved_on_meanwhile(self, market_page: str) -> None:
        """A backup may bring the old word back: what was read under another one must not be found by it."""
        assert remembered.of_market("overtaken", "a word of before", lambda: "newer") == "newer"
        assert remembered.has_moved_on()

        assert remembered.of_market("overtaken", "a word of before", lambda: "read anew") == "read anew"

    def test_asks_only_for_what_is_missing(self, market_page: str) -> None:
        asked: list[list[int]] = []

        def ask(keys: list[int]) -> dict[int, int]:
            asked.append(keys)
            return {key: -key for key in keys if key < 9}

        first = remembered.each_of_market("squares", [1, 2], market_page, ask)
        second = remembered.each_of_market("squares", [2, 3, 9], market_page, ask)

        assert (first, second) == ({1: -1, 2: -2}, {2: -2, 3: -3})
        assert asked == [[1, 2], [3, 9]]

    def test_that_only_follows_from_what_was_told_asks_nothing(self, market_page: str) -> None:
        with statements() as told:
            found = [remembered.of_market("derived", market_page, lambda: 7, reads=False) for _ in range(2)]

        assert (found, told) == ([7, 7], [])

    def test_that_follows_from_what_was_overtaken_is_not_remembered_either(self, market_page: str) -> None:
        remembered.of_market("overtaken", "a word of before", lambda: "newer")

        remembered.of_market("derived", "a word of before", lambda: "from newer", reads=False)

        assert remembered.of_market("derived", "a word of before", lambda: "anew", reads=False) == "anew"


class TestOfFacts:
    def test_is_read_anew_with_other_facts_only_and_kept_once(self, app: Flask) -> None:
        answers = iter(["first", "second", "third"])

        told = [remembered.of_facts("of a test", facts, lambda: next(answers)) for facts in (1, 1, 2, 2, 1)]

        assert told == ["first", "first", "second", "second", "third"]
