from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from enrollment import account_numbers, accounts, contributions, reporting
from enrollment.models import BenefitAccount, Employer
from enrollment.report_lines import KEPT_PROBLEMS, ReportLine, digest_of, packed, read_report, unpacked
from enrollment.reporting import NothingReported, Report, TooManyLines
from exchange.database import db, unit_of_work
from exchange.intake import BadFile, Problems
from exchange.policy.formulas import WorkerClass
from tests.support.employer_makers import (
    AT,
    BY,
    TODAY,
    make_account,
    make_employer,
    open_program,
    work,
)
from tests.support.policies import NEW_YORK

HEAD = "account_number,first_day,last_day,place,minutes,hours,earnings,fee,tolls,jobs,extra,family_name\r\n"
NUMBER = account_numbers.from_serial(7)


@pytest.fixture
def employer(app: Flask) -> Employer:
    with unit_of_work():
        open_program()
        return make_employer()


@pytest.fixture
def account(employer: Employer) -> BenefitAccount:
    with unit_of_work():
        return make_account("Gabriela García Núñez")


def preview(employer: Employer, *lines: ReportLine) -> Report:
    return reporting.preview(lines, employer=employer, at=AT)


def wrong(employer: Employer, *lines: ReportLine) -> list[tuple[int, str | None]]:
    """Line and column of every problem."""
    return [(problem.line, problem.column) for problem in preview(employer, *lines).problems.kept]


def read(*rows: str, head: str = HEAD) -> tuple[list[ReportLine], Problems]:
    problems = Problems(keep=KEPT_PROBLEMS)
    text = head + "\r\n".join(rows)
    return read_report(io.BytesIO(text.encode()), problems=problems, max_rows=200_000), problems


class TestReadReport:
    def test_understands_every_column(self) -> None:
        lines, problems = read(f"{NUMBER.lower()},2026-10-01,2026-10-07,US-WA,,7:30,1204.50,90,3.5,4,0.01,O'Neill")

        assert problems.count == 0
        assert lines == [
            ReportLine(
                2,
                NUMBER,
                date(2026, 10, 1),
                date(2026, 10, 7),
                "US-WA",
                minutes=450,
                earnings_cents=120450,
                fee_cents=9000,
                tolls_cents=350,
                jobs=4,
                extra_cents=1,
                family_name="O'Neill",
            )
        ]

    def test_takes_one_day_for_the_period_when_the_last_is_left_out(self) -> None:
        (line,), _ = read(f"{NUMBER},2026-10-01,,US-WA,60,,,,,,,")

        assert line.last_day == date(2026, 10, 1)

    @pytest.mark.parametrize(
        "amount",
        ["１２", "1_000", "1e3", "NaN", "-1", "0.001", "92233720368547758.08", "1,00", "١٢", "Infinity", "1 0"],
    )
    @pytest.mark.parametrize("column", ["earnings", "fee", "tolls", "extra"])
    def test_refuses_amounts_that_only_machines_understand(self, amount: str, column: str) -> None:
        lines, problems = read(
            f'{NUMBER},2026-10-01,US-WA,"{amount}"', head=f"account_number,first_day,place,{column}\r\n"
        )

        assert lines == []
        assert [(p.line, p.column) for p in problems.kept] == [(2, column)]

    @pytest.mark.parametrize(
        "text", ["１２", "1_0", "1e3", "NaN", "-1", "0.001", "9223372036854775808", "7:60", "7.5h"]
    )
    def test_refuses_time_that_only_machines_understand(self, text: str) -> None:
        for column in ("minutes", "hours"):
            lines, problems = read(
                f"{NUMBER},2026-10-01,US-WA,{text}", head=f"account_number,first_day,place,{column}\r\n"
            )

            assert (lines, problems.count) == ([], 1)

    @pytest.mark.parametrize(("text", "minutes"), [("7", 420), ("7.5", 450), ("7.33", 440), ("0.01", 1), ("0:05", 5)])
    def test_reads_hours_to_the_minute(self, text: str, minutes: int) -> None:
        (line,), _ = read(f"{NUMBER},2026-10-01,US-WA,{text}", head="account_number,first_day,place,hours\r\n")

        assert line.minutes == minutes

    @pytest.mark.parametrize("day", ["01/10/2026", "2026-13-01", "20261001", "2026-1-1", "２０２６-10-01"])
    def test_refuses_dates_that_two_countries_read_in_two_ways(self, day: str) -> None:
        lines, problems = read(f"{NUMBER},{day},,US-WA,60,,,,,,,")

        assert lines == []
        assert "first_day" in {p.column for p in problems.kept}

    def test_tells_every_problem_of_every_row(self) -> None:
        swapped = NUMBER[:3] + NUMBER[4] + NUMBER[3] + NUMBER[5:] if NUMBER[3] != NUMBER[4] else NUMBER[:-1] + "Z"
        lines, problems = read(f"{swapped},2026-10-32,,US-WA,-5,,1e3,,,,,", f"{NUMBER},2026-10-01,,,1,1,,,,,,")

        assert lines == []
        assert [(p.line, p.column) for p in problems.kept] == [
            (2, "account_number"),
            (2, "first_day"),
            (2, "minutes"),
            (2, "earnings"),
            (3, "hours"),
            (3, "place"),
        ]

    def test_refuses_a_missing_and_a_repeated_column(self) -> None:
        with pytest.raises(BadFile, match="missing"):
            read("x", head="account_number,place\r\n")
        with pytest.raises(BadFile, match="twice"):
            read("x", head="account_number,first_day,place,Number\r\n")

    def test_refuses_the_200_001st_row(self) -> None:
        row = f"{NUMBER},2026-10-01,US-WA,1\n".encode()
        stream = io.BytesIO(b"number,from,place,jobs\n" + row * 200_001)

        with pytest.raises(BadFile, match="200,000"):
            read_report(stream, problems=Problems(), max_rows=200_000)


