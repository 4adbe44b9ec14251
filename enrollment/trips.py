"""Does the surcharge rule, as the policy states it, agree with what was really charged on rides?

Reads a file of ride-hail trips with the columns ``base_passenger_fare``, ``tolls`` and ``bcf`` (the
surcharge charged, in dollars), puts each trip through the policy's own rule and compares to the cent.
A difference is reported, never explained away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import click
from flask_babel import lazy_gettext as _l

from enrollment.contribution_rules import WorkLine, owed, rule_for
from exchange.errors import Refusal
from exchange.intake import IMPORT, Column, Problem, Problems, Row, open_for_import, read_csv
from exchange.money import BadAmount, format_dollars, parse_dollars
from exchange.policy.document import Policy
from exchange.policy.formulas import WorkerClass
from exchange.policy.reading import read_file

POLICIES = Path(__file__).parents[1] / "policies"
COLUMNS = (Column("base_passenger_fare"), Column("tolls"), Column("bcf"))


class NoSurchargeRule(Refusal):
    """The policy has no rule for such rides."""

    code = "no_surcharge_rule"


@dataclass(frozen=True, slots=True)
class Ride:
    """Which rule is meant: rides of this trade in this place, for an employer of this size, on this day."""

    place: str
    sector: str
    worker_class: WorkerClass
    on: date
    employer_size: int


@dataclass(frozen=True, slots=True)
class Trip:
    """One line of the file, in cents; ``line`` counts from 1, the heading included."""

    line: int
    fare_cents: int
    tolls_cents: int
    charged_cents: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A trip on which something else was charged than the rule says."""

    trip: Trip
    ours_cents: int

    @property
    def difference_cents(self) -> int:
        """Charged less owed: negative where too little was charged."""
        return self.trip.charged_cents - self.ours_cents


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many trips agree to the cent, and the others; ``unreadable`` are lines that are no trips."""

    rule_name: str
    trips: int
    agreeing: int
    differences: tuple[Difference, ...]
    unreadable: tuple[Problem, ...]


def compare(path: Path, policy: Policy, ride: Ride) -> Comparison:
    """Put every trip of the file through the rule. Refuses ``BadFile`` and ``NoSurchargeRule``."""
    work = WorkLine(ride.place, ride.sector, ride.worker_class, ride.on, ride.on + timedelta(days=1), jobs=1)
    rule = rule_for(policy, work, employer_size=ride.employer_size)
    if rule is None:
        sentence = _l("The policy has no rule for %(sector)s in %(place)s.", sector=ride.sector, place=ride.place)
        raise NoSurchargeRule(sentence)
    trips = 0
    differences: list[Difference] = []
    problems = Problems()
    for trip in _trips(path, problems):
        trips += 1
        line = work._replace(fee_cents=trip.fare_cents, tolls_cents=trip.tolls_cents)
        ours = owed(rule, line, earned_before_cents_in_quarter=0).cents
        if ours != trip.charged_cents:
            differences.append(Difference(trip, ours))
    return Comparison(rule.name, trips, trips - len(differences), tuple(differences), tuple(problems.kept))


def _trips(path: Path, problems: Problems) -> Iterator[Trip]:
    with open_for_import(path) as stream:
        for row in read_csv(stream, COLUMNS, problems=problems, limits=IMPORT):
            trip = _trip(row, problems)
            if trip is not None:
                yield trip


def _trip(row: Row, problems: Problems) -> Trip | None:
    try:
        fare, tolls, charged = (parse_dollars(row.cells[column.name]) for column in COLUMNS)
    except BadAmount as refusal:
        problems.add(row.line, refusal.sentence)
        return None
    return Trip(row.line, fare, tolls, charged)


# --- the command ----------------------------------------------------------------------------------


@click.command("trips")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--policy",
    "policy_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=POLICIES / "new_york_demo.yaml",
    help="The policy file whose rule is meant.",
)
@click.option("--place", default="US-NY/New York City", show_default=True, help="Where the rides were.")
@click.option("--sector", default="rides", show_default=True, help="The sector of the policy that rides belong to.")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), default="2025-06-01", help="The day whose rule is meant.")
def trips_command(path: Path, policy_path: Path, place: str, sector: str, on: datetime) -> None:
    """Compare the surcharge charged on real ride-hail trips with the policy's own rule."""
    ride = Ride(place, sector, WorkerClass.INDEPENDENT, on.date(), employer_size=1_000)
    try:
        comparison = compare(path, read_file(policy_path).on(ride.on), ride)
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    for line in report(comparison):
        click.echo(line)


def report(comparison: Comparison) -> Iterator[str]:
    """The comparison in lines of text."""
    yield str(_l("Rule: %(rule)s", rule=comparison.rule_name))
    yield str(
        _l("%(agreeing)d of %(trips)d trips agree to the cent.", agreeing=comparison.agreeing, trips=comparison.trips)
    )
    if comparison.differences:
        heads = [_l("line"), _l("fare"), _l("tolls"), _l("ours"), _l("charged"), _l("difference")]
        yield "".join(f"{head!s:>12}" for head in heads)
    for different in comparison.differences:
        trip = different.trip
        amounts = (trip.fare_cents, trip.tolls_cents, different.ours_cents, trip.charged_cents)
        cells = [str(trip.line), *map(format_dollars, (*amounts, different.difference_cents))]
        yield "".join(f"{cell:>12}" for cell in cells)
    for problem in comparison.unreadable:
        yield str(_l("Not read: %(problem)s", problem=problem))
