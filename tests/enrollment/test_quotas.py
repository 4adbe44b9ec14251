"""Does nobody take out more records about workers in an hour than he may, by whichever process, and is it told?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from enrollment import employers
from enrollment.models import Employer, Remittance
from exchange import clock, figures, quotas
from exchange.audit import AuditEvent
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Actor, Audience
from exchange.quotas import QuotaReached
from tests.support.databases import CONFIG, AppFactory
from tests.support.signing_in import AT, make_login, sign_in
from tests.support.worker_makers import BY, Market

ROSTER = "/provider/members/members.csv"


@pytest.fixture
def market(app: Flask) -> Market:
    """A provider with three members, each of whom an employer reported once or more."""
    made = Market()
    for name in ("Ada Flores", "Ben Ortiz", "Cleo Ray"):
        made.contribute(made.worker(name, package=0), months=1)
    return made


def allow(app: Flask, **numbers: int) -> None:
    app.config["RECORDS_AN_HOUR"] = {**app.config["RECORDS_AN_HOUR"], **numbers}


def noted() -> list[tuple[str, str | None]]:
    e = AuditEvent
    rows = select(e.subject, e.facts).where(e.action == "quota.reached").order_by(e.id)
    return [(subject, facts) for subject, facts in db.session.execute(rows)]


class TestRoster:
    def test_leaves_as_often_as_the_quota_goes(self, app: Flask, client: FlaskClient, market: Market) -> None:
        allow(app, provider=7)
        sign_in(client, market.staff(0))

        answers = [client.get(ROSTER) for _ in range(3)]

        assert [one.status_code for one in answers] == [200, 200, 429]
        assert "Ada Flores" not in answers[2].text
        assert "may take 7 in an hour, and has taken 6" in answers[2].text
        assert 3_500 < int(answers[2].headers["Retry-After"]) <= 3_600
        assert noted() == [(f"quota:{market.provider_of(market.packages[0])}", "records=3 allowed=7 taken=6")]

    def test_that_is_larger_than_the_quota_does_not_leave(
        self, app: Flask, client: FlaskClient, market: Market
    ) -> None:
        allow(app, provider=2)
        sign_in(client, market.staff(0))

        assert [client.get(ROSTER).status_code for _ in range(2)] == [429, 429]

    def test_is_counted_for_the_organization_not_for_each_who_works_there(
        self, app: Flask, client: FlaskClient, market: Market
    ) -> None:
        allow(app, provider=4)
        sign_in(client, market.staff(0))
        other = app.test_client()
        provider_id = market.provider_of(market.packages[0])
        sign_in(other, make_login(Audience.PROVIDER, "Sue Park", organization_id=provider_id))

        assert [client.get(ROSTER).status_code, other.get(ROSTER).status_code] == [200, 429]

    def test_may_leave_again_after_an_hour(self, app: Flask, client: FlaskClient, market: Market) -> None:
        allow(app, provider=4)
        app.config["CLOCKS_MUST_AGREE"] = False  # time passes for this machine alone
        sam = market.staff(0)
        with time_machine.travel(datetime.now(UTC), tick=False) as machine:
            sign_in(client, sam)
            first = [client.get(ROSTER).status_code for _ in range(2)]
            machine.shift(timedelta(minutes=61))
            sign_in(client, sam)
            later = client.get(ROSTER).status_code

        assert (first, later) == ([200, 429], 200)


class TestReport:
    def test_is_counted_for_its_employer_as_file_and_line_by_line(
        self, app: Flask, client: FlaskClient, market: Market
    ) -> None:
        employer_id = market.employers[0]
        employer = db.session.get_one(Employer, employer_id)
        token = in_unit_of_work(lambda: employers.make_token(employer, name="Payroll", by=BY, at=AT))
        id_ = db.session.execute(select(Remittance.id).where(Remittance.employer_id == employer_id)).scalars().first()
        sign_in(client, make_login(Audience.EMPLOYER, organization_id=employer_id))
        count = len(client.get(f"/employer/remittances/{id_}.csv").text.splitlines()) - 1
        allow(app, employer=2 * count)
        headers = {"Authorization": f"Bearer {token}"}

        answers = [app.test_client().get(f"/api/v1/remittances/{id_}/lines", headers=headers) for _ in range(2)]

        assert count > 0
        assert [one.status_code for one in answers] == [200, 429]
        assert (answers[1].mimetype, answers[1].get_json()["code"]) == (
            "application/problem+json",
            "quota_reached",
        )
        assert client.get(f"/employer/remittances/{id_}.csv").status_code == 429


class TestQuota:
    def test_is_counted_by_all_processes_together(self, app: Flask, create_app: AppFactory) -> None:
        allow(app, provider=10)
        sam = Actor(Audience.PROVIDER, "Sam", organization_id=7)
        given = {"SQLALCHEMY_DATABASE_URI": app.config["SQLALCHEMY_DATABASE_URI"]}
        other = create_app({**CONFIG, **given, "RECORDS_AN_HOUR": {"provider": 10}})
        quotas.take(6, by=sam)

        with other.app_context():
            with pytest.raises(QuotaReached):
                quotas.take(5, by=sam)
            quotas.take(4, by=sam)
            db.session.remove()
            db.engine.dispose()
        with pytest.raises(QuotaReached):
            quotas.take(1, by=sam)

    def test_is_none_of_a_workers_own_and_of_a_regulators_files(self, app: Flask) -> None:
        allow(app, provider=0, employer=0)

        for audience in (Audience.WORKER, Audience.REGULATOR):
            quotas.take(1_000_000, by=Actor(audience, "Ada", login_id=7))

    def test_that_is_reached_is_told_to_prometheus_and_the_operator(
        self, app: Flask, client: FlaskClient, market: Market
    ) -> None:
        allow(app, provider=2)
        operator = app.test_client()
        sign_in(operator, make_login(Audience.OPERATOR))
        before = figures.text(clock.now()), operator.get("/operator/").text
        sign_in(client, market.staff(0))
        client.get(ROSTER)

        assert "pbx_quotas_reached 0" in before[0].splitlines()
        assert "No organization asked for more" in before[1]
        assert "pbx_quotas_reached 1" in figures.text(clock.now()).splitlines()
        assert "pbx_quotas_reached 0" in figures.text(clock.now() + timedelta(minutes=61)).splitlines()
        assert "Harbor Drivers Union: once" in operator.get("/operator/").text