class TestDigest:
    def test_is_the_same_whatever_the_order_and_the_lines_numbers(self) -> None:
        one, other = (ReportLine(n, NUMBER, TODAY, TODAY, "US-WA", minutes=n) for n in (1, 2))

        assert digest_of([one, other]) == digest_of([replace(other, line=9), replace(one, line=8)])
        assert digest_of([one]) != digest_of([one, one])
        assert digest_of([one]) != digest_of([replace(one, minutes=3)])

    def test_is_of_the_figures_in_json_for_ever(self) -> None:
        # Kept with every remittance since the first: another way of writing would let a report in twice.
        line = ReportLine(2, NUMBER, TODAY, TODAY, "US-WA", sector="rides", minutes=90, extra_cents=5, family_name="Ñ")
        other = replace(line, place="US-OR/Portland", worker_class=WorkerClass.EMPLOYEE, minutes=None)
        texts = [
            f'["{NUMBER}", "{TODAY}", "{TODAY}", "US-WA", "rides", "1099", 90, null, null, null, null, 5]',
            f'["{NUMBER}", "{TODAY}", "{TODAY}", "US-OR/Portland", "rides", "W-2", null, null, null, null, null, 5]',
        ]

        assert digest_of([line, other]) == hashlib.sha256("\n".join(sorted(texts)).encode()).digest()

    def test_lines_come_back_as_they_were_kept(self) -> None:
        line = ReportLine(2, NUMBER, TODAY, TODAY, "US-WA", worker_class=WorkerClass.EMPLOYEE, jobs=4, family_name="Ñ")

        assert unpacked(packed([line])) == [line]
        assert unpacked(packed([line, replace(line, line=3)])) == [line, replace(line, line=3)]
        assert unpacked(packed([])) == []


