"""How do tests come to a provider, its packages and its standing?

Inside a unit of work: ``open_program()`` first, then the others. Everything goes through the real
operations, stands on Washington's demonstration policy and on 2 November 2026 (a Monday), unless a
test says otherwise.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import insert, select

from exchange.database import db
from exchange.identity import login, organizations
from exchange.identity.actors import Actor, Audience, system_actor
from exchange.identity.organizations import Organization, OrganizationKind
from exchange.ledger import journal
from exchange.ledger.accounts import AccountKind, Line, open_lines
from exchange.ledger.journal import LedgerKey, Posting, Transfer
from exchange.money import Unit
from exchange.policy.document import CriterionKind, Policy
from exchange.policy.reading import read_file
from providers import irs_register, packages, publication, qualification, reserve_filings
from providers.health_plans import DrugDeductible, HealthPlan, HealthPlanPremium, Metal
from providers.models import Package, PackageVersion, Provider, ProviderKind, ProviderState
from providers.package_terms import ComponentTerms, Terms
from providers.qualification import Application, Seat
from tests.support.policies import WASHINGTON

AT = datetime(2026, 11, 2, 17, tzinfo=UTC)
TODAY = date(2026, 11, 2)
BY = system_actor("test")
POLICY: Policy = read_file(WASHINGTON).on(TODAY)
THIS_YEAR, NEXT_YEAR = "2026", "2027"
REGISTER_HEAD = "EIN,NAME,STATE,SUBSECTION,STATUS,RULING,TAX_PERIOD,ASSET_AMT,INCOME_AMT,REVENUE_AMT\n"

TERMS = Terms(
    summary="A plain package.",
    fee_bp=600,
    service_area="US-WA",
    components=(
        ComponentTerms("paid_leave", 2_500, accrual_hours=30),
        ComponentTerms("retirement", 1_400, vendor="Harbor Bank"),
        ComponentTerms("emergency", 500),
        ComponentTerms("health", 4_000, waiting_days=30, vendor="Blue Insurance"),
        ComponentTerms("disability", 500),
        ComponentTerms("workers_compensation", 500),
    ),
    withdrawal_terms="On request.",
)


def open_program() -> None:
    """The operator's organization, and the regulators' board."""
    organizations.found("The exchange", kind=OrganizationKind.OPERATOR, by=BY, at=AT)
    organizations.found("The board", kind=OrganizationKind.REGULATOR, by=BY, at=AT)


def regulator(name: str = "Rita") -> Actor:
    """The regulator of that name; the same one each time."""
    board = db.session.execute(
        select(Organization.id).where(Organization.kind == OrganizationKind.REGULATOR)
    ).scalar_one()
    return _person(name, Audience.REGULATOR, board)


def staff_of(provider: Provider, name: str = "Sam") -> Actor:
    """Somebody who acts for the provider; the same one each time."""
    return _person(name, Audience.PROVIDER, provider.organization_id)


def enter_in_register(ein: str, name: str, *, subsection: str = "05", status: str = "01") -> None:
    """Let the tax office know an organization."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "eo_wa.csv"
        path.write_text(f"{REGISTER_HEAD}{ein},{name.upper()},WA,{subsection},{status},196811,,,,\n", encoding="utf-8")
        irs_register.import_register(path, by=BY, at=AT)


def applicant(name: str = "Harbor Union", *, ein: str = "910000001", known: bool = True, at: datetime = AT) -> Provider:
    """Somebody who has applied; ``known`` to the tax office or not."""
    if known:
        enter_in_register(ein, name)
    application = Application(name=name, kind=ProviderKind.UNION, ein=ein, summary="For dockers and drivers.")
    return qualification.apply(application, policy=POLICY, by=BY, at=at)


def meet_criteria(provider: Provider, *, cash_cents: int = 100_000_000, at: datetime = AT) -> None:
    """Show and find everything that qualification asks for, on Rita's desk."""
    seats = [Seat("Ann", "member workers", True), Seat("Bob", "the city", False)]
    qualification.name_board(provider, seats, by=staff_of(provider), at=at)
    file_cash(provider, cash_cents, at=at)
    for criterion in POLICY.qualification.criteria:
        if criterion.kind is not CriterionKind.IRS_REGISTER:
            qualification.show_evidence(
                provider, criterion.code, evidence="As shown.", policy=POLICY, by=staff_of(provider), at=at
            )
            qualification.decide_criterion(
                provider, criterion.code, met=True, reason="Seen.", policy=POLICY, by=regulator(), at=at
            )


def qualified(
    name: str = "Harbor Union", *, ein: str = "910000001", cash_cents: int = 100_000_000, at: datetime = AT
) -> Provider:
    """A qualified provider with so much cash filed, found so by Rita and Ron."""
    provider = applicant(name, ein=ein, at=at)
    qualification.begin_review(provider, by=regulator(), at=at)
    meet_criteria(provider, cash_cents=cash_cents, at=at)
    decide(provider, ProviderState.QUALIFIED, at=at)
    return provider


def decide(provider: Provider, becomes: ProviderState, *, at: datetime = AT) -> None:
    """Rita proposes and Ron agrees."""
    decision = qualification.propose(
        provider, becomes=becomes, reason="So it is.", policy=POLICY, by=regulator(), at=at
    )
    qualification.agree(decision, policy=POLICY, by=regulator("Ron"), at=at)


