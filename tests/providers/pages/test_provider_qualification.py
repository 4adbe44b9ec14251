"""Does an organization come in by the form, and show what qualification asks for?"""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from exchange.database import db, unit_of_work
from exchange.identity import login
from exchange.identity.login.newcomers import LETTERS_AN_HOUR
from exchange.identity.organizations import Organization
from exchange.identity.people import Login
from exchange.outgoing_mail import OutgoingMail
from providers.models import BoardSeat, CriterionState, Provider, ProviderCriterion, ProviderState
from providers.pages.apply import AT_MOST_AN_HOUR
from tests.support.counting import statements
from tests.support.signing_in import post, sign_in
from tests.support.spanish import teach
from tests.support.worker_makers import Market

APPLICATION = {
    "name": "Sound Interpreters Guild",
    "kind": "professional_association",
    "ein": "91-7654321",
    "summary": "For interpreters and translators.",
    "website": "https://example.org/guild",
    "public_email": "hello@example.org",
    "phone": "+1 206 555 0100",
    "person": "Noor Haddad",
    "email": "noor@example.org",
}


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


@pytest.fixture
def staff(market: Market, client: FlaskClient) -> FlaskClient:
    sign_in(client, market.staff(0))
    return client


def apply(client: FlaskClient, **changes: str) -> Any:
    return post(client, "/apply", {**APPLICATION, **changes})


def organizations() -> int:
    return db.session.execute(select(func.count()).select_from(Organization)).scalar_one()


def letters_to(address: str) -> list[str]:
    m = OutgoingMail
    return list(db.session.execute(select(m.body).where(m.recipient == address).order_by(m.id)).scalars())


def criterion(market: Market, code: str) -> ProviderCriterion:
    key = (market.provider_of(market.packages[0]), code)
    return db.session.get_one(ProviderCriterion, key, populate_existing=True)


class TestApplying:
    def test_is_slowed_down_for_who_tries_many_addresses(self, market: Market, client: FlaskClient) -> None:
        before = organizations()

        answers = [apply(client, email="nonsense").status_code for _ in range(AT_MOST_AN_HOUR)]

        assert set(answers) == {422}
        assert apply(client).status_code == 429
        assert organizations() == before

    def test_enters_the_organization_and_who_signs_in_for_it(self, market: Market, client: FlaskClient) -> None:
        answer = apply(client)

        made = login.by_email("noor@example.org")
        assert (answer.status_code, answer.location) == (303, "/apply/sent")
        assert made is not None and made.password is None and made.organization_id is not None
        provider = db.session.get_one(Provider, made.organization_id)
        assert (provider.state, provider.takes_new_members) == (ProviderState.APPLIED, False)
        assert client.get(f"/providers/{provider.organization_id}").status_code == 404

        sign_in(client, made.id)
        page = client.get("/provider/")
        assert "Your application is with the regulators." in page.text
        assert "Show evidence: " in page.text

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": "Evil\u202eguild"}, "name"),
            ({"name": "Harb0r Drivers Uni0n"}, "name"),
            ({"name": "x" * 201}, "name"),
            ({"kind": "bank"}, "kind"),
            ({"ein": "１２-3456789"}, "ein"),
            ({"ein": "12-345678"}, "ein"),
            ({"ein": "1e9"}, "ein"),
            ({"website": "javascript:alert(1)"}, "website"),
            ({"website": "https://user@example.org"}, "website"),
            ({"website": "http://example.org"}, "website"),
            ({"public_email": "nobody"}, "public_email"),
            ({"phone": "call me"}, "phone"),
            ({"person": "\u200b"}, "person"),
            ({"email": "noor"}, "email"),
        ],
    )
    def test_refuses_at_the_field_and_enters_nothing(
        self, market: Market, client: FlaskClient, changes: dict[str, str], field: str
    ) -> None:
        before = organizations()

        answer = apply(client, **changes)

        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
        assert organizations() == before
        assert login.by_email("noor@example.org") is None

    def test_goes_on_by_a_letter_in_which_one_chooses_a_password(self, market: Market, client: FlaskClient) -> None:
        apply(client)
        assert "noor@example.org" in client.get("/apply/sent").text
        link = re.search(r"http://localhost(/password/reset/\S+)", letters_to("noor@example.org")[-1])
        assert link is not None
        chosen = "nine quiet herons"
        post(client, link[1], {"password": chosen, "password_confirm": chosen})

        post(client, "/sign-in", {"email": "noor@example.org", "password": chosen})

        assert "authenticator" in client.get("/account/second-step").text

    def test_tells_nobody_whether_an_address_has_an_account(
        self, app: Flask, market: Market, client: FlaskClient
    ) -> None:
        apply(client)
        asked, shown = [], []
        for number, email in enumerate(("new@example.org", "Noor@example.org", "other@example.org")):
            visitor = app.test_client()
            with statements() as told:
                answer = apply(visitor, name=f"Guild of {'ABC'[number]}", ein=f"95550000{number}", email=email)
            assert (answer.status_code, answer.location) == (303, "/apply/sent")
            page = visitor.get("/apply/sent")
            shown.append(page.text.replace(email.lower(), "").replace(page.headers["X-Request-ID"], ""))
            asked.append(len(told))
        assert shown[0] == shown[1] == shown[2]
        assert abs(asked[1] - asked[2]) <= 3, "whose address it is takes as long as a new one"
        taken = [apply(client, email=email).text for email in ("noor@example.org", "another@example.org")]
        assert all("is already registered" in page for page in taken)

    def test_tells_the_owner_of_an_address_in_his_language_and_enters_nothing(
        self, market: Market, client: FlaskClient
    ) -> None:
        apply(client)
        with unit_of_work():
            db.session.execute(update(Login).values(language="es"))
        before = organizations()
        teach(client.application)

        apply(client, name="Another Guild", ein="917654322")

        assert organizations() == before
        letter = letters_to("noor@example.org")[-1]
        assert "Alguien" in letter and "http://localhost/sign-in" in letter and "/password/reset/" not in letter

    def test_sends_one_address_a_few_letters_only(self, market: Market, client: FlaskClient) -> None:
        answers = [
            apply(client, name=f"Guild of {letter}", ein=f"95550000{number}").status_code
            for number, letter in enumerate("ABCDEFGHIJ"[: LETTERS_AN_HOUR + 1])
        ]

        assert answers == [303] * LETTERS_AN_HOUR + [422]
        assert len(letters_to("noor@example.org")) == LETTERS_AN_HOUR

    def test_shows_nothing_sent_to_whoever_sent_nothing(self, market: Market, client: FlaskClient) -> None:
        assert client.get("/apply/sent").location == "/apply"