class TestPreview:
    def test_computes_each_line_and_says_how(self, employer: Employer, account: BenefitAccount) -> None:
        report = preview(employer, work(account, minutes=90), work(account, 2, sector="cleaning", jobs=3))

        assert [(line.rule, line.owed_cents) for line in report.lines] == [("construction", 531), ("cleaning", 1500)]
        assert [line.explanation for line in report.lines] == [
            "1 h 30 min at $3.54 per hour = $5.31",
            "3 × $5.00 per job = $15.00",
        ]
        assert (report.total_cents, report.workers, report.problems.count) == (2031, 1, 0)

    def test_refuses_a_number_that_nobody_has(self, employer: Employer, account: BenefitAccount) -> None:
        assert wrong(employer, replace(work(account), number=NUMBER)) == [(1, "account_number")]

    def test_refuses_a_closed_account(self, employer: Employer, account: BenefitAccount) -> None:
        with unit_of_work():
            accounts.close(account, by=BY, at=AT)

        assert wrong(employer, work(account)) == [(1, "account_number")]

    @pytest.mark.parametrize("name", ["García Núñez", "garcia nunez", "NÚÑEZ", "García"])
    def test_knows_a_family_name_by_part_of_it(self, employer: Employer, account: BenefitAccount, name: str) -> None:
        assert wrong(employer, work(account, family_name=name)) == []

    @pytest.mark.parametrize("name", ["Flores", "Gabriela", "Gar", "Núñez García"])
    def test_refuses_somebody_elses_number(self, employer: Employer, account: BenefitAccount, name: str) -> None:
        assert wrong(employer, work(account, family_name=name)) == [(1, "family_name")]

    def test_refuses_more_hours_than_the_period_has(self, employer: Employer, account: BenefitAccount) -> None:
        assert wrong(employer, work(account, minutes=1440)) == []
        assert wrong(employer, work(account, minutes=1441)) == [(1, "minutes")]
        assert wrong(employer, work(account, minutes=1000), work(account, 2, minutes=441)) == [(2, "minutes")]

    @pytest.mark.parametrize(
        ("first", "last", "columns"),
        [
            (TODAY, TODAY, []),
            (TODAY, TODAY + timedelta(1), ["last_day"]),
            (TODAY, TODAY - timedelta(1), ["last_day"]),
            (TODAY - timedelta(400), TODAY - timedelta(400), []),
            (TODAY - timedelta(401), TODAY - timedelta(401), ["first_day"]),
            (TODAY - timedelta(30), TODAY, []),
            (TODAY - timedelta(31), TODAY, ["last_day"]),
            (date(2023, 12, 31), date(2023, 12, 31), ["first_day", "first_day"]),
            (date(2027, 1, 4), date(2027, 1, 4), ["last_day"]),
        ],
    )
    def test_refuses_what_is_too_far_away_or_too_long(
        self, employer: Employer, account: BenefitAccount, first: date, last: date, columns: list[str]
    ) -> None:
        assert [column for _, column in wrong(employer, work(account, first_day=first, last_day=last))] == columns

    @pytest.mark.parametrize(
        ("changes", "columns"),
        [
            ({"place": "US-WA/King County/Seattle"}, []),
            ({"place": "US-OR"}, []),
            ({"place": "US-WA/Atlantis"}, ["place"]),
            ({"place": "Seattle"}, ["place"]),
            ({"sector": "space"}, ["sector"]),
            ({"sector": "cleaning"}, ["jobs"]),
            ({"minutes": None}, ["minutes"]),
            ({"sector": "rides", "fee_cents": 1000}, []),
            ({"sector": "creative", "worker_class": WorkerClass.EMPLOYEE}, ["sector"]),
            ({"sector": "creative", "worker_class": WorkerClass.EMPLOYEE, "extra_cents": 1}, []),
            ({"extra_cents": 50_000_01}, [None]),
        ],
    )
    def test_refuses_what_no_rule_can_be_applied_to(
        self, employer: Employer, account: BenefitAccount, changes: dict[str, Any], columns: list[str | None]
    ) -> None:
        assert [column for _, column in wrong(employer, work(account, **changes))] == columns

    def test_refuses_the_same_work_twice(self, employer: Employer, account: BenefitAccount) -> None:
        week = work(account, first_day=date(2026, 10, 5), last_day=date(2026, 10, 11))

        assert wrong(employer, work(account), work(account, 2)) == [(2, "first_day")]
        assert wrong(employer, week, work(account, 2, first_day=date(2026, 10, 11), last_day=date(2026, 10, 17))) == [
            (2, "first_day")
        ]
        assert (
            wrong(employer, week, replace(week, line=2, first_day=date(2026, 10, 12), last_day=date(2026, 10, 18)))
            == []
        )
        assert wrong(employer, work(account, jobs=1), work(account, 2, jobs=2)) == []

    def test_tells_all_problems_at_once_in_the_order_of_the_lines(
        self, employer: Employer, account: BenefitAccount
    ) -> None:
        lines = (work(account, 1, place="Mars"), work(account, 2), work(account, 3), work(account, 4, minutes=9999))

        assert wrong(employer, *lines) == [(1, "place"), (3, "first_day"), (4, "minutes")]

    def test_says_that_work_elsewhere_owes_nothing(self, employer: Employer, account: BenefitAccount) -> None:
        (line,) = preview(employer, work(account, place="US-OR/Portland")).lines

        assert (line.rule, line.owed_cents) == ("", 0)
        assert line.explanation.startswith("Work outside of Washington")

    def test_of_nothing_is_refused(self, employer: Employer) -> None:
        with pytest.raises(NothingReported):
            preview(employer)

    def test_of_more_lines_than_the_policy_takes_is_refused(self, app: Flask) -> None:
        with unit_of_work():
            open_program(NEW_YORK)
            employer = make_employer(sector="stage")
        line = ReportLine(1, NUMBER, TODAY, TODAY, "US-NY")

        with pytest.raises(TooManyLines):
            preview(employer, *[line] * 50_001)


