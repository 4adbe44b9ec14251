"""What does the database tell of all that a worker's own page shows, in the trip in which it is asked who he is?

His balances, payers, choices, switches, requests and letters as they stand at one instant of the database's clock. The
page is written from this and from what the word for the market stands for, and from nothing else: so whatever of it
changes makes it another page, and whoever finds it kept finds the very figures that he would be told now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Select, bindparam, or_, select
from sqlalchemy.orm import aliased

from enrollment import accounts, balance_check, choosing, overview
from enrollment.accounts import Balance
from enrollment.balance_check import Round
from enrollment.choosing import Standing
from enrollment.models import (
    BenefitAccount,
    Contribution,
    Election,
    Employment,
    EnrollmentWindow,
    LeaveRequest,
    MemberRight,
    Membership,
    Remittance,
    RemittanceState,
    Switch,
    SwitchState,
    WindowKind,
    Worker,
)
from enrollment.overview import CoverTerms, Home, Paid, Payer
from enrollment.standpoint import WINDOW, time_left_in, window_of
from exchange import clock, remembered, revision
from exchange.calendar import plan_year_of
from exchange.clock import local_date
from exchange.database import from_microseconds
from exchange.glance import Glance, apart, together
from exchange.identity import people
from exchange.identity.organizations import Organization, OrganizationKind
from exchange.identity.people import Beside, Login
from exchange.ledger.accounts import LedgerAccount, LedgerBalance
from exchange.money import Unit
from exchange.notices import Notice
from exchange.policy import versions
from exchange.policy.document import Policy
from exchange.revision import Moment
from providers.models import Package

LATEST_CONTRIBUTIONS: Final = 5
LATEST_NOTICES: Final = 3


class Told(NamedTuple):
    """The columns of the question, as the database has them; those with several rows put together."""

    now_us: int
    market: str
    account_id: int
    number: str
    locked: bool
    legal_name: str
    package_id: int | None
    provider_id: int
    starts_us: int
    provider: str
    package: str | None
    balances: str | None
    payers: str | None
    contributions: str | None
    standing: str | None
    windows: str | None
    next_window: str | None
    switches: str | None
    requests: str | None
    rights: str | None
    notices: str | None
    rounds: str | None
    officials: str | None


class SwitchTold(NamedTuple):
    """A switch that is on its way, or the last one that was carried out."""

    id: int
    old_provider: str
    new_provider: str
    effective_at: datetime
    carried_out_at: datetime | None


class RequestTold(NamedTuple):
    """Leave that was asked for and waits for an answer."""

    component: str
    minutes: int
    first_day: date
    last_day: date


class NoticeTold(NamedTuple):
    """What the exchange told, and when."""

    subject: str
    at: datetime


@dataclass(frozen=True)
class OwnAccount:
    """A worker's account at an instant, with the policy that holds. What follows is made when it is asked for."""

    told: Told
    policy: Policy

    @property
    def at(self) -> datetime:
        """The instant, by the database's clock."""
        return from_microseconds(self.told.now_us)

    @cached_property
    def today(self) -> date:
        """The local date of the program."""
        return local_date(self.at, self.policy.zone)

    @cached_property
    def newest_round(self) -> Round | None:
        """The newest statements that can be checked."""
        rows = apart(self.told.rounds)
        found = (Round(size, date.fromisoformat(on), from_microseconds(at_us)) for size, on, at_us in rows)
        return balance_check.settled(found, self.at)

    @property
    def facts(self) -> bytes:
        """Another one when anything on the page is: all that was told but the instant, and what follows from that.

        The law and the plan year are the date's and the market's. A window that has opened or closed meanwhile is
        among what was told, or is not.
        """
        left = time_left_in(apart(self.told.windows), self.at)
        same = (self.told[1:], self.policy.effective_on, self.today, left, self.newest_round)
        return hashlib.blake2b(repr(same).encode(), digest_size=32).digest()

    @cached_property
    def balances(self) -> list[Balance]:
        """Every line of his that holds something."""
        return [Balance(id_, name, code, Unit(unit), sum_) for id_, name, code, unit, sum_ in apart(self.told.balances)]

    @cached_property
    def payers(self) -> list[Payer]:
        """The employers that reported work, the one of the latest work first."""
        rows = sorted(apart(self.told.payers), key=lambda row: str(row[0]))
        made = (Payer(name, _day(first), _day(last), *sums) for name, first, last, *sums in rows)
        return sorted(made, key=lambda one: one.last_worked_on, reverse=True)

    def contributions(self) -> list[Paid]:
        """The latest of them, in the reader's language."""
        rows = sorted(apart(self.told.contributions), key=lambda row: (row[3], row[0]), reverse=True)
        read = [[*row[:2], *map(_day, row[2:4]), *row[4:-1], _instant(row[-1])] for row in rows]
        return list(overview.paid_by(read, policy=self.policy))

    @cached_property
    def standing(self) -> dict[str, Standing]:
        """His choices that stand, by plan year."""
        rows = ([*row[:3], from_microseconds(row[3]), row[4]] for row in apart(self.told.standing))
        return choosing.standing_by(rows, policy=self.policy)

    @cached_property
    def open_windows(self) -> list[EnrollmentWindow]:
        """Where he may choose now: the special ones first, the soonest to close first."""
        found = [window_of(row) for row in apart(self.told.windows)]
        return sorted(found, key=lambda one: (one.kind is WindowKind.OPEN, one.closes_at, one.id))

    @cached_property
    def next_window(self) -> EnrollmentWindow | None:
        """The open enrollment that is published and has not closed yet."""
        return next(map(window_of, apart(self.told.next_window)), None)

    @cached_property
    def home(self) -> Home:
        """With whom he is."""
        told, starts_at = self.told, from_microseconds(self.told.starts_us)
        since_on = local_date(starts_at, self.policy.zone)
        return Home(told.provider_id, told.provider, told.package_id, told.package, None, since_on)

    def covers(self) -> list[overview.Cover]:
        """The insurance that comes with the package."""
        package_id, year = self.told.package_id, plan_year_of(self.policy, self.today).id
        if package_id is None:
            return []
        terms: dict[str, CoverTerms] = dict(
            remembered.of_market(
                ("terms of cover", package_id, year),
                self.told.market,
                lambda: overview.terms_of_cover(package_id, year),
            )
        )
        rights = {component: _day(since) for component, since in apart(self.told.rights)}
        return overview.covers(terms, rights, policy=self.policy, today=self.today)

    def switches(self, state: SwitchState) -> list[SwitchTold]:
        """Those that are ordered, or the last one carried out; the one ordered last comes first."""
        rows = sorted(apart(self.told.switches), key=lambda row: (row[5], row[0]), reverse=True)
        return [
            SwitchTold(id_, old, new, from_microseconds(effective_us), _instant(carried_out_us))
            for id_, old, new, effective_us, carried_out_us, _ordered_us, at in rows
            if at == state
        ]

    def requests(self) -> Iterator[RequestTold]:
        """Leave that waits for an answer, what was asked for last comes first."""
        for _, _, component, minutes, first, last in sorted(apart(self.told.requests), reverse=True):
            yield RequestTold(component, minutes, _day(first), _day(last))

    def notices(self) -> list[NoticeTold]:
        """The newest first."""
        newest_first = sorted(apart(self.told.notices), reverse=True)
        return [NoticeTold(subject, from_microseconds(at_us)) for at_us, _, subject in newest_first]

    def officials(self, kind: OrganizationKind) -> dict[int, str]:
        """The names of the regulators, or of the exchange, by id."""
        return {id_: name for id_, name, of in sorted(apart(self.told.officials)) if of == kind}


