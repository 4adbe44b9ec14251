"""Is what takes long seen to go on?"""

from __future__ import annotations

import io

import pytest

from exchange.progress import Progress


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


class Watch:
    """A watch that is set by hand."""

    def __init__(self) -> None:
        self.shows = 0.0

    def __call__(self) -> float:
        return self.shows


class TestProgress:
    def test_says_nothing_of_what_is_soon_over(self) -> None:
        stream, watch = io.StringIO(), Watch()

        with Progress("rows", stream=stream, seconds=watch) as tell:
            watch.shows = 0.9
            tell(10)

        assert stream.getvalue() == ""

    def test_says_a_plain_line_now_and_then_and_at_the_end(self) -> None:
        stream, watch = io.StringIO(), Watch()

        with Progress("rows", total=1_000, stream=stream, seconds=watch) as tell:
            for second in range(1, 9):
                watch.shows = float(second)
                tell(second * 100)

        assert stream.getvalue().splitlines() == [
            "100 of 1,000 rows (10%), 100 a second",
            "600 of 1,000 rows (60%), 100 a second",
            "800 of 1,000 rows (80%), 100 a second",
        ]

    def test_rewrites_one_line_on_a_terminal(self) -> None:
        stream, watch = Screen(), Watch()

        with Progress("rows", stream=stream, seconds=watch) as tell:
            watch.shows = 2.0
            tell(5_000)

        assert stream.getvalue().count("\r") == 2
        assert stream.getvalue().count("\n") == 1
        assert "5,000 rows, 2,500 a second" in stream.getvalue()

    def test_lets_errors_through(self) -> None:
        with pytest.raises(ZeroDivisionError), Progress("rows"):
            raise ZeroDivisionError
