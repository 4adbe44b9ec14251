"""How do tests come to an employer, its workers and their packages?

Inside a unit of work: ``open_program()`` first, then the others. Everything stands on Washington's
demonstration policy and on 2 November 2026 (a Monday), unless a test says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from flask import current_app
from sqlalchemy import select

from enrollment import accounts, contributions, employers, workers
from enrollment.memberships import current
from enrollment.models import BenefitAccount, Employer, Membership, MembershipCause, Remittance
from enrollment.report_lines import ReportLine
from exchange.database import db, in_unit_of_work
from exchange.identity import login, organizations
from exchange.identity.actors import Actor, Audience, system_actor
from exchange.identity.organizations import OrganizationKind
from exchange.ledger.accounts import AccountKind, LedgerAccount, LedgerBalance
from exchange.ledger.balances import of, shared_of
from exchange.money import Unit
from exchange.payments import local_gateway, payments
from exchange.payments.gateway import present
from exchange.policy import versions
from exchange.policy.reading import read
from providers.models import (
    Package,
    PackageComponent,
    PackageVersion,
    Provider,
    ProviderKind,
    ProviderState,
    VersionState,
)
from tests.support.policies import WASHINGTON

AT = datetime(2026, 11, 2, 17, tzinfo=UTC)
TODAY = date(2026, 11, 2)
BY = system_actor("test")
LONG_AGO = datetime(2023, 6, 1, tzinfo=UTC)


def open_program(path: Path = WASHINGTON) -> None:
    """The operator's organization, and every version of a policy file approved before the first took effect."""
    organizations.found("The exchange", kind=OrganizationKind.OPERATOR, by=BY, at=LONG_AGO)
    board = organizations.found("The board", kind=OrganizationKind.REGULATOR, by=BY, at=LONG_AGO).id
    proposer, approver = (
        login.create(
            f"{name}@example.org",
            password=None,
            name=name,
            audience=Audience.REGULATOR,
            organization_id=board,
            by=BY,
            at=LONG_AGO,
        ).as_actor()
        for name in ("proposer", "approver")
    )
    text = path.read_text(encoding="utf-8")
    for policy in read(text).versions:
        version = versions.propose(text, effective_on=policy.effective_on, by=proposer, at=LONG_AGO)
        versions.approve(version, by=approver, at=LONG_AGO)


def make_employer(name: str = "Blue Cab", *, kind: str = "platform", sector: str = "construction") -> Employer:
    """An employer; construction owes $3.54 per hour, whatever its size."""
    return employers.register(name, kind=kind, sector=sector, by=BY, at=LONG_AGO)


def staff_of(employer: Employer, name: str = "Kim Boss") -> Actor:
    """Somebody who acts for the employer."""
    made = login.create(
        f"{name.lower().replace(' ', '.')}.{employer.organization_id}@example.org",
        password=None,
        name=name,
        audience=Audience.EMPLOYER,
        organization_id=employer.organization_id,
        by=BY,
        at=LONG_AGO,
    )
    return made.as_actor()


def make_account(legal_name: str = "Ada Flores") -> BenefitAccount:
    """A worker's account; until he chooses, the exchange holds what comes in."""
    address = f"{legal_name.lower().replace(' ', '.')}@example.org"
    worker = workers.register(legal_name, email=address, place="US-WA", by=BY, at=LONG_AGO)
    return accounts.open_account(worker, by=BY, at=LONG_AGO)


def make_package(
    shares_bp: Mapping[str, int], *, fee_bp: int, name: str = "Harbor Union", accrual_hours: int | None = None
) -> Package:
    """A listed package for 2026 with these shares; leave accrues by ``accrual_hours``, else by the law."""
    organization = organizations.found(name, kind=OrganizationKind.PROVIDER, by=BY, at=LONG_AGO)
    provider = Provider(
        organization_id=organization.id,
        kind=ProviderKind.UNION,
        state=ProviderState.QUALIFIED,
        summary="",
        applied_at=AT,
    )
    db.session.add(provider)
    db.session.flush()
    package = Package(provider_id=organization.id, name=f"{name} Plan", created_at=LONG_AGO)
    db.session.add(package)
    db.session.flush()
    version = PackageVersion(
        package_id=package.id,
        plan_year="2026",
        number=1,
        state=VersionState.DRAFT,
        summary="",
        fee_bp=fee_bp,
        withdrawal_terms="",
        service_area="US-WA",
        created_at=LONG_AGO,
    )
    db.session.add(version)
    db.session.flush()
    for component, share_bp in shares_bp.items():
        hours = accrual_hours if component.endswith("_leave") else None
        db.session.add(
            PackageComponent(version_id=version.id, component=component, share_bp=share_bp, accrual_hours=hours)
        )
    db.session.flush()
    version.state = VersionState.LISTED
    version.submitted_at = version.certified_at = version.listed_at = LONG_AGO
    db.session.flush()
    return package


def join(account: BenefitAccount, package: Package, *, at: datetime = AT) -> None:
    """The worker is with the package's provider from ``at`` on."""
    before = current(account.id)
    before.ends_at = at
    db.session.flush()
    db.session.add(
        Membership(
            benefit_account_id=account.id,
            provider_id=package.provider_id,
            package_id=package.id,
            starts_at=at,
            cause=MembershipCause.ELECTION,
        )
    )
    db.session.flush()


def work(account: BenefitAccount, line: int = 1, **changes: object) -> ReportLine:
    """An hour of work on 5 October 2026."""
    given: dict[str, object] = {
        "first_day": date(2026, 10, 5), "last_day": date(2026, 10, 5), "place": "US-WA", "minutes": 60,
    }  # fmt: skip
    return ReportLine(line, account.number, **{**given, **changes})  # type: ignore[arg-type]


def pay(remittance_id: int, *, by: Actor = BY, at: datetime = AT) -> None:
    """Pay a reported remittance through the local bank, in units of work of its own."""
    payment_id = in_unit_of_work(
        lambda: contributions.start_payment(db.session.get_one(Remittance, remittance_id), by=by, at=at)
    )
    with current_app.test_request_context():  # the bank's page has an address
        payments.checkout(payment_id, return_url="/")
    name = db.session.execute(
        select(payments.Payment.gateway_reference).where(payments.Payment.id == payment_id)
    ).scalar_one()
    assert name is not None
    in_unit_of_work(lambda: local_gateway.decide(name, pay=True, at=at))
    in_unit_of_work(lambda: payments.record(present().status(name), by=by, at=at))


def balances_of(account_id: int) -> dict[tuple[str, Unit], int]:
    """A worker's balances by component and unit, wherever they stand; empty lines left out."""
    rows = (
        select(LedgerAccount.component, LedgerAccount.unit, LedgerBalance.amount)
        .join(LedgerBalance, LedgerBalance.account_id == LedgerAccount.id)
        .where(LedgerAccount.holder_id == account_id, LedgerBalance.amount > 0)
    )
    return {(component, unit): amount for component, unit, amount in db.session.execute(rows)}


def funds_of(employer_id: int) -> int:
    """What an employer has paid in and is not with workers."""
    return shared_of(employer_id, AccountKind.FUNDS).get(("", Unit.USD), 0)


def entries() -> int:
    """How many ledger accounts hold anything: what a refusal leaves as it was."""
    ids = list(db.session.execute(select(LedgerAccount.id)).scalars())
    return sum(1 for amount in of(ids).values() if amount)