def of_login(login_id: int) -> OwnAccount | None:
    """The account of the worker who signs in so; None where there is none.

    What was read together with who asks (``BESIDE_WHO_ASKS``) is taken, once.
    """
    rows = people.read_beside(login_id)
    if rows is None:
        rows = _OWN.rows(login_id=login_id)
    if not rows or rows[0][Told._fields.index("account_id")] is None:
        return None
    told = Told(*rows[0])
    return OwnAccount(told, versions.at_moment(Moment(from_microseconds(told.now_us), told.market)))


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _instant(value: int | None) -> datetime | None:
    return None if value is None else from_microseconds(value)


# --- the question ---------------------------------------------------------------------------------


def _select(*first: Any) -> Select[*tuple[Any, ...]]:
    """The account of each login that the statement finds; nothing where a login is no worker's."""
    a, w, m, o, p = BenefitAccount, Worker, Membership, Organization, Package
    one = (
        clock.microseconds(), revision.column(), a.id, a.number, a.switch_locked, w.legal_name, m.package_id,
        m.provider_id, m.starts_at, o.name, p.name,
    )  # fmt: skip
    many = (
        _balances(), overview.payers(Employment.benefit_account_id == a.id), _contributions(),
        choosing.standing(Election.benefit_account_id == a.id), *_windows(), _switches(), _requests(), _rights(),
        _notices(), balance_check.rounds(), _officials(),
    )  # fmt: skip
    return (
        select(*first, *one, *(together(rows.correlate(a, m, Login)) for rows in many))
        .select_from(Login)
        .outerjoin(w, w.login_id == Login.id)
        .outerjoin(a, a.worker_id == w.id)
        .outerjoin(m, (m.benefit_account_id == a.id) & m.ends_at.is_(None))
        .outerjoin(o, o.id == m.provider_id)
        .outerjoin(p, p.id == m.package_id)
    )


