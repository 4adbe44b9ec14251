"""Can the operator look after jobs and rules from the command line?"""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask

from exchange import clock
from exchange.database import db, unit_of_work
from exchange.identity import organizations
from exchange.identity.actors import system_actor
from exchange.identity.organizations import OrganizationKind
from exchange.ledger.accounts import AccountKind, LedgerSharedBalance, Line, open_lines
from exchange.money import Unit
from tests.conftest import Cli
from tests.support.scheduling import move_to, runs


class TestJobList:
    def test_names_each_job_what_it_does_and_when_it_is_due(self, cli: Cli) -> None:
        shown = cli("job", "list")

        assert shown.exit_code == 0
        assert "fold-shared-balances\n    Adds up the changes of lines that many share" in shown.output
        assert "due: " in shown.output

    def test_tells_what_came_of_the_last_run(self, cli: Cli) -> None:
        cli("job", "run", "check-invariants", "--on", "2026-01-05")

        assert "last: done for 2026-01-05" in cli("job", "list").output


class TestJobRun:
    def test_does_the_date_that_is_asked_for(self, cli: Cli) -> None:
        ran = cli("job", "run", "check-invariants", "--on", "2026-01-05")

        assert ran.exit_code == 0
        assert "check-invariants for 2026-01-05: done, late: " in ran.output
        assert [run.due_key for run in runs("check-invariants")] == ["2026-01-05"]

    def test_refuses_in_words_what_is_already_done(self, cli: Cli) -> None:
        cli("job", "run", "check-invariants", "--on", "2026-01-05")

        again = cli("job", "run", "check-invariants", "--on", "2026-01-05")

        assert again.exit_code == 1
        assert "Error: check-invariants is already done for 2026-01-05." in again.output
        assert len(runs("check-invariants")) == 1

    def test_refuses_an_unknown_job_and_says_where_they_are_listed(self, cli: Cli) -> None:
        ran = cli("job", "run", "no-such-job")

        assert ran.exit_code == 1
        assert "flask job list" in ran.output

    def test_refuses_a_date_that_has_not_come(self, cli: Cli) -> None:
        ran = cli("job", "run", "check-invariants", "--on", "2999-01-01")

        assert ran.exit_code == 1
        assert runs("check-invariants") == []

    def test_does_what_is_due_without_a_date(self, app: Flask, cli: Cli) -> None:
        app.config["DEMO"] = True
        at = clock.now().replace(hour=12)
        for days in (1, 3):
            move_to(datetime.fromordinal(at.toordinal() + days).replace(hour=12, tzinfo=UTC))
            ran = cli("job", "run", "fold-shared-balances")

        assert ran.exit_code == 0
        assert [run.late for run in runs("fold-shared-balances")] == [False, False]


class TestInvariants:
    def test_lists_each_rule_and_is_content_with_books_that_are_well(self, cli: Cli) -> None:
        shown = cli("invariants")

        assert shown.exit_code == 0
        assert "ok       2. the books sum to zero, per unit" in shown.output
        assert "broken" not in shown.output

    def test_names_what_is_broken_and_exits_with_one(self, cli: Cli) -> None:
        spoil_the_books()

        shown = cli("invariants")

        assert shown.exit_code == 1
        assert "broken   2. the books sum to zero, per unit" in shown.output
        assert "all balances in USD sum to 1" in shown.output

    def test_are_marked_on_the_run_of_the_job_that_asks_them(self, cli: Cli) -> None:
        spoil_the_books()

        ran = cli("job", "run", "check-invariants", "--on", "2026-01-05")

        assert ran.exit_code == 1
        assert "all balances in USD sum to 1" in (runs("check-invariants")[0].broken or "")


def spoil_the_books() -> None:
    """Write a balance past the journal, as no operation does."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with unit_of_work():
        operator = organizations.found("The exchange", kind=OrganizationKind.OPERATOR, by=system_actor("test"), at=at)
        line = Line(AccountKind.OUTSIDE, operator.id, Unit.USD)
        account_id = open_lines([line])[line]
        db.session.get_one(LedgerSharedBalance, account_id).amount = 1
