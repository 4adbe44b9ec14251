from __future__ import annotations

import sqlite3
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import func, select

from enrollment import contributions, corrections, reported_before, reporting
from enrollment.contributions import Confirmed
from enrollment.models import BenefitAccount, Contribution, Employer, Employment, Remittance
from enrollment.report_lines import ReportLine
from enrollment.reported_before import KEPT, WorkReportedBefore
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.policy.formulas import WorkerClass
from tests.support.at_once import all_at_once
from tests.support.employer_makers import AT, BY, make_account, make_employer, open_program, pay, work

MONDAY, SUNDAY = date(2026, 10, 5), date(2026, 10, 11)
OTHER_WORK = Confirmed(other_work=True)


@pytest.fixture
def employer(app: Flask) -> Employer:
    with unit_of_work():
        open_program()
        return make_employer()


@pytest.fixture
def account(employer: Employer) -> BenefitAccount:
    with unit_of_work():
        return make_account()


def report(employer: Employer, *lines: ReportLine, confirmed: Confirmed = contributions.UNSEEN) -> int:
    """Take a report; the remittance's id."""
    return in_unit_of_work(lambda: submit(employer.organization_id, *lines, confirmed=confirmed))


def submit(employer_id: int, *lines: ReportLine, confirmed: Confirmed = contributions.UNSEEN) -> int:
    employer = db.session.get_one(Employer, employer_id)
    return contributions.submit(lines, employer=employer, source="api", confirmed=confirmed, by=BY, at=AT).id


def week(account: BenefitAccount, line: int = 1, **changes: object) -> ReportLine:
    return work(account, line, **{"first_day": MONDAY, "last_day": SUNDAY, "minutes": 2400, **changes})


def told(employer: Employer, *lines: ReportLine) -> list[tuple[int, int, int]]:
    """Line, earlier remittance and its line, of what a preview finds."""
    found = reporting.preview(lines, employer=employer, at=AT)
    before = reported_before.find(found.lines, employer.organization_id)
    assert before.count == len(before.kept)
    return [(one.line, one.remittance_id, one.earlier_line) for one in before.kept]


def reported() -> int:
    return db.session.execute(select(func.count()).select_from(Contribution)).scalar_one()


