"""What is owed for each line of a report?

Each line is computed by the rule that holds where and when the work was done. What the employer reported
before is asked of the database only where a rule looks at it: the earnings of the quarter where there is a
threshold, the number of workers in twelve months where the report itself does not settle it. Lines of the
same day, place, trade and class are under one rule, which is found once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, func, select

from enrollment.contribution_rules import WorkLine, owed, rule_for
from enrollment.models import Contribution, Employer, Remittance, RemittanceState
from enrollment.report_lines import ReportLine
from exchange.bulk import Prepared
from exchange.calendar import first_of_next_month, quarter_of
from exchange.database import db
from exchange.intake import Problems
from exchange.money import format_dollars
from exchange.phrases import Phrase, Speaker
from exchange.policy.document import Policy
from exchange.policy.formulas import Basis, ContributionRule, counts_quarter, covers
from exchange.policy.versions import Timeline

_DAY = timedelta(days=1)


class ComputedLine(NamedTuple):
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


class _Terms(NamedTuple):
    """What holds for lines of one day, place, sector and class of worker."""

    version_id: int
    policy: Policy
    sector: str
    quarter: date
    rule: ContributionRule | None
    # Why nothing is owed without a rule; None where it is only taken as a free payment.
    excuse: Phrase | None
    # The columns that the rule needs, each with the name of the figure in the line.
    needs: Sequence[tuple[str, str]]
    # Whether the rule looks at what was earned earlier in the quarter.
    counts_quarter: bool


_GIVEN = {
    Basis.MINUTES: ("minutes", "minutes"),
    Basis.JOBS: ("jobs", "jobs"),
    Basis.EARNINGS: ("earnings", "earnings_cents"),
    Basis.FEE: ("fee", "fee_cents"),
    Basis.FEE_AND_TOLLS: ("fee", "fee_cents"),
}
_ELSEWHERE = _l("Work outside of %(name)s: nothing is owed here.")
_OTHER_SIZE = _l("Nothing is owed for this work by an employer with %(n)s workers in twelve months.")
_FREELY = _l("No rule asks for a contribution for this work: it is paid freely.")


class Computation:
    """The lines of one report on their way through the rules, with what was reported before them.

    ``ids`` names the account of each line's number; ``lines`` are those without a problem so far.
    """

    def __init__(self, employer: Employer, law: Timeline, ids: Mapping[str, int], lines: Sequence[ReportLine]) -> None:
        self._employer, self._law, self._ids, self._lines = employer, law, ids, lines
        rules = [rule for policy in law.policies for rule in policy.contributions.rules]
        self._largest_size = max((max(rule.size_at_least, rule.size_below or 0) for rule in rules), default=0)
        # Workers of the twelve months before a day: of this report alone, and with those reported before.
        self._reported: dict[date, int] = {}
        self._sizes: dict[date, int] = {}
        # Earned in a quarter that begins then: by lines of this report so far, and reported before it.
        self._earned: dict[tuple[int, date], int] = {}
        self._on_file: dict[date, Mapping[int, int]] = {}
        self._terms: dict[tuple[date, str, str, str], _Terms] = {}
        self._speaker = Speaker("en")  # each reader is told in his own language: contribution_rules.retold

    def lines(self, problems: Problems) -> list[ComputedLine | None]:
        """Each line computed, in the order given; None for one that has a problem."""
        # In the order of the work: a threshold of earnings is crossed by the line that comes later.
        order = sorted(range(len(self._lines)), key=lambda place: self._lines[place].first_day)
        answers: list[ComputedLine | None] = [None] * len(self._lines)
        for place in order:
            answers[place] = self._computed(self._lines[place], problems)
        return answers

    def _computed(self, line: ReportLine, problems: Problems) -> ComputedLine | None:
        key = line.first_day, line.place, line.sector, line.worker_class
        terms = self._terms.get(key)
        if terms is None:
            terms = self._terms[key] = self._terms_of(line)
        if terms.rule is None:
            return self._without_rule(line, terms, problems)
        lacking = [column for column, name in terms.needs if getattr(line, name) is None]
        if lacking:
            for column in lacking:
                problems.add(line.line, _l("is needed for the rule “%(rule)s”.", rule=terms.rule.name), column)
            return None
        account_id = self._ids[line.number]
        before = self._before(account_id, terms)
        if line.earnings_cents:
            quarter = account_id, terms.quarter
            self._earned[quarter] = self._earned.get(quarter, 0) + line.earnings_cents
        cents, code, words = owed(terms.rule, work_of(line, terms.sector), earned_before_cents_in_quarter=before)
        if cents + line.extra_cents > terms.policy.limits.contribution_cents:
            most = format_dollars(terms.policy.limits.contribution_cents)
            problems.add(line.line, _l("The contribution for one line can be %(most)s at most.", most=most))
            return None
        return ComputedLine(line, account_id, terms.sector, terms.version_id, code, cents, self._speaker.say(words))

    def _terms_of(self, line: ReportLine) -> _Terms:
        version_id, policy = self._law.on(line.first_day)
        sector = line.sector or self._employer.sector
        work, rule, excuse = work_of(line, sector), None, None
        if covers(policy.jurisdiction, line.place):
            rule = rule_for(policy, work, employer_size=self._size_for_rules(line.first_day))
            sizes = {rule.size_at_least for rule in policy.contributions.rules}
            if rule is None and any(rule_for(policy, work, employer_size=other) is not None for other in sizes):
                excuse = Phrase(_OTHER_SIZE, {"n": self._size_at(line.first_day)})
        else:
            excuse = Phrase(_ELSEWHERE, {"name": policy.jurisdiction_name})
        return _Terms(
            version_id,
            policy,
            sector,
            quarter_of(line.first_day)[0],
            rule,
            excuse,
            needs=sorted({_GIVEN[basis] for basis in rule.bases}) if rule else (),
            counts_quarter=rule is not None and counts_quarter(rule.formula),
        )

    def _without_rule(self, line: ReportLine, terms: _Terms, problems: Problems) -> ComputedLine | None:
        words = terms.excuse
        if words is None and line.extra_cents:
            words = Phrase(_FREELY, {})
        if words is None:
            sentence = _l("No rule holds for this work in that place: compare sector and class of worker.")
            problems.add(line.line, sentence, "sector")
            return None
        account_id, explanation = self._ids[line.number], self._speaker.say(words)
        return ComputedLine(line, account_id, terms.sector, terms.version_id, "", 0, explanation)

    # --- what was reported before ---

    def _before(self, account_id: int, terms: _Terms) -> int:
        """What the worker earned with the employer in the quarter before this line; only where a rule asks for it."""
        if not terms.counts_quarter:
            return 0
        on_file = self._on_file.get(terms.quarter)
        if on_file is None:
            on_file = self._on_file[terms.quarter] = self._earned_in(*quarter_of(terms.quarter))
        return on_file.get(account_id, 0) + self._earned.get((account_id, terms.quarter), 0)

    def _earned_in(self, starts_on: date, ends_on: date) -> Mapping[int, int]:
        c = Contribution
        rows = (
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
        return {account_id: int(cents) for account_id, cents in db.session.execute(rows)}

    def _size_for_rules(self, day: date) -> int:
        """The employer's size as far as rules can tell: where this report alone is larger than all of them, its own."""
        if not self._largest_size:
            return 0
        starts_on, ends_on = _year_to(day)
        if ends_on not in self._reported:
            self._reported[ends_on] = len(self._reported_between(starts_on, ends_on))
        reported = self._reported[ends_on]
        return reported if reported >= self._largest_size else self._size_at(day)

    def _size_at(self, day: date) -> int:
        """How many workers the employer had in the twelve months that end with the month of ``day``, this report's
        included.
        """
        starts_on, ends_on = _year_to(day)
        if ends_on not in self._sizes:
            reported = self._reported_between(starts_on, ends_on)
            self._sizes[ends_on] = len(reported.union(self._on_file_between(starts_on, ends_on)))
        return self._sizes[ends_on]

    def _reported_between(self, starts_on: date, ends_on: date) -> set[int]:
        return {
            self._ids[line.number] for line in self._lines if line.first_day < ends_on and line.last_day >= starts_on
        }

    def _on_file_between(self, starts_on: date, ends_on: date) -> Sequence[int]:
        employer_id = self._employer.organization_id
        on_file = _ON_FILE.run(employer_id=employer_id, starts_on=str(starts_on), ends_on=str(ends_on))
        return [account_id for (account_id,) in on_file]


_ON_FILE: Final = Prepared(
    """
    SELECT DISTINCT c.benefit_account_id FROM contribution c JOIN remittance r ON r.id = c.remittance_id
    WHERE c.employer_id = {employer_id} AND c.work_from < {ends_on} AND c.work_to >= {starts_on}
    AND c.reversed_by_id IS NULL AND r.state <> 'cancelled'
    """,
    values=("employer_id", "starts_on", "ends_on"),
)


def _year_to(day: date) -> tuple[date, date]:
    """The twelve months that end with the month of ``day``."""
    ends_on = first_of_next_month(day)
    return first_of_next_month(ends_on, -12), ends_on


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
