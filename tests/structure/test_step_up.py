"""Does a deed that a stolen session would be worth ask its owner once more who he is?

Also for files about many people. Whoever adds such a page adds it here.
"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from exchange.identity.actors import Audience
from tests.support.signing_in import make_login, post, sign_in

ASKED_AGAIN = [
    (Audience.WORKER, "POST", "/worker/lock", {"lock": "off"}),
    (Audience.WORKER, "GET", "/worker/choose/1", {}),
    (Audience.WORKER, "POST", "/worker/choose/1", {}),
    (Audience.WORKER, "POST", "/account/contact", {"name": "Eve", "email": "eve@example.org"}),
    (Audience.WORKER, "GET", "/account/second-step", {}),
    (Audience.WORKER, "GET", "/account/recovery-codes", {}),
    (Audience.EMPLOYER, "POST", "/employer/tokens/", {"name": "Payroll"}),
    (Audience.PROVIDER, "GET", "/provider/members/members.csv", {}),
    (Audience.REGULATOR, "GET", "/regulator/audit/audit.csv", {}),
    (Audience.REGULATOR, "POST", "/regulator/policy/propose", {}),
    (Audience.REGULATOR, "POST", "/regulator/policy/1/approve", {}),
    (Audience.REGULATOR, "POST", "/regulator/packages/1/certify", {}),
    (Audience.REGULATOR, "POST", "/regulator/decisions/1", {}),
    (Audience.REGULATOR, "POST", "/regulator/decisions/1/agree", {}),
    (Audience.REGULATOR, "POST", "/regulator/decisions/providers/1/propose", {}),
    (Audience.REGULATOR, "POST", "/regulator/bundles/", {"kind": "with", "reason": "Audit."}),
    (Audience.OPERATOR, "POST", "/operator/corrections/1", {"decision": "carry_out"}),
    (Audience.OPERATOR, "POST", "/operator/employers/", {"name": "Eve's"}),
    (Audience.OPERATOR, "POST", "/operator/cutover/2027/confirm", {"reason": "So."}),
    (Audience.OPERATOR, "POST", "/operator/cutover/2027/roll-back", {"reason": "So."}),
    (Audience.OPERATOR, "POST", "/operator/cutover/2027/proposals/1", {"reason": "So."}),
    (Audience.OPERATOR, "POST", "/operator/cutover/2027/proposals/1/agree", {}),
]


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(("audience", "method", "address", "data"), ASKED_AGAIN)
def test_a_session_of_an_hour_is_sent_to_show_the_password_again(
    app: Flask, client: FlaskClient, audience: Audience, method: str, address: str, data: dict[str, str]
) -> None:
    sign_in(client, make_login(audience))
    with client.session_transaction() as session:
        session["fs_paa"] -= 3_600

    answer = client.get(address) if method == "GET" else post(client, address, data)

    assert answer.status_code in {302, 303}
    assert (answer.location or "").startswith("/sign-in/again")
