"""Who works for whom in the town, and how is it reported and paid?

Each month every employer reports what was done for it in the month before, by the way that suits its
kind, and pays through the local bank a few days later; one is always late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import select

from enrollment import contributions, employers
from enrollment.models import Employer, Remittance
from enrollment.report_lines import ReportLine
from exchange.calendar import first_of_next_month
from exchange.database import db, unit_of_work
from exchange.identity.actors import Audience, system_actor
from exchange.payments import gateway, local_gateway, payments
from exchange.payments.payments import Payment
from exchange.policy.formulas import WorkerClass
from town.offices import FOUNDER, staff
from town.setting import Payer, Resident, Town

ALWAYS_LATE: Final = "Mop and Meadow"
# Of the last month: who has reported and not paid yet, and who has not reported.
NOT_PAID_YET: Final = frozenset({"Basketrun", "Larch Home Care", "Pixel Ferry Studio"})
NOT_REPORTED_YET: Final = frozenset({"Ballast Builders"})
SOURCES: Final = {"platform": "api", "firm": "csv", "public": "csv", "household": "form"}
# Firms of these trades employ some of their people.
EMPLOYING: Final = frozenset({"livery", "cleaning", "care", "construction"})
_A_DAY: Final = timedelta(days=1)


def register_employers(town: Town, names: Iterator[str]) -> None:
    """Register the employers; households are called after the person who keeps them."""
    at = town.dates.instant(town.dates.before_work(30), 9)
    stories = [dict(one) for one in town.story["employers"]]
    for _ in range(town.story["households"]):
        name = next(names)
        stories.append({"name": f"Household {name}", "kind": "household", "sector": "household", "staff": name})
    # A smaller town has fewer of each kind.
    for number in range(town.size.employers):
        story = stories[number * len(stories) // town.size.employers]
        employer = employers.register(story["name"], kind=story["kind"], sector=story["sector"], by=FOUNDER, at=at)
        person = story.get("staff") or next(names)
        actor = staff([person], organization_id=employer.organization_id, audience=Audience.EMPLOYER, at=at)[0]
        payer = Payer(employer.organization_id, story["name"], story["kind"], story["sector"], actor)
        town.employers[payer.id] = payer


def find_jobs(town: Town, trade: str) -> list[Payer]:
    """For whom somebody of a trade works: mostly several; a household has room for one."""
    story = town.story["trades"][trade]
    found: list[Payer] = []
    for sector, most in story["sectors"].items():
        if not town.happens(story.get("chance", {}).get(sector, 100)):
            continue
        taken = {payer.id for jobs in town.jobs.values() for payer in jobs if payer.kind == "household"}
        open_ = [payer for payer in town.employers.values() if payer.sector == sector and payer.id not in taken]
        found += town.random.sample(open_, min(most, len(open_)))
    return found or [town.random.choice([one for one in town.employers.values() if one.kind != "household"])]


# --- reporting and paying -------------------------------------------------------------------------


def note_reports(town: Town) -> None:
    """Note each employer's report of each month. Households come one after the other."""
    starts = {
        payer.id: town.random.choice(town.dates.months) if payer.kind == "household" else town.dates.months[0]
        for payer in town.employers.values()
    }
    for month in town.dates.months:
        for payer in town.employers.values():
            is_last = month == town.dates.months[-1]
            if month < starts[payer.id] or (is_last and payer.name in NOT_REPORTED_YET):
                continue
            at = town.by_day(first_of_next_month(month) + timedelta(days=town.random.randint(1, 9)))
            town.diary.note(at, partial(_report, town, payer, month, is_paid=not is_last or _pays_in_time(payer)))


def _pays_in_time(payer: Payer) -> bool:
    return payer.name not in NOT_PAID_YET


