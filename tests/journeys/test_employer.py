"""Does an employer get from a worker's card to a paid contribution without help?"""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from enrollment.models import BenefitAccount, Employer, Remittance
from enrollment.report_drafts import ReportDraft
from exchange import clock
from exchange.database import db, unit_of_work
from exchange.identity.actors import Audience
from exchange.identity.people import Login
from exchange.money import Unit
from tests.conftest import Cli
from tests.support.browser import assert_accessible, assert_fits
from tests.support.employer_makers import balances_of, make_account, make_employer, open_program, pay
from tests.support.signing_in import form_token, make_login, post, sign_in

HEAD = "account_number,first_day,place,minutes,jobs,extra\r\n"


@pytest.fixture
def employer(app: Flask) -> Employer:
    with unit_of_work():
        open_program()
        return make_employer("The Flores family", kind="household", sector="care")


@pytest.fixture
def account(employer: Employer) -> BenefitAccount:
    with unit_of_work():
        return make_account()


@pytest.fixture
def boss(client: FlaskClient, employer: Employer) -> FlaskClient:
    sign_in(client, make_login(Audience.EMPLOYER, "Kim Boss", organization_id=employer.organization_id))
    return client


def today() -> str:
    return (clock.now() - timedelta(days=1)).date().isoformat()


def form_line(account: BenefitAccount, **changes: str) -> dict[str, str]:
    """A row of the form as a browser sends it."""
    given = {
        "number": account.number, "first_day": today(), "last_day": today(), "place": "US-WA", "sector": "care",
        "worker_class": "W-2", "time-hours": "2", "time-minutes": "30",
    }  # fmt: skip
    return {f"lines-0-{name}": value for name, value in {**given, **changes}.items()}


def upload(client: FlaskClient, text: str | bytes) -> TestResponse:
    raw = text.encode() if isinstance(text, str) else text
    data = {"csrf_token": form_token(client), "file": (io.BytesIO(raw), "work.csv")}
    return client.post("/employer/report/file", data=data, content_type="multipart/form-data")


def send(client: FlaskClient, draft: str, **said: str) -> TestResponse:
    """Confirm what the page of the draft shows."""
    shown = re.search(r'name="total_cents"[^>]* value="([0-9]+)"', client.get(draft).text)
    assert shown is not None
    return post(client, f"{draft}/send", {"total_cents": shown[1], **said})


def kept() -> tuple[int, int]:
    """Drafts and remittances."""
    return tuple(
        db.session.execute(select(func.count()).select_from(t)).scalar_one() for t in (ReportDraft, Remittance)
    )  # type: ignore[return-value]


class TestForm:
    def test_leads_by_way_of_a_check_to_a_remittance(self, boss: FlaskClient, account: BenefitAccount) -> None:
        taken = post(boss, "/employer/report/", form_line(account, family_name="Flores"))
        checked = boss.get(taken.headers["Location"])
        assert "2 h 30 min at $2.00 per hour = $5.00" in checked.text
        assert kept() == (1, 0)

        sent = send(boss, taken.headers["Location"])

        assert "Pay $5.00" in boss.get(sent.headers["Location"]).text
        assert kept() == (0, 1)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"number": "PB-0000-0000-1"}, "number"),
            ({"family_name": "Somebody"}, "family_name"),
            ({"time-hours": "25", "time-minutes": ""}, "time-hours"),
            ({"time-hours": "１", "time-minutes": ""}, "time-hours"),
            ({"time-hours": "", "time-minutes": ""}, "time-hours"),
            ({"first_day": "2023-12-31", "last_day": "2023-12-31"}, "first_day"),
            ({"first_day": ""}, "first_day"),
            ({"extra_cents": "1e3"}, "extra_cents"),
            ({"place": "US-WA/Atlantis"}, "place"),
        ],
    )
    def test_shows_what_is_wrong_at_the_field(
        self, boss: FlaskClient, account: BenefitAccount, changes: dict[str, str], field: str
    ) -> None:
        answer = post(boss, "/employer/report/", form_line(account, **changes))

        assert answer.status_code == 422
        assert f'href="#lines-0-{field}"' in answer.text
        assert kept() == (0, 0)

    def test_of_nothing_is_refused(self, boss: FlaskClient, account: BenefitAccount) -> None:
        assert post(boss, "/employer/report/", form_line(account, number="")).status_code == 422
        assert post(boss, "/employer/report/").status_code == 422

    def test_takes_at_most_ten_workers(self, boss: FlaskClient) -> None:
        assert boss.get("/employer/report/?rows=10").text.count("Account number") == 10
        assert boss.get("/employer/report/?rows=99").text.count("Account number") == 10
        assert boss.get("/employer/report/?rows=x").status_code == 200


