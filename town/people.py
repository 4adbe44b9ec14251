"""Who are the workers of the town, and when did each come to the exchange?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial

from enrollment import registration
from enrollment.registration import Person
from exchange.identity.actors import ANONYMOUS
from town.setting import Resident, Town
from town.work import find_jobs

# Of a hundred workers so many are there before the first month of work; most others follow within the half of the time.
FROM_THE_BEGINNING = 74
LATELY = 6


def names(town: Town) -> Iterator[str]:
    """Names that nobody else has, in the same order each time."""
    given, family = town.story["given_names"].split(), town.story["family_names"].split()
    pairs = [f"{one} {other}" for one in given for other in family]
    yield from town.random.sample(pairs, len(pairs))


def note_registrations(town: Town, fresh: Iterator[str]) -> None:
    """Note when each worker registers."""
    trades = {trade: story["of_hundred"] for trade, story in town.story["trades"].items()}
    for number in range(town.size.workers):
        name, trade, place = next(fresh), town.weighted(trades), town.weighted(town.story["places"])
        at = town.by_day(_registers_on(town, number * 100 // town.size.workers))
        town.diary.note(at, partial(_register, town, name, trade, place))


def _registers_on(town: Town, percentile: int) -> date:
    dates, chance = town.dates, town.random
    if percentile < FROM_THE_BEGINNING:
        return dates.before_work(chance.randint(1, 20))
    if percentile < 100 - LATELY:
        days = (dates.today - dates.months[0]).days // 2
        return dates.months[0] + timedelta(days=chance.randint(1, days))
    return dates.before_today(chance.randint(3, 40))


def _register(town: Town, name: str, trade: str, place: str, at: datetime) -> None:
    person = Person(name, f"{name.lower().replace(' ', '.')}@example.org", None, place)
    made = registration.register(person, policy=town.policy(at), by=ANONYMOUS, at=at)
    account = made.account
    actor = made.login.as_actor()
    town.residents[account.id] = Resident(account.id, account.number, actor, place, trade, town.day(at))
    town.jobs[account.id] = find_jobs(town, trade)
