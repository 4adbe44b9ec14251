"""Does a regulator see what each reserve check rests on, down to the address of each statement?"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from exchange import clock
from exchange.clock import local_date
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Audience
from exchange.ledger import seals, statements
from exchange.ledger.keys import KeyRing
from exchange.scheduler import runner
from providers import reserve_checks, reserve_citations, reserve_standing
from providers.models import CheckCause, ReserveCheck
from tests.support.enrollment_makers import BY, EFFECTIVE, LEAVE, Town
from tests.support.seal_makers import make_ring
from tests.support.signing_in import make_login, sign_in

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


@pytest.fixture
def town(app: Flask) -> Town:
    """Ada is with Harbor Union."""
    town = Town()
    town.member("Ada", package_id=town.harbor, holding=LEAVE)
    return town


@pytest.fixture
def ring(app: Flask, town: Town, tmp_path: Path) -> KeyRing:
    ring = make_ring(app, tmp_path)
    seal(ring)
    return ring


@pytest.fixture
def rita(town: Town, client: FlaskClient) -> FlaskClient:
    sign_in(client, make_login(Audience.REGULATOR, "Rita Moss"))
    return client


def seal(ring: KeyRing) -> None:
    in_unit_of_work(lambda: seals.seal(ring, by=BY, at=clock.now()))


def check(town: Town, *, at: datetime | None = None) -> ReserveCheck:
    at = at or clock.now()
    on = local_date(at, town.policy.zone)
    in_unit_of_work(lambda: reserve_checks.check(None, policy=town.policy, on=on, cause=CheckCause.DAILY, by=BY, at=at))
    return reserve_standing.latest_checks()[town.provider_of(town.harbor)]


class TestCheck:
    def test_shows_each_statement_with_its_hash_place_and_address(
        self, rita: FlaskClient, town: Town, ring: KeyRing
    ) -> None:
        made = check(town)
        list(runner.run_by_hand("state-checked-liabilities", by=BY))
        seal(ring)
        cited = reserve_citations.statements_of([made.id])[made.id]

        page = rita.get(f"/regulator/checks/{made.id}").text

        places = statements.places_of(cited)
        listed = rita.get("/.well-known/pbx/statements").text
        assert "Check and statements say the same" in page
        assert len(cited) == len(places) > 3
        for one in cited:
            digest = statements.digest_of(one)
            assert digest in page
            assert digest in listed
            assert f"/.well-known/pbx/statements/{one.id}" in page
            assert f'data-label="Its place in the journal">{places[one.id]}<' in page

    def test_says_when_it_cites_nothing_yet(self, rita: FlaskClient, town: Town, ring: KeyRing) -> None:
        made = check(town)

        assert "It cites no statement" in rita.get(f"/regulator/checks/{made.id}").text
        assert "None yet" in rita.get("/regulator/checks/").text

    def test_says_when_nothing_was_sealed(self, rita: FlaskClient, town: Town) -> None:
        made = check(town, at=EFFECTIVE)

        assert "It names no size of the journal" in rita.get(f"/regulator/checks/{made.id}").text
        assert "nothing was sealed then" in rita.get("/regulator/checks/").text

    def test_is_led_to_from_the_checks_of_its_provider(self, rita: FlaskClient, town: Town, ring: KeyRing) -> None:
        made = check(town)

        page = rita.get(f"/regulator/providers/{made.provider_id}/checks").text

        assert f"/regulator/checks/{made.id}" in page
        db.session.rollback()