def file_cash(provider: Provider, cents: int, *, at: datetime = AT, as_of: date = TODAY) -> None:
    """The provider says that it holds so much cash, and nothing else."""
    reserve_filings.file_reserves(
        provider, as_of=as_of, holdings={"cash": cents}, policy=POLICY, by=staff_of(provider), at=at
    )


def owe(provider: Provider, cents: int, *, key: str, holder_id: int = 1, at: datetime = AT) -> None:
    """So much comes in for a worker: the provider owes it to him."""
    _pay(provider, Line(AccountKind.WORKER, provider.organization_id, Unit.USD, "emergency", holder_id), cents, key, at)


def pay_into_pool(provider: Provider, cents: int, *, key: str, at: datetime = AT) -> None:
    """So much comes in to buy health cover."""
    _pay(provider, Line(AccountKind.POOL, provider.organization_id, Unit.USD, "health"), cents, key, at)


def take_back_from_pool(provider: Provider, cents: int, *, key: str, corrects: str, at: datetime = AT) -> None:
    """Some of what an entry brought to the pool goes back, by a correction."""
    pool = Line(AccountKind.POOL, provider.organization_id, Unit.USD, "health")
    outside = Line(AccountKind.OUTSIDE, provider.organization_id, Unit.USD)
    ids = open_lines([outside, pool])
    entry_id = db.session.execute(select(LedgerKey.entry_id).where(LedgerKey.key == corrects)).scalar_one()
    back = Transfer(ids[pool], ids[outside], Unit.USD, cents)
    journal.post([Posting(key, "test", at.date(), (back,), corrects_id=entry_id)], by=BY, at=at)


def terms(**changes: object) -> Terms:
    """Lawful terms, but for the changes."""
    return replace(TERMS, **changes)  # type: ignore[arg-type]


def with_component(one: ComponentTerms, base: Terms = TERMS) -> Terms:
    """The terms with this component in the place of the one of its name, or added."""
    others = tuple(other for other in base.components if other.component != one.component)
    return replace(base, components=(*others, one))


def without_component(code: str, base: Terms = TERMS) -> Terms:
    """The terms without a component."""
    return replace(base, components=tuple(one for one in base.components if one.component != code))


def drafted(
    provider: Provider, *, name: str = "Plain", said: Terms = TERMS, plan_year: str = NEXT_YEAR, at: datetime = AT
) -> PackageVersion:
    """A draft of a new package."""
    package = packages.create(provider, name=name, by=staff_of(provider), at=at)
    return packages.draft(package, plan_year=plan_year, terms=said, policy=POLICY, by=staff_of(provider), at=at)


def publish(version: PackageVersion, *, at: datetime = AT) -> PackageVersion:
    """Take a draft to the shelf."""
    staff = _owner(version)
    publication.submit(version, policy=POLICY, by=staff, at=at)
    publication.certify(version, policy=POLICY, by=regulator(), at=at)
    publication.put_on_shelf(version, policy=POLICY, by=staff, at=at)
    return version


def listed(
    provider: Provider, *, name: str = "Plain", said: Terms = TERMS, plan_year: str = NEXT_YEAR, at: datetime = AT
) -> PackageVersion:
    """A version of a new package, on the shelf."""
    return publish(drafted(provider, name=name, said=said, plan_year=plan_year, at=at), at=at)


def health_plan(premiums: Mapping[int, Mapping[int, int]]) -> int:
    """The id of a plan of the catalogue with these premiums: cents by rating area and age."""
    plan = HealthPlan(
        plan_year=2016,
        state="OR",
        plan_id="10091OR0680001",
        issuer_id="10091",
        issuer="Blue Insurance",
        name="Silver One",
        metal=Metal.SILVER,
        plan_type="PPO",
        deductible_cents=250_000,
        drug_deductible=DrugDeductible.INCLUDED,
        oop_max_cents=600_000,
        primary_care="$20",
        specialist="$40",
        emergency_room="$200",
        generic_drugs="$10",
        source="test.csv",
        imported_at=AT,
    )
    db.session.add(plan)
    db.session.flush()
    rows = [
        {"health_plan_id": plan.id, "rating_area": area, "age": age, "premium_cents": cents}
        for area, ages in premiums.items()
        for age, cents in ages.items()
    ]
    db.session.execute(insert(HealthPlanPremium), rows)
    return plan.id


def package_of(version: PackageVersion) -> Package:
    """The version's package."""
    return db.session.get_one(Package, version.package_id)


def named(codes: Mapping[str, int]) -> Terms:
    """Terms with these shares, and nothing else said."""
    return replace(TERMS, components=tuple(ComponentTerms(code, share) for code, share in codes.items()))


def _owner(version: PackageVersion) -> Actor:
    return staff_of(db.session.get_one(Provider, packages.provider_of(version)))


def _pay(provider: Provider, line: Line, cents: int, key: str, at: datetime) -> None:
    outside = Line(AccountKind.OUTSIDE, provider.organization_id, Unit.USD)
    ids = open_lines([outside, line])
    posting = Posting(key, "test", at.date(), (Transfer(ids[outside], ids[line], Unit.USD, cents),))
    journal.post([posting], by=BY, at=at)


def _person(name: str, audience: Audience, organization_id: int) -> Actor:
    address = f"{name.lower()}.{organization_id}@example.org"
    known = login.by_email(address)
    if known is None:
        known = login.create(
            address, password=None, name=name, audience=audience, organization_id=organization_id, by=BY, at=AT
        )
    return known.as_actor()
