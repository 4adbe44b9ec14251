"""What do all scenes of the town share: its calendar, its people, its diary?"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias, TypeVar

import yaml

from exchange.clock import local_date
from exchange.identity.actors import Actor
from exchange.policy.document import Policy
from exchange.policy.versions import Timeline
from town.dates import Dates

FOLDER: Final = Path(__file__).parent
Deed: TypeAlias = Callable[[datetime], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a town: workers, employers, whole months of work before today."""

    workers: int = 400
    employers: int = 40
    months: int = 9


@dataclass(frozen=True, slots=True)
class Resident:
    """A worker of the town."""

    account_id: int
    number: str
    actor: Actor
    place: str
    trade: str
    registered_on: date


@dataclass(frozen=True, slots=True)
class Offerer:
    """A provider of the town, whoever acts for it, and how the story describes it."""

    id: int
    name: str
    actor: Actor
    story: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Payer:
    """An employer of the town and whoever acts for it."""

    id: int
    name: str
    kind: str
    sector: str
    actor: Actor


class Diary:
    """What is going to happen, in the order of its instants. What lies after today has not happened."""

    def __init__(self, until: datetime) -> None:
        self._until = until
        self._numbers = itertools.count()
        self._deeds: list[tuple[datetime, int, Deed, bool]] = []

    def note(self, at: datetime, deed: Deed, *, alone: bool = False) -> None:
        """Note a deed. One that is ``alone`` makes its own units of work."""
        if at < self._until:
            heapq.heappush(self._deeds, (at, next(self._numbers), deed, alone))

    def before(self, instant: datetime) -> Iterator[tuple[datetime, Deed, bool]]:
        """What happens before an instant, also what is noted meanwhile."""
        while self._deeds and self._deeds[0][0] < instant:
            at, _, deed, alone = heapq.heappop(self._deeds)
            yield at, deed, alone


@dataclass(slots=True)
class Town:
    """The town while it is built."""

    dates: Dates
    now: datetime
    size: Size
    random: Random
    story: dict[str, Any]
    diary: Diary
    operator: Actor
    regulators: Sequence[Actor]
    law: Timeline
    providers: dict[int, Offerer] = field(default_factory=dict)
    employers: dict[int, Payer] = field(default_factory=dict)
    residents: dict[int, Resident] = field(default_factory=dict)
    jobs: dict[int, list[Payer]] = field(default_factory=dict)

    def policy(self, at: datetime) -> Policy:
        """The law that holds at an instant."""
        return self.law.on(self.day(at))[1]

    def day(self, at: datetime) -> date:
        """The local date of an instant."""
        return local_date(at, self.dates.zone)

    def by_day(self, on: date, first_hour: int = 8, last_hour: int = 20) -> datetime:
        """Some instant of a day, when people are up."""
        return self.dates.instant(on, self.random.randrange(first_hour, last_hour), self.random.randrange(60))

    def days_later(self, at: datetime, at_least: int, at_most: int) -> datetime:
        """Some instant between so many days later."""
        return self.by_day(self.day(at) + timedelta(days=self.random.randint(at_least, at_most)))

    def happens(self, of_hundred: float) -> bool:
        """Chance decides."""
        return self.random.random() * 100 < of_hundred

    def weighted(self, weights: dict[T, int]) -> T:
        """One of them by chance, the heavier the more often."""
        return self.random.choices(list(weights), weights=list(weights.values()))[0]


def read_story() -> dict[str, Any]:
    """What stands in ``town.yaml``."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / "town.yaml").read_text(encoding="utf-8"))
    return found