class TestEvidence:
    def test_waits_for_a_reviewer(self, staff: FlaskClient, market: Market) -> None:
        answer = post(staff, "/provider/qualification/evidence/fidelity_bond", {"evidence": "Bond 77 of 2 January."})

        row = criterion(market, "fidelity_bond")
        assert answer.status_code == 303
        assert (row.evidence, row.state) == ("Bond 77 of 2 January.", CriterionState.OPEN)

    @pytest.mark.parametrize("text", ["", "   ", "x" * 4_001, "\u202ereversed", "\x07"])
    def test_is_text_that_can_be_read(self, staff: FlaskClient, market: Market, text: str) -> None:
        answer = post(staff, "/provider/qualification/evidence/fidelity_bond", {"evidence": text})

        assert answer.status_code == 422
        assert db.session.get(ProviderCriterion, (market.provider_of(market.packages[0]), "fidelity_bond")) is None

    @pytest.mark.parametrize("code", ["nonprofit", "nonsense"])
    def test_of_one_s_own_counts_nothing_where_the_register_speaks(self, staff: FlaskClient, code: str) -> None:
        answer = post(staff, f"/provider/qualification/evidence/{code}", {"evidence": "We are one."})

        assert (answer.status_code, answer.location) == (303, "/provider/qualification/")
        assert db.session.execute(select(func.count()).select_from(ProviderCriterion)).scalar_one() == 0

    def test_of_the_register_is_asked_for_again(self, staff: FlaskClient, market: Market) -> None:
        post(staff, "/provider/qualification/register")

        row = criterion(market, "nonprofit")
        assert row.state is CriterionState.NOT_MET
        assert "has no EIN" in staff.get("/provider/qualification/").text


class TestBoard:
    def seats(self, market: Market) -> list[tuple[str, str, bool]]:
        provider_id = market.provider_of(market.packages[0])
        rows = select(BoardSeat).where(BoardSeat.provider_id == provider_id).order_by(BoardSeat.seat)
        return [
            (one.holder_name, one.appointed_by, one.elected_by_members) for one in db.session.execute(rows).scalars()
        ]

    def test_is_named_seat_by_seat(self, staff: FlaskClient, market: Market) -> None:
        rows = {
            "seats-0-holder": "Ann Ortiz", "seats-0-appointed_by": "member workers", "seats-0-elected": "y",
            "seats-1-holder": "", "seats-1-appointed_by": "",
            "seats-2-holder": "Dee Harper", "seats-2-appointed_by": "the county",
        }  # fmt: skip

        answer = post(staff, "/provider/qualification/board", rows)

        assert answer.status_code == 303
        assert self.seats(market) == [("Ann Ortiz", "member workers", True), ("Dee Harper", "the county", False)]
        assert "Member workers elect 1 of the board" in staff.get("/provider/qualification/").text

    @pytest.mark.parametrize(
        ("rows", "sentence"),
        [
            ({}, "Name at least one seat."),
            ({"seats-0-holder": "Ann"}, "Say who: member workers, or the body that appoints."),
            ({"seats-0-appointed_by": "the county"}, "Write who holds this seat, or empty the whole row."),
            ({"seats-²-holder": "Ann", "seats-²-appointed_by": "x"}, "Name at least one seat."),
            ({"seats-0-holder": "A\u202enn", "seats-0-appointed_by": "x"}, "a character that cannot be seen"),
        ],
    )
    def test_is_refused_where_it_is_not_whole(
        self, staff: FlaskClient, market: Market, rows: dict[str, str], sentence: str
    ) -> None:
        answer = post(staff, "/provider/qualification/board", rows)

        assert answer.status_code == 422
        assert sentence in answer.text
        assert self.seats(market) == []

    def test_has_no_endless_rows(self, staff: FlaskClient, market: Market) -> None:
        rows = {f"seats-{number}-holder": "Ann" for number in range(100)}
        rows |= {f"seats-{number}-appointed_by": "all" for number in range(100)}

        post(staff, "/provider/qualification/board", rows)

        assert len(self.seats(market)) <= 60
