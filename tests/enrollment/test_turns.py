"""Does an open enrollment wait for what took effect before it, whoever runs which job first?"""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from flask import Flask

from enrollment import memberships
from exchange import clock
from exchange.database import in_unit_of_work
from exchange.identity.actors import Audience
from exchange.ledger import invariants
from tests.conftest import Cli
from tests.support.databases import CONFIG, AppFactory
from tests.support.enrollment_makers import EFFECTIVE, LEAVE, Town
from tests.support.signing_in import make_login, sign_in

MOVED = date(2026, 11, 20)
CHOSEN_AT = datetime(2026, 11, 21, 18, tzinfo=UTC)
JOBS = ("carry-out-switches", "order-switches", "cutover")
FIRST = "carry-out-switches does them"


@pytest.fixture
def town(app: Flask) -> Town:
    """Ada chose Valley for an event, from December; then, in the open enrollment, Harbor, where she is still."""
    town = Town()
    ada = town.member("Ada", package_id=town.harbor, holding=LEAVE)
    town.open_special(ada, cause="court_order", event_on=MOVED, at=CHOSEN_AT)
    town.choose(ada, town.valley, at=CHOSEN_AT, special=True, plan_year="2026")
    town.choose(ada, town.harbor)
    app.config["DEMO"] = True  # jobs read the clock
    in_unit_of_work(lambda: clock.move_demo_clock(to=EFFECTIVE))
    return town


class TestOpenEnrollment:
    def test_is_ordered_after_what_took_effect_before_its_close(self, town: Town, cli: Cli) -> None:
        answer = cli("job", "run", "order-switches")

        assert answer.exit_code == 1
        assert FIRST in answer.output
        assert FIRST in cli("cutover", "status", "2027").output
        assert cli("cutover", "help-out", "2027").exit_code == 1
        assert town.window.ordered_at is None

    def test_ends_the_same_in_whichever_order_jobs_are_run(self, town: Town, cli: Cli) -> None:
        for name in (*reversed(JOBS), *JOBS[1:]):
            cli("job", "run", name)

        assert town.window.cut_over_at is not None
        assert memberships.current(1).package_id == town.harbor
        assert invariants.broken() == []


class TestRehearsal:
    def test_says_what_comes_first_and_is_not_counted(
        self, town: Town, app: Flask, create_app: AppFactory, cli: Cli
    ) -> None:
        given = {name: app.config[name] for name in ("SQLALCHEMY_DATABASE_URI", "PROGRAM_ZONE")}
        made = create_app({**CONFIG, **given, "DEMO": True})
        made.test_client_class = app.test_client_class
        client, page = made.test_client(), "/operator/cutover/2027/rehearsal"
        sign_in(client, make_login(Audience.OPERATOR, "Opal Reed"))

        assert "1 switch outside of open enrollments is chosen or ordered" in client.get(page).text
        assert "not counted: 1 " in cli("cutover", "rehearse", "2027").output

        cli("job", "run", "carry-out-switches")

        assert "outside of open enrollments" not in client.get(page).text
        assert "not counted" not in cli("cutover", "rehearse", "2027").output
