"""Are real surcharges compared with the rule as it stands, and every difference reported?"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from enrollment.trips import Comparison, NoSurchargeRule, Ride, compare, trips_command
from exchange.intake import BadFile
from exchange.policy.formulas import WorkerClass
from exchange.policy.reading import read_file
from tests.support.policies import NEW_YORK
from tests.support.real_data import real_files

DAY = date(2025, 6, 1)
RIDE = Ride("US-NY/New York City", "rides", WorkerClass.INDEPENDENT, DAY, employer_size=1_000)


def compared(path: Path, ride: Ride = RIDE) -> Comparison:
    """The file against the rule of New York."""
    return compare(path, read_file(NEW_YORK).on(ride.on), ride)


@pytest.fixture
def trips(tmp_path: Path) -> Path:
    """Two trips that agree, one that does not, one refunded: an amount below zero is no fare."""
    path = tmp_path / "trips.csv"
    rows = [
        "fare_id,base_passenger_fare,tolls,bcf",
        "1,7.14,0,0.18",
        "2,20.20,3.47,0.59",
        "3,51.09,23,1.27",
        "4,-3.00,0,0",
    ]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


class TestCompare:
    def test_agrees_to_the_cent_and_reports_each_difference(self, trips: Path) -> None:
        comparison = compared(trips)

        assert (comparison.trips, comparison.agreeing) == (3, 2)
        [different] = comparison.differences
        assert (different.trip.line, different.trip.fare_cents, different.trip.tolls_cents) == (4, 5_109, 2_300)
        assert (different.ours_cents, different.trip.charged_cents, different.difference_cents) == (185, 127, -58)

    def test_reports_lines_that_are_no_trips(self, trips: Path) -> None:
        trips.write_text(trips.read_text(encoding="utf-8") + "\n5,1e3,0,0\n6,1,0", encoding="utf-8")

        assert [problem.line for problem in compared(trips).unreadable] == [5, 6, 7]

    def test_refuses_a_file_without_the_surcharge(self, trips: Path) -> None:
        trips.write_text("base_passenger_fare,tolls\n1,0", encoding="utf-8")

        with pytest.raises(BadFile, match="bcf"):
            compared(trips)

    def test_refuses_a_place_in_which_no_rule_holds(self, trips: Path) -> None:
        elsewhere = Ride("US-NJ", "rides", WorkerClass.INDEPENDENT, DAY, employer_size=1_000)

        with pytest.raises(NoSurchargeRule, match="US-NJ"):
            compared(trips, elsewhere)


class TestRealTrips:
    def test_agree_with_the_rule_in_half_of_the_rows_and_the_rest_is_reported(self) -> None:
        [path] = real_files("nyc_tlc_hvfhv", "source_trip_data.csv")

        comparison = compared(Path(path))

        assert (comparison.trips, comparison.agreeing, len(comparison.differences)) == (100, 50, 50)
        assert comparison.unreadable == ()
        for different in comparison.differences:
            exact = 25 * (different.trip.fare_cents + different.trip.tolls_cents)  # thousandths of a cent
            assert abs(different.ours_cents * 1_000 - exact) <= 500, "ours is the rule, however far off the charge"


class TestTripsCommand:
    def test_prints_how_many_agree_and_each_difference(self, trips: Path) -> None:
        result = CliRunner().invoke(trips_command, [str(trips)])

        assert result.exit_code == 0
        assert "2 of 3 trips agree to the cent." in result.output
        assert result.output.splitlines()[3].split() == ["4", "$51.09", "$23.00", "$1.85", "$1.27", "−$0.58"]
        assert "Not read: line 5" in result.output

    def test_prints_no_table_where_all_agree(self, trips: Path) -> None:
        trips.write_text("base_passenger_fare,tolls,bcf\n7.14,0,0.18", encoding="utf-8")

        lines = CliRunner().invoke(trips_command, [str(trips)]).output.splitlines()

        assert lines[1:] == ["1 of 1 trips agree to the cent."]

    def test_says_why_it_cannot_compare(self, trips: Path) -> None:
        result = CliRunner().invoke(trips_command, [str(trips), "--sector", "dancing"])

        assert result.exit_code == 1
        assert "no rule for dancing" in result.output