class TestFind:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"minutes": 2401},
            {"first_day": SUNDAY, "last_day": date(2026, 10, 20)},
            {"first_day": date(2026, 9, 20), "last_day": MONDAY},
            {"first_day": date(2026, 10, 7), "last_day": date(2026, 10, 7), "minutes": 60},
            {"first_day": date(2026, 9, 28), "last_day": date(2026, 10, 18)},
            {"sector": "construction"},  # the employer's own, said once more
        ],
    )
    def test_names_lines_that_share_a_day_with_an_earlier_report(
        self, employer: Employer, account: BenefitAccount, changes: dict[str, object]
    ) -> None:
        first = report(employer, week(account, 4))

        assert told(employer, week(account, 7, **changes)) == [(7, first, 4)]

    @pytest.mark.parametrize(
        "changes",
        [
            {"first_day": date(2026, 10, 12), "last_day": date(2026, 10, 18)},
            {"first_day": date(2026, 10, 1), "last_day": date(2026, 10, 4)},
            {"place": "US-WA/King County/Seattle"},
            {"sector": "care"},
            {"worker_class": WorkerClass.EMPLOYEE},
        ],
    )
    def test_is_silent_about_other_days_places_sectors_and_classes(
        self, employer: Employer, account: BenefitAccount, changes: dict[str, object]
    ) -> None:
        report(employer, week(account))

        assert told(employer, week(account, 1, **changes)) == []

    def test_is_silent_about_other_workers_and_other_employers(
        self, employer: Employer, account: BenefitAccount
    ) -> None:
        with unit_of_work():
            other, bo = make_employer("Green Cab"), make_account("Bo Lund")
        report(other, week(account))
        report(employer, week(bo))

        assert told(employer, week(account)) == []

    def test_does_not_count_what_was_cancelled_or_taken_back(self, employer: Employer, account: BenefitAccount) -> None:
        with unit_of_work():
            bo = make_account("Bo Lund")
        cancelled, wrong = report(employer, week(account)), report(employer, week(bo))
        pay(wrong)
        assert len(told(employer, week(account, minutes=1), week(bo, 2, minutes=1))) == 2

        with unit_of_work():
            contributions.cancel(db.session.get_one(Remittance, cancelled), by=BY, at=AT)
            asked = corrections.ask(next(contributions.lines_of(wrong)), reason="Wrong week", by=BY, at=AT)
            corrections.carry_out(asked, by=BY, at=AT)

        assert told(employer, week(account, minutes=1), week(bo, 2, minutes=1)) == []

    def test_counts_all_lines_and_names_the_first(self, employer: Employer, account: BenefitAccount) -> None:
        report(employer, week(account))
        jobs = [work(account, line, minutes=1, jobs=line) for line in range(1, KEPT + 3)]
        preview = reporting.preview(jobs, employer=employer, at=AT)

        found = reported_before.find(preview.lines, employer.organization_id)

        assert (found.count, [one.line for one in found.kept]) == (KEPT + 2, list(range(1, KEPT + 1)))

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_looks_each_line_up_however_much_the_employer_has_reported(self, employer: Employer) -> None:
        """Four times as many lines over four times as many are four times the work, not sixteen times."""
        with unit_of_work():
            accounts = [make_account(f"Worker{number}") for number in range(120)]

        few, many = (
            steps_of(employer, [week(one, n) for n, one in enumerate(accounts[:count])]) for count in (30, 120)
        )

        assert many < 8 * few


def steps_of(employer: Employer, lines: list[ReportLine]) -> int:
    """How many hundred steps SQLite's machine takes to find lines that were all reported before."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    report(employer, *lines, confirmed=OTHER_WORK)
    preview = reporting.preview(lines, employer=employer, at=AT)
    connection = db.session.connection().connection.driver_connection
    assert isinstance(connection, sqlite3.Connection)
    connection.set_progress_handler(count, 100)
    reported_before.find(preview.lines, employer.organization_id)
    connection.set_progress_handler(None, 0)
    db.session.rollback()
    return taken


class TestSubmit:
    def test_refuses_it_names_the_lines_and_keeps_nothing(self, employer: Employer, account: BenefitAccount) -> None:
        with unit_of_work():
            bo = make_account("Bo Lund")
        first = report(employer, week(account))

        with pytest.raises(WorkReportedBefore) as refused:
            report(employer, week(bo), week(account, 2, minutes=60))

        assert refused.value.details == {
            "lines": [{"line": 2, "remittance_id": first, "earlier_line": 1}],
            "count": 1,
        }
        assert reported() == 1
        assert db.session.execute(select(func.count()).select_from(Remittance)).scalar_one() == 1
        assert db.session.execute(select(func.count()).select_from(Employment)).scalar_one() == 1

    def test_takes_it_as_other_work_when_the_employer_says_so(
        self, employer: Employer, account: BenefitAccount
    ) -> None:
        first = report(employer, week(account))

        assert report(employer, week(account, minutes=60), confirmed=OTHER_WORK) != first
        with pytest.raises(contributions.AlreadyReported):  # the same again stays the same
            report(employer, week(account), confirmed=OTHER_WORK)

    def test_of_two_at_once_takes_one(self, app: Flask, employer: Employer, account: BenefitAccount) -> None:
        lines = [week(account, minutes=minutes) for minutes in range(60, 64)]

        employer_id = employer.organization_id

        said = all_at_once(
            app,
            [lambda one=one: in_unit_of_work(lambda: submit(employer_id, one)) for one in lines],  # type: ignore[misc]
        )

        assert said == {"done": 1, "WorkReportedBefore": 3}
        assert reported() == 1