class TestFile:
    def test_shows_every_problem_and_keeps_nothing(self, boss: FlaskClient, account: BenefitAccount) -> None:
        rows = [f"{account.number},{today()},US-WA,60,,", "PB-0000-0000-1,tomorrow,Mars,-1,=1+1,1e3"]
        answer = upload(boss, HEAD + "\r\n".join(rows))

        assert answer.status_code == 422
        assert answer.text.count("<tr>") >= 5
        assert "=1+1" not in answer.text
        assert kept() == (0, 0)

    @pytest.mark.parametrize(
        "file", ["", "number\r\n1", HEAD.replace("jobs", "minutes"), b"\xff\xfea\x00", "PK\x03\x04", HEAD + '"']
    )
    def test_that_is_no_report_is_refused(self, boss: FlaskClient, file: str | bytes) -> None:
        answer = upload(boss, file)

        assert answer.status_code == 422
        assert kept() == (0, 0)

    def test_template_is_one_that_we_would_read(self, boss: FlaskClient) -> None:
        template = boss.get("/employer/report/template.csv")

        assert template.mimetype == "text/csv"
        answer = upload(boss, template.data)
        assert answer.status_code == 422
        assert "No account has this number" in answer.text  # the example's, and nothing else is wrong with it
        assert "1 thing" in answer.text or "One thing" in answer.text

    def test_sent_twice_is_taken_once(self, boss: FlaskClient, account: BenefitAccount) -> None:
        text = HEAD + f"{account.number},{today()},US-WA,60,,"
        first = upload(boss, text).headers["Location"]
        assert send(boss, first).status_code == 303

        second = upload(boss, text).headers["Location"]
        assert "already" in boss.get(second).text
        assert post(boss, f"{second}/send").status_code == 409
        assert kept() == (1, 1)
        assert post(boss, f"{second}/drop").status_code == 303
        assert kept() == (0, 1)


class TestOthers:
    def test_see_neither_draft_nor_remittance_nor_export(
        self, app: Flask, boss: FlaskClient, account: BenefitAccount
    ) -> None:
        draft = upload(boss, HEAD + f"{account.number},{today()},US-WA,60,,").headers["Location"]
        other = app.test_client()
        with unit_of_work():
            stranger = make_employer("Green Cab").organization_id
        sign_in(other, make_login(Audience.EMPLOYER, "Lee Stranger", organization_id=stranger))

        assert other.get(draft).status_code == 404
        assert post(other, f"{draft}/send").status_code == 404
        remittance = send(boss, draft).headers["Location"]
        assert [other.get(f"{remittance}{end}").status_code for end in ("", ".csv")] == [404, 404]
        assert [post(other, f"{remittance}/{deed}").status_code for deed in ("pay", "cancel")] == [404, 404]
        assert boss.get(f"{remittance}.csv").text.count(account.number) == 1


class TestCorrection:
    def test_is_asked_by_the_employer_and_decided_by_the_operator(
        self, boss: FlaskClient, app: Flask, account: BenefitAccount
    ) -> None:
        draft = upload(boss, HEAD + f"{account.number},{today()},US-WA,60,,").headers["Location"]
        remittance = send(boss, draft).headers["Location"]
        pay(int(remittance.rpartition("/")[2]), at=clock.now())
        link = re.search(r"/employer/contributions/[0-9]+/correction", boss.get(remittance).text)
        assert link is not None
        assert post(boss, link[0], {"reason": ""}).status_code == 422
        assert post(boss, link[0], {"reason": "Reported for the wrong person"}).status_code == 303
        assert post(boss, link[0], {"reason": "Again"}).status_code == 422

        operator = app.test_client()
        sign_in(operator, make_login(Audience.OPERATOR, "Olga"))
        asked = re.search(r"/operator/corrections/[0-9]+", operator.get("/operator/corrections/").text)
        assert asked is not None
        assert "wrong person" in operator.get(asked[0]).text
        assert post(operator, asked[0]).status_code == 422  # neither carried out nor refused with a reason
        assert post(operator, asked[0], {"decision": "carry_out"}).status_code == 303
        assert post(operator, asked[0], {"decision": "carry_out"}).status_code == 422

        assert balances_of(account.id) == {}
        assert "Taken back" in boss.get(remittance).text
        assert "Credit" in boss.get("/employer/").text


