"""How do the offices of the program open: operator, regulators, the law, the registers?"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from exchange.clock import local_date
from exchange.identity import login, organizations
from exchange.identity.actors import Actor, Audience, system_actor
from exchange.identity.organizations import OrganizationKind
from exchange.policy import versions
from exchange.policy.reading import read
from providers import irs_register, qhp_landscape
from town.dates import Dates, counted_from, policy_of
from town.setting import FOLDER, Diary, Size, Town, read_story

FOUNDER = system_actor("demo")


def open_program(shipped: Path, *, size: Size, seed: int, now: datetime) -> Town:
    """Found the operator and the regulators' board, and let two regulators make the law; inside a unit of work."""
    story = read_story()
    zone = read(shipped.read_text(encoding="utf-8")).versions[-1].zone
    dates = counted_from(local_date(now, zone), zone=zone, months=size.months)
    at = dates.instant(dates.law_on - timedelta(days=90), 9)
    operator = _office(story["operator"], OrganizationKind.OPERATOR, Audience.OPERATOR, at)[0]
    regulators = _office(story["regulators"], OrganizationKind.REGULATOR, Audience.REGULATOR, at)
    return Town(
        dates=dates,
        now=now,
        size=size,
        random=Random(seed),
        story=story,
        diary=Diary(now),
        operator=operator,
        regulators=regulators,
        law=_law(shipped, dates, proposer=regulators[0], approver=regulators[1]),
    )


def import_registers(town: Town) -> int:
    """Import the tax office's register and the health plans of both plan years; returns the rows read."""
    at = town.dates.instant(town.dates.first_day, 5)
    rows = irs_register.import_register(FOLDER / "irs_extract.csv", by=FOUNDER, at=at).rows
    for year in (town.dates.present_year, town.dates.next_year):
        plans = qhp_landscape.import_landscape(FOLDER / "health_plans.csv", plan_year=int(year), by=FOUNDER, at=at)
        assert not plans.problems.count, "the town's own file can be read"
        rows += plans.rows
    return rows


def staff(
    names: list[str], *, organization_id: int, audience: Audience, at: datetime, domain: str = "example.org"
) -> list[Actor]:
    """Let the staff of an organization in. In a demonstration nobody has a password: one click is enough."""
    return [
        login.create(
            f"{name.lower().replace(' ', '.').replace(chr(39), '')}@{domain}",
            password=None,
            name=name,
            audience=audience,
            organization_id=organization_id,
            by=FOUNDER,
            at=at,
        ).as_actor()
        for name in names
    ]


def _office(office: dict[str, Any], kind: OrganizationKind, audience: Audience, at: datetime) -> list[Actor]:
    organization = organizations.found(office["name"], kind=kind, by=FOUNDER, at=at)
    return staff(office["staff"], organization_id=organization.id, audience=audience, at=at)


def _law(shipped: Path, dates: Dates, *, proposer: Actor, approver: Actor) -> versions.Timeline:
    text = policy_of(shipped, dates)
    for policy in read(text).versions:
        proposed_at = dates.instant(policy.effective_on - timedelta(days=60), 10)
        version = versions.propose(text, effective_on=policy.effective_on, by=proposer, at=proposed_at)
        versions.approve(version, by=approver, at=proposed_at + timedelta(days=14))
    return versions.timeline()