def _balances() -> Select[*tuple[Any, ...]]:
    return accounts.balances((LedgerAccount.holder_id == BenefitAccount.id) & (LedgerBalance.amount != 0))


def _contributions() -> Select[*tuple[Any, ...]]:
    c = Contribution
    stand = (c.benefit_account_id == BenefitAccount.id) & (Remittance.state != RemittanceState.CANCELLED)
    latest_first = overview.contributions_with(stand).order_by(c.work_to.desc(), c.id.desc())
    return latest_first.limit(LATEST_CONTRIBUTIONS)


def _windows() -> tuple[Select[*tuple[Any, ...]], Select[*tuple[Any, ...]]]:
    """Those open for him now, and the open enrollment that has not closed yet."""
    e, now = EnrollmentWindow, clock.microseconds()
    theirs = or_(e.kind == WindowKind.OPEN, e.benefit_account_id == BenefitAccount.id)
    next_one = select(*WINDOW).where(e.kind == WindowKind.OPEN, e.closes_at > now).order_by(e.opens_at).limit(1)
    return select(*WINDOW).where(theirs, e.opens_at <= now, e.closes_at > now), next_one


def _switches() -> Select[*tuple[Any, ...]]:
    s, old, new = Switch, aliased(Organization), aliased(Organization)
    return (
        select(s.id, old.name, new.name, s.effective_at, s.carried_out_at, s.ordered_at, s.state)
        .join(old, old.id == s.from_provider_id)
        .join(new, new.id == s.to_provider_id)
        .where(s.benefit_account_id == BenefitAccount.id, s.state != SwitchState.ABANDONED)
    )


def _requests() -> Select[*tuple[Any, ...]]:
    r = LeaveRequest
    columns = select(r.asked_at, r.id, r.component, r.minutes, r.first_day, r.last_day)
    # What is asked is not decided yet. By its state SQLite would go through all that anybody has asked.
    return columns.where(r.benefit_account_id == BenefitAccount.id, r.decided_at.is_(None))


def _rights() -> Select[*tuple[Any, ...]]:
    return select(MemberRight.component, MemberRight.covered_since).where(MemberRight.membership_id == Membership.id)


def _notices() -> Select[*tuple[Any, ...]]:
    n = Notice
    theirs = select(n.at, n.id, n.subject).where(n.login_id == Login.id)
    return theirs.order_by(n.at.desc(), n.id.desc()).limit(LATEST_NOTICES)


def _officials() -> Select[*tuple[Any, ...]]:
    o = Organization
    kinds = [OrganizationKind.REGULATOR, OrganizationKind.OPERATOR]
    return select(o.id, o.name, o.kind).where(o.kind.in_(kinds))


_OWN: Final = Glance(lambda: _select().where(Login.id == bindparam("login_id", type_=BigInteger)))
_BESIDE: Final = Glance(lambda: _select(*people.WHO).where(people.is_named()))
BESIDE_WHO_ASKS: Final = Beside(_BESIDE, dict)
"""For ``seen_with``: the account in the trip in which a worker's page asks who he is."""
