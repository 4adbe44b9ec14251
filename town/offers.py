"""How do the town's providers become qualified, and how do their packages come on the shelf?

Each step is what the people concerned would do, on the day on which they would do it: apply, show
evidence, be reviewed and decided on by two regulators; draft, submit, have certified, list.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import select

from exchange.database import db
from exchange.identity.actors import Audience
from exchange.policy.document import CriterionKind
from providers import package_terms, packages, publication, qualification, reserve_filings
from providers.health_plans import HealthPlan
from providers.models import Package, PackageVersion, Provider, ProviderKind, ProviderState, VersionState
from providers.package_terms import ComponentTerms, Terms
from providers.qualification import Application, Seat
from town.offices import FOUNDER, staff
from town.setting import Offerer, Town

# What a provider owns before it has a member, in cents by asset class.
FOUNDING_CAPITAL: Final = {"cash": 9_000_000, "treasuries": 9_000_000}
EVIDENCE: Final = {
    CriterionKind.DECLARATION: "Declarations signed by every officer, filed with the application.",
    CriterionKind.ADMINISTRATION_CAP: "Audited accounts of the last three years; administration below the cap.",
    CriterionKind.BOND: "Fidelity bond of $750,000 with Twin Peaks Casualty.",
    CriterionKind.VENDORS_NAMED: "Contracts with the insurers and banks that the packages name.",
}
_A_DAY: Final = timedelta(days=1)


def note_providers(town: Town) -> None:
    """Note what providers do until their packages for both plan years are where they are today."""
    dates, diary = town.dates, town.diary
    for number, story in enumerate(town.story["providers"]):
        applied_at = dates.instant(dates.first_day, 9, 5 * number)
        diary.note(applied_at, partial(_apply, town, story))
    diary.note(dates.instant(dates.before_work(36), 14), partial(_review, town))
    diary.note(dates.instant(dates.before_work(29), 11), partial(_qualify, town))
    diary.note(dates.instant(dates.before_work(25), 10), partial(_create_packages, town))
    diary.note(dates.instant(dates.before_today(62), 10), partial(_discontinue, town))
    diary.note(dates.instant(dates.before_today(50), 10), partial(_draft_next_year, town))
    diary.note(dates.instant(dates.before_today(12), 10), partial(_leave_some_waiting, town))


# --- qualification --------------------------------------------------------------------------------


def _apply(town: Town, story: dict[str, Any], at: datetime) -> None:
    site = story["name"].lower().replace("'", "").replace(" ", "-")
    application = Application(
        name=story["name"],
        kind=ProviderKind(story["kind"]),
        ein=story["ein"],
        summary=story["summary"],
        website=f"https://{site}.example",
        email=f"members@{site}.example",
        phone="+1 206 555 0100",
    )
    policy = town.policy(at)
    provider = qualification.apply(application, policy=policy, by=FOUNDER, at=at)
    actor = staff(story["staff"], organization_id=provider.organization_id, audience=Audience.PROVIDER, at=at)[0]
    town.providers[provider.organization_id] = Offerer(provider.organization_id, story["name"], actor, story)
    qualification.name_board(provider, list(_seats(town, story)), by=actor, at=at)
    for criterion in policy.qualification.criteria:
        if criterion.kind in EVIDENCE:
            qualification.show_evidence(
                provider, criterion.code, evidence=EVIDENCE[criterion.kind], policy=policy, by=actor, at=at
            )


def _seats(town: Town, story: dict[str, Any]) -> Iterator[Seat]:
    given, family = town.story["given_names"].split(), town.story["family_names"].split()
    seats, elected = story["seats"]
    for number in range(seats):
        is_elected = number < elected
        name = f"{town.random.choice(given)} {town.random.choice(family)}"
        yield Seat(name, "Member workers" if is_elected else story["appoints"], is_elected)


def _review(town: Town, at: datetime) -> None:
    """Each provider files what it owns, and a regulator goes through the criteria."""
    policy = town.policy(at)
    reviewer = town.regulators[-1]
    for offerer in town.providers.values():
        provider = db.session.get_one(Provider, offerer.id)
        qualification.begin_review(provider, by=reviewer, at=at)
        reserve_filings.file_reserves(
            provider, as_of=town.day(at), holdings=FOUNDING_CAPITAL, policy=policy, by=offerer.actor, at=at
        )
        for examined in qualification.examination(provider, policy=policy, on=town.day(at)):
            if not examined.is_met:
                reason = examined.measured.sentence if examined.measured else "The documents shown are in order."
                qualification.decide_criterion(
                    provider, examined.criterion.code, met=True, reason=reason, policy=policy, by=reviewer, at=at
                )


def _qualify(town: Town, at: datetime) -> None:
    policy = town.policy(at)
    for offerer in town.providers.values():
        decision = qualification.propose(
            db.session.get_one(Provider, offerer.id),
            becomes=ProviderState.QUALIFIED,
            reason="Every criterion is met.",
            policy=policy,
            by=town.regulators[0],
            at=at,
        )
        qualification.agree(decision, policy=policy, by=town.regulators[1], at=at + timedelta(hours=3))


# --- packages -------------------------------------------------------------------------------------


def _create_packages(town: Town, at: datetime) -> None:
    for offerer, story in _package_stories(town):
        provider = db.session.get_one(Provider, offerer.id)
        package = packages.create(provider, name=story["name"], by=offerer.actor, at=at)
        _publish(town, offerer, package, _terms(town, story, town.dates.present_year), at)


def _draft_next_year(town: Town, at: datetime) -> None:
    for offerer, story in _package_stories(town):
        package = _named(story["name"])
        if package.last_plan_year is None:
            changed = {**story, "fee": story["next"].get("fee", story["fee"])}
            changed["shares"] = {code: story["next"].get(code, share) for code, share in story["shares"].items()}
            year = town.dates.next_year
            _publish(town, offerer, package, _terms(town, changed, year), at, plan_year=year)


def _publish(
    town: Town, offerer: Offerer, package: Package, terms: Terms, at: datetime, plan_year: str | None = None
) -> None:
    """Draft and submit now; certified some days later, on the shelf the day after that."""
    year, policy = plan_year or town.dates.present_year, town.policy(at)
    version = packages.draft(package, plan_year=year, terms=terms, policy=policy, by=offerer.actor, at=at)
    publication.submit(version, policy=policy, by=offerer.actor, at=at + timedelta(hours=1))
    id_ = version.id

    def certify(later: datetime) -> None:
        one = db.session.get_one(PackageVersion, id_)
        publication.certify(one, policy=town.policy(later), by=town.regulators[-1], at=later)

    def list_(later: datetime) -> None:
        one = db.session.get_one(PackageVersion, id_)
        publication.put_on_shelf(one, policy=town.policy(later), by=offerer.actor, at=later)

    town.diary.note(town.days_later(at, 3, 6), certify)
    town.diary.note(town.days_later(at, 8, 9), list_)


def _discontinue(town: Town, at: datetime) -> None:
    for offerer, story in _package_stories(town):
        if "succeeded_by" in story:
            publication.discontinue(
                _named(story["name"]),
                last_plan_year=town.dates.present_year,
                successor=_named(story["succeeded_by"]),
                policy=town.policy(at),
                by=offerer.actor,
                at=at,
            )


def _leave_some_waiting(town: Town, at: datetime) -> None:
    """New packages that are still on their way: with their provider, with the regulator, before the shelf."""
    by_name = {offerer.name: offerer for offerer in town.providers.values()}
    stories = {story["name"]: story for _, story in _package_stories(town)}
    policy, year = town.policy(at), town.dates.next_year
    for waiting in town.story["waiting"]:
        offerer = by_name[waiting["provider"]]
        package = packages.create(
            db.session.get_one(Provider, offerer.id), name=waiting["name"], by=offerer.actor, at=at
        )
        story = {**stories[waiting["like"]], "place": waiting["place"], "summary": "New next year."}
        terms = _terms(town, story, year)
        version = packages.draft(package, plan_year=year, terms=terms, policy=policy, by=offerer.actor, at=at)
        state = VersionState(waiting["state"])
        if state in {VersionState.SUBMITTED, VersionState.CERTIFIED}:
            publication.submit(version, policy=policy, by=offerer.actor, at=at + timedelta(hours=1))
        if state is VersionState.CERTIFIED:
            publication.certify(version, policy=policy, by=town.regulators[-1], at=at + timedelta(hours=5))


def _package_stories(town: Town) -> Iterator[tuple[Offerer, dict[str, Any]]]:
    for offerer in town.providers.values():
        for story in offerer.story["packages"]:
            yield offerer, story


def _named(name: str) -> Package:
    return db.session.execute(select(Package).where(Package.name == name)).scalar_one()


def _terms(town: Town, story: dict[str, Any], plan_year: str) -> Terms:
    hours, waiting, insurers = story.get("hours", {}), story.get("waiting", {}), town.story["insurers"]
    plan = select(HealthPlan.id, HealthPlan.issuer).where(
        HealthPlan.plan_id == story["health_plan"], HealthPlan.plan_year == int(plan_year)
    )
    plan_id, issuer = db.session.execute(plan).one()
    components = tuple(
        ComponentTerms(
            code,
            share,
            waiting_days=waiting.get(code, 0),
            accrual_hours=hours.get(code),
            vendor=issuer if code == "health" else insurers[code],
        )
        for code, share in story["shares"].items()
    )
    terms = Terms(
        summary=story["summary"],
        fee_bp=story["fee"],
        service_area=story["place"],
        components=components,
        withdrawal_terms="Leave is decided within a week and paid the next business day.",
        health_plan_id=plan_id,
    )
    assert package_terms.refusal_to_keep(terms) is None, "the town's packages can be kept"
    return terms