class TestToken:
    def test_is_shown_once_and_works_until_revoked(self, boss: FlaskClient, app: Flask) -> None:
        made = post(boss, "/employer/tokens/", {"name": "Payroll"})
        token = re.search(r"pbx_[\w-]{43}", made.text)
        assert token is not None
        assert token[0] not in boss.get("/employer/tokens/").text
        bearer = {"Authorization": f"Bearer {token[0]}"}
        assert app.test_client().get("/api/v1/remittances", headers=bearer).status_code == 200

        address = re.search(r"/employer/tokens/[0-9]+/revoke", made.text)
        assert address is not None
        post(boss, address[0])

        assert app.test_client().get("/api/v1/remittances", headers=bearer).status_code == 401

    def test_of_a_colleague_who_is_let_in_no_more_says_so_beside_the_button_that_stops_it(
        self, boss: FlaskClient, app: Flask, cli: Cli, employer: Employer
    ) -> None:
        colleague = app.test_client()
        sign_in(colleague, make_login(Audience.EMPLOYER, "Lee Gone", organization_id=employer.organization_id))
        assert post(colleague, "/employer/tokens/", {"name": "Payroll"}).status_code == 200
        assert "can no longer sign in" not in boss.get("/employer/tokens/").text
        email = db.session.execute(select(Login.email).where(Login.name == "Lee Gone")).scalar_one()

        assert cli("disable", email, "--reason", "left").output == f"{email} may not sign in any more.\n"
        shown = boss.get("/employer/tokens/").text
        assert "Lee Gone: <strong>can no longer sign in" in shown
        assert colleague.get("/employer/tokens/").status_code == 302

        assert cli("enable", email, "--reason", "came back").output == f"{email} may sign in again.\n"
        assert "can no longer sign in" not in boss.get("/employer/tokens/").text
        assert "Nobody signs in as" in cli("disable", "nobody@example.org", "--reason", "left").output


@pytest.mark.journey
@pytest.mark.parametrize("engine_name", ["sqlite"])
class TestHousehold:
    def test_reports_and_pays_for_the_nanny(
        self, live_server: str, page: Page, employer: Employer, account: BenefitAccount, client: FlaskClient
    ) -> None:
        _become(page, live_server, client, employer)
        page.goto(f"{live_server}/employer/report/")
        page.get_by_label("Account number").fill(account.number)
        page.get_by_label("First day of work").fill(today())
        page.get_by_label("Last day of work").fill(today())
        page.get_by_label("Hours").fill("3")
        _looks_right(page)
        page.get_by_role("button", name="See what it costs").click()
        expect(page.get_by_text("3 h at $2.00 per hour = $6.00")).to_be_visible()
        _looks_right(page)
        page.get_by_role("button", name="Send this report").click()
        expect(page.get_by_role("button", name="Pay $6.00")).to_be_visible()
        _looks_right(page)
        page.get_by_role("button", name="Pay $6.00").click()
        page.get_by_role("button", name=re.compile("Pay")).click()
        expect(page.get_by_text("Every worker's share has gone")).to_be_visible()

        db.session.rollback()
        money = sum(cents for (_, unit), cents in balances_of(account.id).items() if unit is Unit.USD)
        assert money == 600
        for path in ("/employer/", "/employer/workers", "/employer/tokens/", "/employer/report/file"):
            page.goto(live_server + path)
            _looks_right(page)


def _become(page: Page, address: str, client: FlaskClient, employer: Employer) -> None:
    sign_in(client, make_login(Audience.EMPLOYER, "Kim Boss", organization_id=employer.organization_id))
    cookie = client.get_cookie("session")
    assert cookie is not None
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])


def _looks_right(page: Page) -> None:
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert_accessible(page)
        assert_fits(page)
