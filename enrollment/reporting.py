"""What would a report cost, line by line, and what is wrong with it?

Every line is checked and every problem told at once, by line and column. Each line is computed by
the rule that holds where and when the work was done; the earnings of a quarter and the size of the
employer are counted from what it reported before. A handful of questions to the database serves a
report of any length. Nothing is written here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, Select, func, select

from enrollment.contribution_rules import WorkLine, owed, rule_for
from enrollment.models import BenefitAccount, Contribution, Employer, Remittance, RemittanceState, Worker
from enrollment.report_checks import overlaps, problems_of
from enrollment.report_lines import KEPT_PROBLEMS, ReportLine, digest_of
from exchange.calendar import first_of_next_month, quarter_of
from exchange.clock import local_date
from exchange.database import db
from exchange.errors import Refusal
from exchange.intake import Problems
from exchange.money import format_dollars
from exchange.policy import versions
from exchange.policy.document import NoPolicyInForce, Policy
from exchange.policy.formulas import Basis, ContributionRule, covers
from exchange.policy.versions import Timeline

_AT_ONCE = 5_000  # account numbers in one question
_DAY = timedelta(days=1)


class NothingReported(Refusal):
    """A report without a line."""

    code = "nothing_reported"


class TooManyLines(Refusal):
    """A report longer than the policy allows."""

    code = "too_many_lines"


@dataclass(frozen=True, slots=True)
class ComputedLine:
    """A line, whose it is, and what the rule (its code; empty where none holds) comes to, in words too."""

    line: ReportLine
    account_id: int
    sector: str
    policy_version_id: int
    rule: str
    owed_cents: int
    explanation: str

    @property
    def amount_cents(self) -> int:
        """What the employer pays for it: the floor, and what it adds."""
        return self.owed_cents + self.line.extra_cents


@dataclass(frozen=True, slots=True)
class Report:
    """A report as it would be taken, or what is wrong with it. ``earlier_id``: the remittance that it repeats."""

    lines: Sequence[ComputedLine]
    problems: Problems
    digest: bytes
    earlier_id: int | None

    @property
    def total_cents(self) -> int:
        """What the whole report costs."""
        return sum(line.amount_cents for line in self.lines)

    @property
    def workers(self) -> int:
        """For how many workers."""
        return len({line.account_id for line in self.lines})


class _Account(NamedTuple):
    id: int
    closed: bool
    legal_name: str


def preview(
    lines: Sequence[ReportLine], *, employer: Employer, problems: Problems | None = None, at: datetime
) -> Report:
    """What the report would cost; ``problems`` holds what was wrong already when it was read.

    Refuses ``NothingReported``, ``TooManyLines`` and a program without a policy; everything else that
    is wrong is in the answer's ``problems``, and then nothing of the report may be taken.
    """
    found = Problems(keep=KEPT_PROBLEMS) if problems is None else problems
    law = versions.timeline()
    today = today_by(law, at)
    _, policy = law.on(today)
    if not lines and not found.count:
        raise NothingReported(_l("The report has no line."))
    if len(lines) > policy.limits.file_rows:
        raise TooManyLines(_l("A report has at most %(n)s lines.", n=f"{policy.limits.file_rows:,}"))
    accounts = _accounts_of(lines)
    good = [line for line in lines if _is_good(line, accounts, law, today, found)]
    for line, column, sentence in overlaps(good, minutes_per_day=policy.limits.minutes_per_day):
        found.add(line, sentence, column)
    computed = _Computation(employer, law, {number: account.id for number, account in accounts.items()}, good)
    answers = [line for line in computed.lines(found) if line is not None]
    found.kept.sort(key=lambda problem: problem.line)
    digest = digest_of(lines)
    return Report(answers, found, digest, _earlier(employer, digest))


def today_by(law: Timeline, at: datetime) -> date:
    """The local date of the program. Refuses ``NoPolicyInForce`` where no policy was ever approved."""
    if not law.policies:
        raise NoPolicyInForce(_l("No rules of this program are in force yet."))
    return local_date(at, law.policies[-1].zone)


def _earlier(employer: Employer, digest: bytes) -> int | None:
    same = select(Remittance.id).where(
        Remittance.employer_id == employer.organization_id,
        Remittance.content_digest == digest,
        Remittance.state != RemittanceState.CANCELLED,
    )
    return db.session.execute(same).scalar_one_or_none()


# --- whose line it is -----------------------------------------------------------------------------


def _accounts_of(lines: Sequence[ReportLine]) -> dict[str, _Account]:
    numbers = sorted({line.number for line in lines})
    found = {}
    for start in range(0, len(numbers), _AT_ONCE):
        rows = (
            select(BenefitAccount.number, BenefitAccount.id, BenefitAccount.closed_at, Worker.legal_name)
            .join(Worker, Worker.id == BenefitAccount.worker_id)
            .where(BenefitAccount.number.in_(numbers[start : start + _AT_ONCE]))
        )
        for number, id_, closed_at, legal_name in db.session.execute(rows):
            found[number] = _Account(id_, closed_at is not None, legal_name)
    return found


def _is_good(line: ReportLine, accounts: dict[str, _Account], law: Timeline, today: date, problems: Problems) -> bool:
    before = problems.count
    for column, sentence in (*_problems_of_account(line, accounts.get(line.number)), *problems_of(line, law, today)):
        problems.add(line.line, sentence, column)
    return problems.count == before


def _problems_of_account(line: ReportLine, account: _Account | None) -> Iterator[tuple[str, LazyString]]:
    if account is None:
        yield "account_number", _l("No account has this number. Compare it with the card.")
    elif account.closed:
        yield "account_number", _l("This account is closed: nothing can be paid into it.")
    elif line.family_name and not _is_family_name(line.family_name, account.legal_name):
        yield "family_name", _l("This account number belongs to somebody else: the family name is another.")


def _is_family_name(given: str, legal_name: str) -> bool:
    """Whether the words given stand together in the name, after its first word; accents and case aside."""
    words, whole = _words(given), _words(legal_name)
    places = range(min(1, len(whole) - 1), len(whole) - len(words) + 1)
    return bool(words) and any(whole[place : place + len(words)] == words for place in places)


def _words(name: str) -> list[str]:
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return "".join(c if c.isalnum() else " " for c in plain).split()


# --- what it costs --------------------------------------------------------------------------------


class _Computation:
    """The lines of one report on their way through the rules, with what was reported before them."""

    def __init__(self, employer: Employer, law: Timeline, ids: dict[str, int], lines: Sequence[ReportLine]) -> None:
        self._employer, self._law, self._ids, self._lines = employer, law, ids, lines
        rules = [rule for policy in law.policies for rule in policy.contributions.rules]
        self._sizes_matter = any(rule.size_at_least > 0 or rule.size_below is not None for rule in rules)
        self._sizes: dict[date, int] = {}
        self._earned: dict[tuple[int, date], int] = {}
        for starts_on, ends_on in sorted({quarter_of(line.first_day) for line in lines}):
            for account_id, cents in db.session.execute(self._earned_in(starts_on, ends_on)):
                self._earned[account_id, starts_on] = int(cents)

    def lines(self, problems: Problems) -> list[ComputedLine | None]:
        """Each line computed, in the order given; None for one that has a problem."""
        # In the order of the work: a threshold of earnings is crossed by the line that comes later.
        order = sorted(range(len(self._lines)), key=lambda place: (self._lines[place].first_day, place))
        answers: list[ComputedLine | None] = [None] * len(self._lines)
        for place in order:
            answers[place] = self._computed(self._lines[place], problems)
        return answers

    def _computed(self, line: ReportLine, problems: Problems) -> ComputedLine | None:
        version_id, policy = self._law.on(line.first_day)
        sector = line.sector or self._employer.sector
        answer = ComputedLine(line, self._ids[line.number], sector, version_id, "", 0, "")
        if not covers(policy.jurisdiction, line.place):
            words = _l("Work outside of %(name)s: nothing is owed here.", name=policy.jurisdiction_name)
            return replace(answer, explanation=str(words))
        work = work_of(line, sector)
        size = self._size_at(line.first_day)
        rule = rule_for(policy, work, employer_size=size)
        if rule is None:
            return self._without_rule(answer, policy, work, size, problems)
        if self._lacks_figures(line, rule, problems):
            return None
        quarter = answer.account_id, quarter_of(line.first_day)[0]
        before = self._earned.get(quarter, 0)
        self._earned[quarter] = before + work.earnings_cents
        result = owed(rule, work, earned_before_cents_in_quarter=before)
        if result.cents + line.extra_cents > policy.limits.contribution_cents:
            most = format_dollars(policy.limits.contribution_cents)
            problems.add(line.line, _l("The contribution for one line can be %(most)s at most.", most=most))
            return None
        return replace(answer, rule=rule.code, owed_cents=result.cents, explanation=str(result.explanation))

    @staticmethod
    def _without_rule(
        answer: ComputedLine, policy: Policy, work: WorkLine, size: int, problems: Problems
    ) -> ComputedLine | None:
        sizes = {rule.size_at_least for rule in policy.contributions.rules}
        if any(rule_for(policy, work, employer_size=other) is not None for other in sizes):
            words = _l("Nothing is owed for this work by an employer with %(n)s workers in twelve months.", n=size)
        elif answer.line.extra_cents:
            words = _l("No rule asks for a contribution for this work: it is paid freely.")
        else:
            sentence = _l("No rule holds for this work in that place: compare sector and class of worker.")
            problems.add(answer.line.line, sentence, "sector")
            return None
        return replace(answer, explanation=str(words))

    @staticmethod
    def _lacks_figures(line: ReportLine, rule: ContributionRule, problems: Problems) -> bool:
        given = {
            Basis.MINUTES: ("minutes", line.minutes),
            Basis.JOBS: ("jobs", line.jobs),
            Basis.EARNINGS: ("earnings", line.earnings_cents),
            Basis.FEE: ("fee", line.fee_cents),
            Basis.FEE_AND_TOLLS: ("fee", line.fee_cents),
        }
        lacking = sorted({column for column, figure in (given[basis] for basis in rule.bases) if figure is None})
        for column in lacking:
            problems.add(line.line, _l("is needed for the rule “%(rule)s”.", rule=rule.name), column)
        return bool(lacking)

    def _earned_in(self, starts_on: date, ends_on: date) -> Select[int, int]:
        c = Contribution
        return (
            select(c.benefit_account_id, func.sum(c.earnings_cents).cast(BigInteger))
            .join(Remittance, Remittance.id == c.remittance_id)
            .where(
                c.employer_id == self._employer.organization_id,
                c.work_from >= starts_on,
                c.work_from < ends_on,
                c.earnings_cents > 0,
                c.reversed_by_id.is_(None),
                Remittance.state != RemittanceState.CANCELLED,
            )
            .group_by(c.benefit_account_id)
        )

    def _size_at(self, day: date) -> int:
        """How many workers the employer had in the twelve months that end with the month of ``day``, this report's
        included.
        """
        if not self._sizes_matter:
            return 0
        ends_on = first_of_next_month(day)
        if ends_on not in self._sizes:
            self._sizes[ends_on] = self._workers_between(first_of_next_month(ends_on, -12), ends_on)
        return self._sizes[ends_on]

    def _workers_between(self, starts_on: date, ends_on: date) -> int:
        c = Contribution
        on_file = (
            select(c.benefit_account_id)
            .join(Remittance, Remittance.id == c.remittance_id)
            .where(
                c.employer_id == self._employer.organization_id,
                c.work_from < ends_on,
                c.work_to >= starts_on,
                c.reversed_by_id.is_(None),
                Remittance.state != RemittanceState.CANCELLED,
            )
            .distinct()
        )
        reported = {
            self._ids[line.number] for line in self._lines if line.first_day < ends_on and line.last_day >= starts_on
        }
        return len(reported.union(db.session.execute(on_file).scalars()))


def work_of(line: ReportLine, sector: str) -> WorkLine:
    """The line as the rules read it: the period's end is excluded, what was not given is nothing."""
    return WorkLine(
        line.place,
        sector,
        line.worker_class,
        line.first_day,
        line.last_day + _DAY,
        minutes=line.minutes or 0,
        earnings_cents=line.earnings_cents or 0,
        fee_cents=line.fee_cents or 0,
        tolls_cents=line.tolls_cents or 0,
        jobs=line.jobs or 0,
    )