def _report(town: Town, payer: Payer, month: date, at: datetime, *, is_paid: bool) -> None:
    lines = [
        line
        for resident in town.residents.values()
        if payer in town.jobs[resident.account_id]
        for line in _lines(town, payer, resident, month)
    ]
    if not lines:
        return
    remittance = contributions.submit(
        [replace(line, line=number) for number, line in enumerate(lines, start=1)],
        employer=db.session.get_one(Employer, payer.id),
        source=SOURCES[payer.kind],
        by=payer.actor,
        at=at,
    )
    if is_paid and remittance.total_cents:
        days = (10, 14) if payer.name == ALWAYS_LATE else (0, 3)
        pay_at = max(town.days_later(at, *days), at + timedelta(hours=1))
        town.diary.note(pay_at, partial(_pay, payer, remittance.id), alone=True)


def _pay(payer: Payer, remittance_id: int, at: datetime) -> None:
    """As the pages do it: start, go to the bank, pay there; the bank tells the exchange."""
    with unit_of_work():
        remittance = db.session.get_one(Remittance, remittance_id)
        payment_id = contributions.start_payment(remittance, by=payer.actor, at=at)
    payments.checkout(payment_id, return_url="/")
    with unit_of_work():
        charge = db.session.execute(select(Payment.gateway_reference).where(Payment.id == payment_id)).scalar_one()
        assert charge is not None, "the bank has named its charge"
        local_gateway.decide(charge, pay=True, at=at)
        payments.record(gateway.present().status(charge), by=system_actor("gateway:local"), at=at)


# --- what was done --------------------------------------------------------------------------------


def _lines(town: Town, payer: Payer, resident: Resident, month: date) -> Iterator[ReportLine]:
    """What one worker did for one employer in a month, as its rule asks for it."""
    first_day = max(month, resident.registered_on + _A_DAY)
    last_day = first_of_next_month(month) - _A_DAY
    if last_day - first_day < timedelta(days=4) or not town.happens(88):
        return
    share = (last_day - first_day).days / 30 / len(town.jobs[resident.account_id])
    minutes = max(60, round(town.random.gauss(8_400, 1_800) * share))
    worker_class = WorkerClass.INDEPENDENT
    if payer.kind in {"firm", "public"} and payer.sector in EMPLOYING and resident.account_id % 3 == 0:
        worker_class = WorkerClass.EMPLOYEE
    yield ReportLine(
        1,
        resident.number,
        first_day,
        last_day,
        _workplace(town, resident),
        worker_class=worker_class,
        minutes=minutes,
        extra_cents=2_500 if payer.kind == "household" and town.happens(20) else 0,
        **FIGURES[payer.sector](town, minutes),
    )


def _workplace(town: Town, resident: Resident) -> str:
    return resident.place if town.happens(60) else town.weighted(town.story["places"])


def _rides(town: Town, minutes: int) -> dict[str, Any]:
    jobs = max(1, minutes // 24)
    fee = jobs * town.random.randint(1_300, 2_200)
    return {"jobs": jobs, "fee_cents": fee, "tolls_cents": jobs * town.random.randint(0, 90)} | _earned(fee, 72)


def _deliveries(town: Town, minutes: int) -> dict[str, Any]:
    jobs = max(1, minutes // 21)
    fee = jobs * town.random.randint(550, 1_050)
    return {"jobs": jobs, "fee_cents": fee} | _earned(fee, 80)


def _visits(town: Town, minutes: int) -> dict[str, Any]:
    return {"jobs": max(1, minutes // 150)} | _earned(minutes * town.random.randint(35, 48), 100)


def _hours(town: Town, minutes: int) -> dict[str, Any]:
    return _earned(minutes * town.random.randint(33, 60), 100)


def _earned(cents: int, percent: int) -> dict[str, Any]:
    return {"earnings_cents": cents * percent // 100}


FIGURES: Final[dict[str, Callable[[Town, int], dict[str, Any]]]] = {
    "rides": _rides,
    "livery": _rides,
    "delivery": _deliveries,
    "cleaning": _visits,
    "care": _hours,
    "household": _hours,
    "construction": _hours,
    "creative": _hours,
}
