"""Does a regulator see whether the books hold, and who did what?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from exchange import audit
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.identity import organizations
from exchange.identity.actors import Audience
from exchange.identity.organizations import OrganizationKind
from exchange.ledger.accounts import AccountKind, LedgerBalance, Line, open_lines
from exchange.ledger.journal import Posting, Transfer, post
from exchange.money import Unit
from tests.support.provider_makers import AT, BY, open_program, qualified
from tests.support.signing_in import make_login, sign_in


@pytest.fixture
def regulator(app: Flask, client: FlaskClient) -> FlaskClient:
    in_unit_of_work(open_program)
    board = organizations.named("The board", kind=OrganizationKind.REGULATOR)
    assert board is not None
    sign_in(client, make_login(Audience.REGULATOR, "Rita Moss", organization_id=board.id))
    return client


def owe(cents: int) -> int:
    """Harbor Union owes a worker so much; its id."""

    def work() -> int:
        provider_id = qualified().organization_id
        outside = Line(AccountKind.OUTSIDE, provider_id, Unit.USD)
        worker = Line(AccountKind.WORKER, provider_id, Unit.USD, "emergency", 1)
        ids = open_lines([outside, worker])
        post([Posting("t", "test", AT.date(), (Transfer(ids[outside], ids[worker], Unit.USD, cents),))], by=BY, at=AT)
        return provider_id

    return in_unit_of_work(work)


class TestBooks:
    def test_asks_the_rules_only_when_told_to(self, regulator: FlaskClient) -> None:
        page = regulator.get("/regulator/books/")

        assert page.status_code == 200
        assert "replaying the journal gives the same balances" in page.text
        assert "Not asked" in page.text
        assert "Every rule holds" not in page.text

    def test_says_that_every_rule_holds(self, regulator: FlaskClient) -> None:
        owe(12_345)

        page = regulator.get("/regulator/books/?check=1").text

        assert "Every rule holds" in page
        assert "Not asked" not in page

    @pytest.mark.breaks_rules
    def test_names_the_rule_that_is_broken_and_what_breaks_it(self, regulator: FlaskClient) -> None:
        owe(12_345)
        with unit_of_work():  # behind the journal's back
            db.session.execute(update(LedgerBalance).values(amount=LedgerBalance.amount + 1))

        page = regulator.get("/regulator/books/?check=1").text

        assert "Rules are broken" in page
        assert "all balances in USD sum to 1" in page

    def test_shows_sums_that_come_to_zero_and_what_cannot_be_seen(self, regulator: FlaskClient) -> None:
        owe(12_345)

        page = regulator.get("/regulator/books/").text

        assert "$123.45" in page
        assert "−$123.45" in page
        assert "Everything together: $0.00 and 0 min" in page
        assert "What this cannot show" in page

    def test_gives_the_sums_as_a_file(self, regulator: FlaskClient) -> None:
        owe(12_345)

        answer = regulator.get("/regulator/books/books.csv")

        assert answer.mimetype == "text/csv"
        assert '"Harbor Union","provider",12345,0,0,0,0,-12345,0' in answer.text


class TestAuditLog:
    def test_shows_the_latest_and_what_is_asked_for(self, regulator: FlaskClient) -> None:
        with unit_of_work():
            audit.record("provider.suspended", "provider:7", by=BY, at=AT, reason="=cmd|' /C calc'!A0")

        everything = regulator.get("/regulator/audit/").text
        narrowed = regulator.get("/regulator/audit/?action=provider&subject=provider:7&first_day=2026-11-02").text
        nothing = regulator.get("/regulator/audit/?action=nothing&first_day=yesterday&audience=nobody&before=x").text

        assert "organization.founded" in everything
        assert "organization.founded" not in narrowed
        assert "provider.suspended" in narrowed
        assert "No deed is like that" in nothing

    def test_leaves_as_a_file_that_runs_nothing(self, regulator: FlaskClient) -> None:
        with unit_of_work():
            audit.record("provider.suspended", "provider:7", by=BY, at=AT, reason="=cmd|' /C calc'!A0")

        answer = regulator.get("/regulator/audit/audit.csv?action=provider.suspended")

        assert "\"'=cmd|' /C calc'!A0\"" in answer.text
        assert "organization.founded" not in answer.text
