"""Who gets proofs and receipts, what do the figures say, and what is said while there is nothing to check?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from enrollment.models import Switch
from exchange.database import db
from exchange.identity.actors import Audience
from exchange.ledger.seal_store import LiabilityStatement
from tests.enrollment.test_statement import take_back_the_first
from tests.support.signing_in import make_login, sign_in
from tests.support.witnessing import NAME, Checked, run_verifier
from tests.support.worker_makers import Market, login_of

ADA, BEN = "ada.flores@example.org", "ben.ortiz@example.org"
OTHERS = (Audience.EMPLOYER, Audience.PROVIDER, Audience.REGULATOR, Audience.OPERATOR)


@pytest.fixture
def checked(app: Flask, tmp_path: Path, client: FlaskClient) -> Checked:
    """Ada's balances are stated, and the regulator has signed."""
    return Checked(app, tmp_path, client)


def worker(app: Flask, email: str) -> FlaskClient:
    """Somebody who has signed in."""
    client = app.test_client()
    sign_in(client, login_of(email).id)
    return client


def proof_addresses(client: FlaskClient) -> list[str]:
    """The addresses of the worker's own proofs."""
    return [f"/worker/check/proof-{one['id']}.json" for one in data_of(client)["proofs"]]


def data_of(client: FlaskClient) -> Any:
    """What the script gets."""
    return client.get("/worker/check/data").json


class TestProof:
    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_served_to_its_owner_and_to_nobody_else(self, app: Flask, checked: Checked, client: FlaskClient) -> None:
        ada, ben = worker(app, ADA), worker(app, BEN)
        address = proof_addresses(ada)[0]
        # Of the same statement Ben gets his own, never hers; of one without him, nothing.
        checked.market.switch(checked.ada, 1)
        checked.state()
        hers = next(one for one in reversed(self.statements()) if f"-{one}." not in "".join(proof_addresses(ben)))
        answers = {address: ada.get(address).status_code, "hers to Ben": self.ask(ben, hers)}
        answers |= {one.value: self.ask(self.somebody(app, one), hers) for one in OTHERS}

        assert answers == {address: 200, "hers to Ben": 404, **{one.value: 403 for one in OTHERS}}
        assert client.get(address).location.startswith("/sign-in")
        assert b"Flores" not in ben.get(address).data
        assert b"Flores" not in ben.get("/worker/check/data").data

    @staticmethod
    def statements() -> list[int]:
        return list(db.session.execute(select(LiabilityStatement.id).order_by(LiabilityStatement.id)).scalars())

    @staticmethod
    def ask(client: FlaskClient, statement_id: int) -> int:
        return client.get(f"/worker/check/proof-{statement_id}.json").status_code

    @staticmethod
    def somebody(app: Flask, audience: Audience) -> FlaskClient:
        client = app.test_client()
        sign_in(client, make_login(audience))
        return client

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_has_a_clear_name_and_is_stored_nowhere(self, app: Flask, checked: Checked) -> None:
        ada = worker(app, ADA)

        answer = ada.get(proof_addresses(ada)[0])

        assert answer.headers["Cache-Control"] == "no-store"
        provider = checked.market.provider_of(checked.market.packages[0])
        name = f"proof-{checked.market.today}-org-{provider}-emergency-USD.json"
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="proof-')
        assert name.rpartition("-org-")[0] in answer.headers["Content-Disposition"]
        assert ada.get("/worker/check/data").headers["Cache-Control"] == "no-store"


