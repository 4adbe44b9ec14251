"""Is what is large counted once a minute, and what is small each time?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, current_app

from exchange import remembered


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
