"""What would a report cost, line by line, and what is wrong with it?

Every line is checked and every problem told at once, by line and column; ``report_costs`` computes
each line by its rule. A handful of questions to the database serves a report of any length. Nothing is
written here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from enrollment import lateness
from enrollment.models import BenefitAccount, Employer, Worker
from enrollment.report_checks import Checks, Found, overlaps
from enrollment.report_costs import Computation, ComputedLine
from enrollment.report_lines import KEPT_PROBLEMS, ReportLine, digest_of
from exchange.bulk import Prepared, among, uncollected
from exchange.clock import local_date
from exchange.database import db
from exchange.errors import Refusal
from exchange.intake import Problems
from exchange.policy import versions
from exchange.policy.document import NoPolicyInForce
from exchange.policy.versions import Timeline

_AT_ONCE = 5_000  # account numbers in one question


class NothingReported(Refusal):
    """A report without a line."""

    code = "nothing_reported"


class TooManyLines(Refusal):
    """A report longer than the policy allows."""

    code = "too_many_lines"


@dataclass(frozen=True, slots=True)
class Report:
    """A report as it would be taken, or what is wrong with it.

    ``earlier_id``: the remittance that it repeats. ``late_cents``: what comes on top if it is paid today.
    """

    lines: Sequence[ComputedLine]
    problems: Problems
    digest: bytes
    earlier_id: int | None
    late_cents: int

    @property
    def total_cents(self) -> int:
        """What the whole report costs today, lateness included."""
        return sum(line.amount_cents for line in self.lines) + self.late_cents

    @property
    def workers(self) -> int:
        """For how many workers."""
        return len({line.account_id for line in self.lines})


def preview(
    lines: Sequence[ReportLine],
    *,
    employer: Employer,
    problems: Problems | None = None,
    law: Timeline | None = None,
    digest: bytes | None = None,
    at: datetime,
) -> Report:
    """What the report would cost; ``problems`` holds what was wrong already when it was read.

    ``law`` and the lines' ``digest`` are given where the caller has them already. Refuses ``NothingReported``,
    ``TooManyLines`` and a program without a policy; everything else that is wrong is in the answer's
    ``problems``, and then nothing of the report may be taken.
    """
    db.session.flush()
    found = Problems(keep=KEPT_PROBLEMS) if problems is None else problems
    law = law or versions.timeline()
    today = today_by(law, at)
    _, policy = law.on(today)
    if not lines and not found.count:
        raise NothingReported(_l("The report has no line."))
    if len(lines) > policy.limits.file_rows:
        raise TooManyLines(_l("A report has at most %(n)s lines.", n=f"{policy.limits.file_rows:,}"))
    with uncollected():
        accounts, checks = _Accounts(lines), Checks(law, today)
        good = [line for line in lines if _is_good(line, accounts, checks, found)]
        for line, column, sentence in overlaps(good, minutes_per_day=policy.limits.minutes_per_day):
            found.add(line, sentence, column)
        computed = [line for line in Computation(employer, law, accounts.ids, good).lines(found) if line is not None]
    found.kept.sort(key=lambda problem: problem.line)
    digest = digest or digest_of(lines)
    late_cents = lateness.reckoned(_owed(computed), law=law, paid_on=today)
    return Report(computed, found, digest, _earlier(employer, digest), late_cents)


def _owed(lines: Sequence[ComputedLine]) -> dict[tuple[int, date], int]:
    """Cents owed by policy version and last day of work."""
    owed: dict[tuple[int, date], int] = {}
    for line in lines:
        if line.owed_cents:
            key = line.policy_version_id, line.line.last_day
            owed[key] = owed.get(key, 0) + line.owed_cents
    return owed


def today_by(law: Timeline, at: datetime) -> date:
    """The local date of the program. Refuses ``NoPolicyInForce`` where no policy was ever approved."""
    if not law.policies:
        raise NoPolicyInForce(_l("No rules of this program are in force yet."))
    return local_date(at, law.policies[-1].zone)


def _earlier(employer: Employer, digest: bytes) -> int | None:
    found = _SAME.run(employer_id=employer.organization_id, digest=digest)
    return found[0][0] if found else None


_SAME: Final = Prepared(
    """
    SELECT id FROM remittance
    WHERE employer_id = {employer_id} AND content_digest = {digest} AND state <> 'cancelled'
    """,
    values=("employer_id", "digest"),
)


# --- whose line it is -----------------------------------------------------------------------------

_NAMED: Final = Prepared(
    """
    SELECT number, id, closed_at IS NOT NULL FROM benefit_account
    WHERE number IN (SELECT asked.number FROM {rows})
    """,
    "asked",
    number="text",
)


class _Accounts:
    """The accounts that a report's numbers name: their ids, which are closed, and the names that are compared."""

    def __init__(self, lines: Sequence[ReportLine]) -> None:
        numbers = sorted({line.number for line in lines})
        self.ids: dict[str, int] = {}
        self._closed: set[str] = set()
        for start in range(0, len(numbers), _AT_ONCE):
            for number, id_, is_closed in _NAMED.run([(number,) for number in numbers[start : start + _AT_ONCE]]):
                self.ids[number] = id_
                if is_closed:
                    self._closed.add(number)
        self._names = self._names_of(sorted({line.number for line in lines if line.family_name}))

    @staticmethod
    def _names_of(numbers: Sequence[str]) -> dict[str, str]:
        names: dict[str, str] = {}
        for start in range(0, len(numbers), _AT_ONCE):
            rows = select(BenefitAccount.number, Worker.legal_name).join(Worker, Worker.id == BenefitAccount.worker_id)
            named = rows.where(among(BenefitAccount.number, numbers[start : start + _AT_ONCE]))
            names |= dict(db.session.execute(named).all())
        return names

    def problem_of(self, line: ReportLine) -> Found | None:
        """What is wrong with whose line it is."""
        if line.number not in self.ids:
            return "account_number", _l("No account has this number. Compare it with the card.")
        if line.number in self._closed:
            return "account_number", _l("This account is closed: nothing can be paid into it.")
        if line.family_name and not _is_family_name(line.family_name, self._names[line.number]):
            return "family_name", _l("This account number belongs to somebody else: the family name is another.")
        return None


def _is_good(line: ReportLine, accounts: _Accounts, checks: Checks, problems: Problems) -> bool:
    before = problems.count
    of_account = accounts.problem_of(line)
    if of_account is not None:
        problems.add(line.line, of_account[1], of_account[0])
    for column, sentence in checks.problems_of(line):
        problems.add(line.line, sentence, column)
    return problems.count == before


def _is_family_name(given: str, legal_name: str) -> bool:
    """Whether the words given stand together in the name, after its first word; accents and case aside."""
    words, whole = _words(given), _words(legal_name)
    places = range(min(1, len(whole) - 1), len(whole) - len(words) + 1)
    return bool(words) and any(whole[place : place + len(words)] == words for place in places)


def _words(name: str) -> list[str]:
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return "".join(c if c.isalnum() else " " for c in plain).split()
