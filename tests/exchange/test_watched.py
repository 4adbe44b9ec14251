"""Does the audit log tell of readings what it has to: whom a page was refused, and who took which file?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Row, delete, select

from enrollment import employers
from enrollment.models import Employer
from exchange.audit import AuditEvent
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.identity.actors import Audience
from exchange.identity.login.rates import RateLimit
from exchange.web import watched
from tests.support.signing_in import AT, make_login, post, sign_in
from tests.support.worker_makers import BY, Market, login_of

NOON = datetime(2026, 11, 2, 20, tzinfo=UTC)


def noted(action: str) -> list[Row[Any]]:
    """What the audit log tells of the action, the oldest first."""
    e = AuditEvent
    rows = select(e.subject, e.facts, e.audience, e.login_id, e.organization_id, e.request_id, e.address)
    return list(db.session.execute(rows.where(e.action == action).order_by(e.id)))


@pytest.fixture
def ada(client: FlaskClient) -> int:
    """A worker who is signed in."""
    login_id = make_login(Audience.WORKER)
    sign_in(client, login_id)
    return login_id


@pytest.fixture
def later(app: Flask) -> None:
    """A minute passes for this machine alone: that is no wrong clock."""
    app.config["CLOCKS_MUST_AGREE"] = False


class TestRefusal:
    def test_of_another_audiences_page_tells_who_which_and_how_it_ended(self, client: FlaskClient, ada: int) -> None:
        answer = client.get("/regulator/audit/?who=Ada")

        assert answer.status_code == 403
        (event,) = noted("page.refused")
        assert (event.subject, event.facts) == ("page:regulator_audit.show", "GET 403")
        assert (event.audience, event.login_id, event.address) == ("worker", ada, "127.0.0.1")
        assert event.request_id == answer.headers["X-Request-ID"]

    def test_of_what_is_anothers_names_the_number_that_was_tried(self, client: FlaskClient) -> None:
        sign_in(client, make_login(Audience.EMPLOYER))

        assert client.get("/employer/remittances/987654").status_code == 404
        assert [event.facts for event in noted("page.refused")] == ["GET 404 remittance_id=987654"]

    def test_of_a_form_is_told_as_well(self, client: FlaskClient, ada: int) -> None:
        assert post(client, "/regulator/bundles/7/take").status_code == 403

        (event,) = noted("page.refused")
        assert (event.subject, event.facts) == ("page:regulator_bundles.take", "POST 403 order_id=7")

    def test_of_a_program_tells_whose_it_is(self, app: Flask) -> None:
        market = Market()
        employer_id = market.employers[0]
        employer = db.session.get_one(Employer, employer_id)
        token = in_unit_of_work(lambda: employers.make_token(employer, name="Payroll", by=BY, at=AT))
        headers = {"Authorization": f"Bearer {token}"}

        assert app.test_client().get("/api/v1/remittances/987654", headers=headers).status_code == 404

        (event,) = noted("page.refused")
        assert (event.audience, event.organization_id, event.login_id) == ("employer", employer_id, None)

    @pytest.mark.parametrize("address", ["/regulator/audit/", "/no-such-page"])
    def test_to_a_visitor_is_none(self, client: FlaskClient, address: str) -> None:
        client.get(address)

        assert noted("page.refused") == []

    def test_is_not_an_address_that_leads_nowhere(self, client: FlaskClient, ada: int) -> None:
        assert client.get("/no-such-page").status_code == 404
        assert client.get("/static/no-such.css").status_code == 404

        assert noted("page.refused") == []

    @pytest.mark.usefixtures("later")
    def test_in_a_loop_fills_nothing_and_says_when_it_is_told_no_more(self, client: FlaskClient, ada: int) -> None:
        with time_machine.travel(NOON, tick=False) as machine:
            sign_in(client, ada)
            for _ in range(watched.REFUSALS_A_MINUTE + 5):
                assert client.get("/regulator/audit/").status_code == 403
            first = [event.facts for event in noted("page.refused")]
            machine.shift(timedelta(seconds=61))
            client.get("/regulator/audit/")

        assert first == ["GET 403"] * (watched.REFUSALS_A_MINUTE - 1) + ["GET 403 last of this minute"]
        assert len(noted("page.refused")) == watched.REFUSALS_A_MINUTE + 1

    def test_of_one_login_hides_none_of_anothers(self, app: Flask, client: FlaskClient, ada: int) -> None:
        for _ in range(watched.REFUSALS_A_MINUTE + 1):
            client.get("/regulator/audit/")
        ben, other = make_login(Audience.WORKER, "Ben Ortiz"), app.test_client()
        sign_in(other, ben)
        other.get("/regulator/audit/")

        assert noted("page.refused")[-1].login_id == ben

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_holds_where_it_cannot_be_noted(self, client: FlaskClient, ada: int) -> None:
        with unit_of_work():
            db.session.execute(db.text("ALTER TABLE rate_limit RENAME TO rate_limit_away"))
        try:
            assert client.get("/regulator/audit/").status_code == 403
        finally:
            with unit_of_work():
                db.session.execute(db.text("ALTER TABLE rate_limit_away RENAME TO rate_limit"))


class TestFile:
    def test_of_a_roster_tells_who_took_it_and_how_many_are_in_it(self, app: Flask, client: FlaskClient) -> None:
        market = Market()
        for name in ("Ada Flores", "Ben Ortiz"):
            market.contribute(market.worker(name, package=0), months=1)
        sam = market.staff(0)
        sign_in(client, sam)

        assert client.get("/provider/members/members.csv").text.count("Harbor Complete") == 2
        client.get("/provider/members/")

        (event,) = noted("file.taken")
        assert (event.subject, event.facts, event.login_id) == ("page:provider_members.as_csv", "rows=2", sam)

    def test_of_the_audit_log_tells_how_much_of_it(self, client: FlaskClient) -> None:
        sign_in(client, make_login(Audience.REGULATOR))

        lines = client.get("/regulator/audit/audit.csv").text.splitlines()

        assert [event.facts for event in noted("file.taken")] == [f"rows={len(lines) - 1}"]

    def test_of_ones_own_money_is_told_too(self, client: FlaskClient) -> None:
        market = Market()
        market.contribute(market.worker("Ada Flores"), months=1)
        sign_in(client, login_of("ada.flores@example.org").id)

        client.get("/worker/contributions.csv")

        assert [event.subject for event in noted("file.taken")] == ["page:worker_home.contributions_csv"]

    def test_does_not_leave_unnoted(self, client: FlaskClient) -> None:
        """So many in a minute, and every one of them stands in the log."""
        sign_in(client, make_login(Audience.REGULATOR))

        answers = [client.get("/regulator/books/books.csv") for _ in range(watched.FILES_A_MINUTE + 2)]

        assert [one.status_code for one in answers] == [200] * watched.FILES_A_MINUTE + [429] * 2
        assert answers[-1].headers["Retry-After"] == "60"
        assert "Wait a minute" in answers[-1].text
        assert len(noted("file.taken")) == watched.FILES_A_MINUTE
        with unit_of_work():
            db.session.execute(delete(RateLimit))
        assert client.get("/regulator/books/books.csv").status_code == 200