class TestRules:
    def test_holds_is_that_of_the_day_of_the_work(self, employer: Employer, account: BenefitAccount) -> None:
        # The floor for any work began on 1 July 2025; creative work pays once $1,000 is earned in a quarter.
        before = work(account, first_day=date(2025, 9, 29), last_day=date(2025, 9, 29), sector="rides", fee_cents=1000)

        (line,) = preview(employer, before).lines

        assert line.rule == "any_work"  # 50 workers and more would owe by the rule for rides

    def test_of_a_threshold_counts_what_was_reported_before(self, employer: Employer, account: BenefitAccount) -> None:
        def earned(day: int, dollars: int, line: int = 1) -> ReportLine:
            on = date(2026, 10, day)
            return work(account, line, sector="creative", first_day=on, last_day=on, earnings_cents=dollars * 100)

        # Told in any order, it is the later work that crosses the threshold, and brings in all of the quarter.
        report = preview(employer, earned(3, 300, 1), earned(1, 600, 2), earned(2, 300, 3))
        assert [line.owed_cents for line in report.lines] == [4800, 0, 0]
        with unit_of_work():
            contributions.submit([earned(1, 600)], employer=employer, source="form", by=BY, at=AT)
        (later,) = preview(employer, earned(2, 500)).lines
        assert later.owed_cents == 4400
        assert "$1,000.00 having been earned" in later.explanation

    def test_of_large_employers_counts_the_workers_of_twelve_months(self, employer: Employer) -> None:
        with unit_of_work():
            people = [make_account(f"Worker Number{n}") for n in range(50)]

        def ride(account: BenefitAccount, line: int) -> ReportLine:
            return work(account, line, sector="rides", fee_cents=1000)

        few = preview(employer, *(ride(one, line) for line, one in enumerate(people[:49], 1)))
        assert {line.rule for line in few.lines} == {"any_work"}
        with unit_of_work():
            contributions.submit(
                [ride(one, n) for n, one in enumerate(people[:49], 1)], employer=employer, source="csv", by=BY, at=AT
            )
        (fiftieth,) = preview(employer, ride(people[49], 1)).lines
        assert (fiftieth.rule, fiftieth.owed_cents) == ("app_work", 250)


@pytest.mark.slow
class TestSize:
    def test_of_a_report_does_not_change_how_often_the_database_is_asked(self, employer: Employer) -> None:
        with unit_of_work():
            people = [make_account(f"Worker Number{n}") for n in range(40)]
        days = [date(2026, 10, 1) + timedelta(n) for n in range(28)]
        lines = [
            work(one, line, first_day=day, last_day=day)
            for line, (one, day) in enumerate(((one, day) for one in people for day in days), 1)
        ]

        preview(employer, lines[0])
        with _counted() as small:
            preview(employer, *lines[:28])
        with _counted() as large:
            preview(employer, *lines)

        assert small == large
        began = time.perf_counter()
        preview(employer, *lines)
        print(f"{len(lines) / (time.perf_counter() - began):,.0f} lines a second")


@contextmanager
def _counted() -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        asked.append(statement.split("FROM", maxsplit=1)[0])

    event.listen(db.engine, "before_cursor_execute", note)
    yield asked
    event.remove(db.engine, "before_cursor_execute", note)