class TestData:
    def test_leads_from_the_statement_to_what_the_account_says_now(self, app: Flask, checked: Checked) -> None:
        ada = worker(app, ADA)
        stated = {self.place(one): int(one["opening"]["balance"]) for one in data_of(ada)["proofs"]}
        take_back_the_first(checked.ada)
        checked.market.switch(checked.ada, 1)

        lines = {self.place(line): line for line in data_of(ada)["lines"]}

        assert stated
        for place, balance in stated.items():
            line = lines[place]
            assert int(line["now"]) - int(line["came"]) + int(line["went"]) == balance
        assert any(line["went"] != "0" for line in lines.values())
        back = sum(stated.values()) - sum(int(line["now"]) for line in lines.values())
        assert 0 < back == sum(int(line["went"]) - int(line["came"]) for line in lines.values())

    @staticmethod
    def place(one: Any) -> tuple[str, str, str]:
        return one["provider"], one["component"], one["unit"]

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_takes_the_seal_that_the_regulator_has_signed(self, app: Flask, checked: Checked) -> None:
        ada = worker(app, ADA)

        for proof in data_of(ada)["proofs"]:
            assert f"— {NAME} " in proof["seal"]["checkpoint"]
            assert f"— {NAME} " in proof["statement"]

    def test_says_nothing_of_statements_that_are_not_sealed_yet(self, app: Flask, checked: Checked) -> None:
        ada = worker(app, ADA)
        before = data_of(ada)["round"]

        checked.state(sealed=False)

        assert data_of(ada)["round"] == before
        checked.seal()
        assert data_of(ada)["round"] != before

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_empty_where_nothing_is_sealed(self, app: Flask) -> None:
        Market().worker()

        ada = worker(app, ADA)

        assert data_of(ada) == {"round": None}
        page = ada.get("/worker/check/").text
        assert "There is nothing to check yet" in page
        assert "12:45" in page
        assert "show.js" not in page
        assert "show.js" not in ada.get("/worker/").text


class TestReceipt:
    def test_is_downloaded_and_verified_years_later_and_not_with_a_byte_changed(
        self, app: Flask, checked: Checked, tmp_path: Path
    ) -> None:
        checked.market.switch(checked.ada, 1)
        checked.seal()
        checked.state()
        checked.regulator.look()
        switch_id = db.session.execute(select(Switch.id)).scalar_one()
        ada = worker(app, ADA)
        page = ada.get(f"/worker/switches/{switch_id}").text

        answer = ada.get(f"/worker/switches/{switch_id}/receipt.json")

        assert "Receipt as a file" in page
        assert "No statements were made" not in page
        assert NAME in page
        assert answer.headers["Cache-Control"] == "no-store"
        assert f'filename="receipt-of-switch-{switch_id}-' in answer.headers["Content-Disposition"]
        told = run_verifier(tmp_path / "receipt.json", answer.data)
        assert told.returncode == 0, told.stdout
        assert "the leaf before the switch carries the same figure" in told.stdout
        assert "the leaf after the switch carries the same figure" in told.stdout
        middle = len(answer.data) // 2
        spoiled = answer.data[:middle] + bytes([answer.data[middle] ^ 1]) + answer.data[middle + 1 :]
        assert run_verifier(tmp_path / "spoiled.json", spoiled).returncode == 1

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_not_there_before_the_seal_and_the_page_says_when(self, app: Flask, checked: Checked) -> None:
        checked.market.switch(checked.ada, 1)
        switch_id = db.session.execute(select(Switch.id)).scalar_one()
        ada = worker(app, ADA)

        page = ada.get(f"/worker/switches/{switch_id}").text

        assert "within a minute after the switch" in page
        assert ada.get(f"/worker/switches/{switch_id}/receipt.json").status_code == 409
        checked.seal()
        assert "No statements were made since your switch." in ada.get(f"/worker/switches/{switch_id}").text

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_nobody_elses(self, app: Flask, checked: Checked) -> None:
        checked.market.switch(checked.ada, 1)
        checked.seal()
        switch_id = db.session.execute(select(Switch.id)).scalar_one()

        assert worker(app, BEN).get(f"/worker/switches/{switch_id}/receipt.json").status_code == 404
        assert worker(app, BEN).get(f"/worker/switches/{switch_id}").status_code == 404
