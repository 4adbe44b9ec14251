"""Does the simulated year add up, and fill the hours in which people do things?"""

from __future__ import annotations

import pytest

from benchmarks.year import HOURS, Cost, Habits, Server, measured, simulate, told

NOTHING = Cost(0, 0, 0)
FREE = dict.fromkeys(("line", "switch", "entry", "leaf", "page", "choice"), NOTHING)
HABITS = Habits(workers=1_000)


class TestYear:
    def test_costs_what_its_pieces_cost(self) -> None:
        year = simulate({**FREE, "line": Cost(2, 3, 5)}, HABITS)

        assert year.cpu_seconds == pytest.approx(2 * 48_000)
        assert (year.disk_bytes, year.wal_bytes) == (3 * 48_000, 5 * 48_000)
        assert year.by_work["line"] == 96_000

    def test_is_fullest_in_the_last_hour_where_choosing_costs_most(self) -> None:
        year = simulate({**FREE, "choice": Cost(1, 0, 0)}, HABITS)

        assert year.worst_hour == 349 * 24 + 23
        assert year.load[year.worst_hour] == 50

    def test_needs_servers_for_its_fullest_hour(self) -> None:
        year = simulate({**FREE, "switch": Cost(3_600, 0, 0)}, HABITS)

        assert max(year.load) == 120 * 3_600 / 6
        assert year.servers(Server(cores=10, fullest=0.5)) == 4
        assert len(year.load) == HOURS

    def test_grows_with_its_workers(self) -> None:
        costs = {**FREE, "page": Cost(1, 1, 1), "leaf": Cost(1, 1, 1)}

        small, large = (simulate(costs, Habits(workers=n)) for n in (1_000, 60_000))

        assert large.cpu_seconds == pytest.approx(60 * small.cpu_seconds)
        assert any("a worker's year" in line for line in told(large, HABITS, Server()))

    def test_does_not_guess_what_was_not_measured(self) -> None:
        with pytest.raises(KeyError):
            simulate({"line": NOTHING}, HABITS)

    def test_is_computed_from_what_benchmarks_kept(self) -> None:
        year = simulate(measured("full"), Habits())

        assert set(year.by_work) == {"line", "entry", "leaf", "switch", "choice", "page"}
        assert all(seconds > 0 for seconds in year.by_work.values())
