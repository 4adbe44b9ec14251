"""Are figures written so that everybody reads the same?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from flask import Flask

from exchange.web import filters


@pytest.fixture(autouse=True)
def request_in_english(app: Flask) -> Iterator[None]:
    """Filters ask which language the page is in."""
    with app.test_request_context("/"):
        yield


class TestFigures:
    @pytest.mark.parametrize(
        ("share_bp", "text"),
        [
            (0, "0%"),
            (1, "0.01%"),
            (10, "0.1%"),
            (250, "2.5%"),
            (10_000, "100%"),
            (123_456_789, "1,234,567.89%"),
            (-50, "−0.5%"),
            (None, "–"),
        ],
    )
    def test_percent_is_exact_and_without_trailing_zeros(self, share_bp: int | None, text: str) -> None:
        assert filters.percent(share_bp) == text

    @pytest.mark.parametrize(
        ("value", "unit", "text"), [(120_450, "USD", "$1,204.50"), (135, "MIN", "2 h 15 min"), (None, "USD", "–")]
    )
    def test_amount_is_written_by_its_unit(self, value: int | None, unit: str, text: str) -> None:
        assert filters.amount(value, unit) == text

    def test_nothing_is_a_dash(self) -> None:
        assert {
            filters.money(None),
            filters.minutes(None),
            filters.whole(None),
            filters.day(None),
            filters.short_day(None),
            filters.moment(None),
        } == {"–"}

    @pytest.mark.parametrize(
        ("text", "shown"), [("PB12345678", "••••5678"), ("1234", "••••"), ("12", "••••"), ("", "–"), (None, "–")]
    )
    def test_masked_shows_the_end_of_what_is_long_enough(self, text: str | None, shown: str) -> None:
        assert filters.masked(text) == shown


class TestTime:
    def test_moment_is_in_the_programs_zone_and_names_it(self) -> None:
        text = filters.moment(datetime(2026, 12, 1, 7, 59, tzinfo=UTC)).replace("\u202f", " ")

        assert text == "November 30, 2026, 11:59 PM PST"

    def test_moment_in_summer_has_summers_name(self) -> None:
        assert filters.moment(datetime(2026, 7, 1, 12, 0, tzinfo=UTC)).endswith("PDT")

    def test_moment_in_another_zone_says_so(self) -> None:
        assert filters.moment(datetime(2026, 7, 1, 12, 0, tzinfo=UTC), "America/New_York").endswith("EDT")

    @pytest.mark.parametrize(
        ("end", "last"),
        [
            (date(2026, 12, 1), date(2026, 11, 30)),
            (datetime(2026, 12, 1, 8, 0, tzinfo=UTC), date(2026, 11, 30)),  # midnight in Los Angeles
            (datetime(2026, 12, 1, 8, 0, 0, 1, tzinfo=UTC), date(2026, 12, 1)),
        ],
    )
    def test_last_day_is_the_one_before_an_excluded_end(self, end: date, last: date) -> None:
        assert filters.last_day(end) == last

    def test_days_follow_the_readers_language(self, app: Flask) -> None:
        with app.test_request_context("/", headers={"Accept-Language": "es"}):
            assert filters.day(date(2026, 11, 30)) == "30 de noviembre de 2026"
