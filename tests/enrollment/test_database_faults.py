"""Is every deed of a person done once or not at all, when the database fails at its commit?

Eight flows through real pages and the API. Each is done once undisturbed, and its traces in all tables are counted;
then again with a fault between program and database: the traces must be the same, or none.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, literal, select, union_all
from werkzeug.test import TestResponse

from enrollment import employers
from enrollment.models import BenefitAccount, Employer
from exchange import clock
from exchange.clock import local_date
from exchange.database import RETRIES, Base, db, in_unit_of_work
from exchange.identity.actors import Audience
from tests.support.cutting import LOSE_REPLY, LOSE_REQUEST, Proxy, proxy_before
from tests.support.signing_in import make_login, post, sign_in
from tests.support.worker_makers import BY, Market, login_of

STATES = ("40001", "40P01", "23505")
CUTS = [LOSE_REPLY, LOSE_REQUEST] * 13  # of each flow in the night: 208 in all
Deed = Callable[[], TestResponse]

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"])


class Scene:
    """A market with Ada, an employer, a provider's staff and the operator, each at a browser. Deeds are numbered."""

    def __init__(self, app: Flask) -> None:
        self.market = Market()
        self.account_id = self.market.worker("Ada Flores")
        self.market.contribute(self.account_id, months=2)
        self.day = local_date(clock.real_now(), "America/Los_Angeles")
        self.number = db.session.get_one(BenefitAccount, self.account_id).number
        self.token = in_unit_of_work(
            lambda: employers.make_token(
                db.session.get_one(Employer, self.market.employers[0]), name="Payroll", by=BY, at=clock.now()
            )
        )
        employer = make_login(Audience.EMPLOYER, "Kim Boss", organization_id=self.market.employers[0])
        self._who = {
            "worker": login_of("ada.flores@example.org").id,
            "employer": employer,
            "provider": self.market.staff(0),
            "operator": make_login(Audience.OPERATOR),
        }
        self.clients = {name: app.test_client() for name in self._who}
        self.count = 0

    def sign_in(self) -> None:
        """Everybody, anew: a long night is longer than a session."""
        for name, login_id in self._who.items():
            sign_in(self.clients[name], login_id)

    def next(self) -> int:
        """The number of the next deed."""
        self.count += 1
        return self.count

    # --- the flows: each prepares one deed, and gives what sends it -------------------------------

    def choose(self) -> Deed:
        version = self.market.version_of(1 + self.next() % 2).id
        address = f"/worker/choose/{version}?window={self.market.window_id}"
        return lambda: post(self.clients["worker"], address)

    def lock(self) -> Deed:
        word = "on" if self.next() % 2 else "off"
        return lambda: post(self.clients["worker"], "/worker/lock", {"lock": word})

    def ask_for_leave(self) -> Deed:
        day = (self.day + timedelta(days=self.next())).isoformat()
        time_off = {"minutes-hours": "0", "minutes-minutes": "1", "first_day": day, "last_day": day}
        wanted = {"component": "paid_leave", **time_off}
        return lambda: post(self.clients["worker"], "/worker/leave/", wanted)

    def make_a_token(self) -> Deed:
        data = {"name": f"Payroll {self.next()}"}
        return lambda: post(self.clients["employer"], "/employer/tokens/", data)

    def send_a_report(self) -> Deed:
        number = self.next()
        line = f"{self.number},{self._past(number)},US-WA,0:{number % 59 + 1:02}"
        table = io.BytesIO(f"account_number,first_day,place,hours\n{line}\n".encode())
        boss, upload = self.clients["employer"], "/employer/report/file"
        kept = post(boss, upload, {"file": (table, "work.csv")}, content_type="multipart/form-data")
        (cents,) = re.findall(r'name="total_cents"[^>]*value="([0-9]+)"', boss.get(kept.location).text)
        return lambda: post(boss, f"{kept.location}/send", {"total_cents": cents, "other_work": "y"})

    def report_by_api(self) -> Deed:
        number = self.next()
        line = {"account_number": self.number, "first_day": self._past(number), "place": "US-WA", "minutes": number}
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": f"deed-{number}"}
        visitor = self.clients["provider"].application.test_client()
        return lambda: visitor.post("/api/v1/remittances", json={"lines": [line], "other_work": True}, headers=headers)

    def file_reserves(self) -> Deed:
        data = {"as_of": self.day.isoformat(), "holding_cash": f"{self.next()}.00"}
        return lambda: post(self.clients["provider"], "/provider/reserves/file", data)

    def enter_an_employer(self) -> Deed:
        letters = "".join(chr(ord("A") + int(digit)) for digit in str(self.next()))
        data = {
            "name": f"Cedar {letters}", "kind": "platform", "sector": "cleaning", "ein": "",
            "person": "Pat Cedar", "email": f"pat.{letters.lower()}@example.org",
        }  # fmt: skip
        return lambda: post(self.clients["operator"], "/operator/employers/", data)

    def _past(self, number: int) -> str:
        return (self.day - timedelta(days=2 + number % 28)).isoformat()


FLOWS = ("choose", "lock", "ask_for_leave", "make_a_token", "send_a_report", "report_by_api", "file_reserves",
         "enter_an_employer")  # fmt: skip


def traces() -> Counter[str]:
    """How many rows each table has. Attempts are counted whatever comes of them."""
    tables = [table for table in Base.metadata.sorted_tables if table.name != "rate_limit"]
    counts = union_all(*(select(literal(table.name), func.count()).select_from(table) for table in tables))
    found = Counter({row[0]: row[1] for row in db.session.execute(counts)})
    db.session.rollback()
    return found


@pytest.fixture
def proxy(app: Flask) -> Iterator[Proxy]:
    with proxy_before(app) as one:
        yield one


@pytest.fixture
def scene(app: Flask, proxy: Proxy) -> Scene:
    return Scene(app)


def carry_out(deed: Deed, proxy: Proxy, *faults: str) -> tuple[int, dict[str, int]]:
    """Send it with these faults at the next commits: the answer's status, and what it left behind."""
    before = traces()
    proxy.faults.extend(faults)
    answer = deed()
    assert not proxy.faults, "every fault happened"
    assert answer.status_code != 503 or answer.headers["Retry-After"] == "5"
    after = traces()
    after.subtract(before)
    return answer.status_code, {table: count for table, count in after.items() if count}


class TestFaultAtCommit:
    @pytest.mark.parametrize(
        ("cuts", "states", "repetitions"),
        [
            ([LOSE_REPLY], STATES[:1], [1]),
            pytest.param(CUTS, STATES, range(1, RETRIES + 1), marks=pytest.mark.long),
        ],
    )
    def test_leaves_a_deed_done_once_or_not_at_all(
        self, scene: Scene, proxy: Proxy, cuts: Sequence[str], states: Sequence[str], repetitions: Iterable[int]
    ) -> None:
        for flow in FLOWS:
            scene.sign_in()
            prepare: Callable[[], Deed] = getattr(scene, flow)
            prepare()()  # the first of its kind may leave more
            done, once = carry_out(prepare(), proxy)
            assert done in {200, 201, 303} and once, flow

            faults = [(cut,) for cut in cuts] + [(state,) * count for state in states for count in repetitions]
            for fault in faults:
                assert carry_out(prepare(), proxy, *fault) == (done, once), (flow, fault)
            assert carry_out(prepare(), proxy, *[states[0]] * (RETRIES + 1)) == (503, {}), flow
        print(f"{len(FLOWS)} flows, {len(FLOWS) * len(cuts)} cuts, {proxy.happened} faults at commit in all")
