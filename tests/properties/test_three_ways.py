"""Is the same work the same report, whether it comes by the form, by a file or from a program?"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from random import Random
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from enrollment import account_numbers, employers
from enrollment.models import Contribution, Remittance
from exchange import clock
from exchange.clock import local_date
from exchange.database import db, unit_of_work
from exchange.identity.actors import Audience
from exchange.ledger.accounts import LedgerAccount
from exchange.ledger.journal import LedgerTransfer
from tests.support.employer_makers import AT, BY, join, make_account, make_employer, make_package, open_program, pay
from tests.support.policies import NEW_YORK, WASHINGTON, changed
from tests.support.signing_in import form_token, make_login, post, sign_in

Work = dict[str, Any]
"""A line in the API's words; ``account_number`` is filled in by who sends it."""

SHARES = {"paid_leave": 1000, "retirement": 2501, "health": 4000, "disability": 1000, "workers_compensation": 900}
PLACES = ["US-WA", "US-WA/King County/Seattle", "US-WA/Spokane County"]
NEEDED = {
    "construction": [],
    "care": [],
    "rides": ["fee_cents"],
    "livery": ["fee_cents", "tolls_cents"],
    "cleaning": ["jobs"],
    "creative": ["earnings_cents"],
}
# How the form and the file call a figure of the API.
_COLUMNS = {"earnings_cents": "earnings", "fee_cents": "fee", "tolls_cents": "tolls", "extra_cents": "extra"}
_IN_FORM = {"account_number": "number"}
_MONEY = set(_COLUMNS)


class Way:
    """An employer with one worker, and a way to report."""

    def __init__(self, app: Flask, name: str, sector: str) -> None:
        """Found it; the worker is with nobody, and has a package where there is one."""
        self.name, self.client = name, app.test_client()
        with unit_of_work():
            employer = make_employer(f"By {name}", sector=sector)
            self.employer_id = employer.organization_id
            self.account = make_account("Ada Flores")
            self.number, self.account_id = self.account.number, self.account.id
            self.token = employers.make_token(employer, name="Payroll", by=BY, at=AT)
        sign_in(self.client, make_login(Audience.EMPLOYER, "Kim Boss", organization_id=self.employer_id))

    def preview(self, lines: list[Work]) -> TestResponse:
        """Ask what it costs."""
        numbered = [{"account_number": self.number, **line} for line in lines]
        return _WAYS[self.name](self, numbered)

    def send(self, lines: list[Work]) -> TestResponse:
        """Report it."""
        answer = self.preview(lines)
        if self.name == "api":
            return self.program("remittances", [{"account_number": self.number, **line} for line in lines])
        draft = answer.headers["Location"]
        cents = re.search(r'name="total_cents"[^>]* value="([0-9]+)"', self.client.get(draft).text)
        assert cents is not None, self.client.get(draft).text
        return post(self.client, f"{draft}/send", {"total_cents": cents[1]})

    def program(self, path: str, lines: list[Work]) -> TestResponse:
        """As an employer's program does it."""
        headers = {"Authorization": f"Bearer {self.token}"}
        data = json.dumps({"lines": lines})
        return self.client.post(f"/api/v1/{path}", data=data, content_type="application/json", headers=headers)


def _form(way: Way, lines: list[Work]) -> TestResponse:
    data: dict[str, str] = {}
    for place, line in enumerate(lines):
        own = {"sector": NEEDED_BY[way.employer_id], "worker_class": "1099", "last_day": line.get("first_day"), **line}
        minutes = own.pop("minutes", None)
        if minutes is not None:
            data |= {f"lines-{place}-time-hours": str(minutes // 60), f"lines-{place}-time-minutes": str(minutes % 60)}
        for key, value in own.items():
            data[f"lines-{place}-{_IN_FORM.get(key, key)}"] = _dollars(value) if key in _MONEY else str(value)
    return post(way.client, "/employer/report/", data)


def _file(way: Way, lines: list[Work]) -> TestResponse:
    names = sorted({key for line in lines for key in line})
    head = [_COLUMNS.get(name, "hours" if name == "minutes" else name) for name in names]
    rows = [[_cell(name, line.get(name)) for name in names] for line in lines]
    text = "\r\n".join(",".join(row) for row in [head, *rows])
    data = {"csrf_token": form_token(way.client), "file": (io.BytesIO(text.encode()), "work.csv")}
    return way.client.post("/employer/report/file", data=data, content_type="multipart/form-data")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "minutes":
        return f"{value // 60}:{value % 60:02d}"
    return _dollars(value) if name in _MONEY else str(value)


def _dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


_WAYS: dict[str, Callable[[Way, list[Work]], TestResponse]] = {
    "form": _form,
    "csv": _file,
    "api": lambda way, lines: way.program("preview", lines),
}
NEEDED_BY: dict[int, str] = {}


def ways(app: Flask, sector: str) -> list[Way]:
    made = [Way(app, name, sector) for name in _WAYS]
    NEEDED_BY.update({way.employer_id: sector for way in made})
    return made


def today() -> date:
    return local_date(clock.now(), "America/Los_Angeles")


def some_work(random: Random, sector: str) -> list[Work]:
    """Some lines of the sector, one after the other; some of them late, some long, some with more than is owed."""
    lines, day = [], today() - timedelta(days=100)
    for _ in range(random.randint(3, 9)):
        first = day + timedelta(days=random.randint(1, 5))
        day = first + timedelta(days=random.choice([0, 0, 6]))
        line: Work = {
            "first_day": str(first),
            "last_day": str(day),
            "place": random.choice(PLACES),
            "minutes": random.randint(1, 24 * 60),
            **{name: random.randint(1, 90) for name in NEEDED[sector] if name == "jobs"},
            **{name: random.randint(0, 99_999) for name in NEEDED[sector] if name != "jobs"},
        }
        if random.random() < 0.3:
            line["extra_cents"] = random.randint(1, 999)
        if random.random() < 0.3:
            line["family_name"] = "FLORES"
        if random.random() < 0.3 and sector != "creative":
            line["worker_class"] = random.choice(["1099", "W-2"]) if sector != "rides" else "1099"
        lines.append(line)
    return lines


def kept(way: Way) -> list[tuple[Any, ...]]:
    """What stands on record of what the employer reported: figures, rules, words, and the money's every step."""
    c = Contribution
    rows = (
        select(c)
        .join(Remittance, Remittance.id == c.remittance_id)
        .where(c.employer_id == way.employer_id)
        .order_by(c.work_from, c.work_to)
    )
    return [
        (
            one.work_from, one.work_to, one.place, one.sector, one.worker_class, one.minutes, one.earnings_cents,
            one.fee_cents, one.tolls_cents, one.jobs, one.policy_version_id, one.rule, one.owed_cents, one.extra_cents,
            one.late_cents, one.explanation, _steps(one.entry_id),
        )
        for one in db.session.execute(rows).scalars()
    ]  # fmt: skip


def _steps(entry_id: int | None) -> list[tuple[Any, ...]]:
    a, t = LedgerAccount, LedgerTransfer
    rows = select(a.kind, a.component, a.unit, t.amount).join(t, t.target_id == a.id).where(t.entry_id == entry_id)
    return sorted(tuple(row) for row in db.session.execute(rows))


def told(answer: TestResponse) -> str:
    """All that an answer says, as it is read."""
    return json.dumps(answer.json, ensure_ascii=False) if answer.json else unescape(answer.text)


@pytest.fixture
def program(app: Flask) -> None:
    with unit_of_work():
        open_program()


@pytest.mark.usefixtures("program")
class TestSameWork:
    @pytest.mark.parametrize("sector", sorted(NEEDED))
    def test_costs_and_moves_the_same(self, app: Flask, sector: str) -> None:
        random = Random(f"three ways of {sector}")
        three = ways(app, sector)
        with unit_of_work():
            package = make_package(SHARES, fee_bp=599)
            for way in three:
                join(way.account, package)
        lines = some_work(random, sector)

        for way in three:
            assert way.send(lines).status_code in {201, 303}
        totals = dict(
            db.session.execute(select(Remittance.source, Remittance.total_cents).order_by(Remittance.id)).all()
        )
        assert set(totals) == {"form", "csv", "api"}
        assert len(set(totals.values())) == 1
        for id_, state in db.session.execute(select(Remittance.id, Remittance.state)).all():
            if state == "reported":
                pay(id_, at=clock.now())

        form, csv, api = (kept(way) for way in three)
        assert len(form) == len(lines)
        assert form == csv == api

    @pytest.mark.parametrize("order", [("form", "csv", "api"), ("csv", "api", "form"), ("api", "form", "csv")])
    def test_is_known_again_whichever_way_it_comes(self, app: Flask, order: tuple[str, ...]) -> None:
        (way, *_) = ways(app, "care")
        line = {"first_day": str(today()), "place": "US-WA", "minutes": 60}
        way.name = order[0]
        assert way.send([line]).status_code in {201, 303}

        for name in order[1:]:
            way.name = name
            if name == "api":
                answer = way.program("remittances", [{"account_number": way.number, **line}])
                assert (answer.status_code, answer.get_json()["code"]) == (409, "already_reported")
            else:
                draft = way.preview([line]).headers["Location"]
                assert "This was reported already" in way.client.get(draft).text


WRONG: dict[str, tuple[Work, str]] = {
    "unknown": ({"account_number": account_numbers.from_serial(7)}, "No account has this number"),
    "another's": ({"family_name": "Lund"}, "the family name is another"),
    "mistyped": ({"account_number": "PB-0000-0000-1"}, "number"),
    "backwards": ({"first_day": 0, "last_day": -1}, "The period ends before it begins."),
    "future": ({"first_day": 0, "last_day": 1}, "The period lies in the future: work is reported until"),
    "long ago": ({"first_day": -401, "last_day": -401}, "This is too long ago: work is reported from"),
    "long": ({"first_day": -40, "last_day": -2}, "The period is longer than 31 days. Divide it."),
    "hours": ({"minutes": 1441}, "This is more time than the period has: at most 24 h."),
    "figure": ({"minutes": None}, "is needed for the rule"),
    "extra": ({"extra_cents": 5_000_001}, "The contribution for one line can be $50,000.00 at most."),
    "no rule": ({"sector": "creative", "worker_class": "W-2"}, "No rule holds for this work in that place"),
    "29 February": ({"first_day": "2026-02-29", "last_day": "2026-02-29"}, "Write a date like 2026-11-30"),
}


@pytest.mark.usefixtures("program")
class TestWrongWork:
    @pytest.mark.parametrize("what", sorted(WRONG))
    def test_is_refused_for_the_same_reason(self, app: Flask, what: str) -> None:
        changes, reason = WRONG[what]
        days = {
            key: str(today() + timedelta(days=value)) for key, value in changes.items() if isinstance(value, int)
            and key.endswith("_day")
        }  # fmt: skip
        sector = "creative" if what == "no rule" else "construction"
        given = {"first_day": str(today()), "last_day": str(today()), "place": "US-WA", "minutes": 60}
        if sector == "creative":
            given["earnings_cents"] = 100
        line = {key: value for key, value in {**given, **changes, **days}.items() if value is not None}

        for way in ways(app, sector):
            answer = way.preview([line])

            assert answer.status_code in ({200, 422} if way.name == "api" else {422}), way.name
            assert reason in told(answer), way.name
        assert db.session.execute(select(Remittance)).first() is None


class TestForm:
    def test_asks_for_the_figures_of_a_law_that_has_just_changed(self, app: Flask, tmp_path: Any) -> None:
        text = changed(WASHINGTON, "owed: {per_hour: $2.00}", "owed: {per_job: $5.00}")[0]
        hourly = WASHINGTON.read_text(encoding="utf-8")
        part = hourly[hourly.rindex("    contributions:") :].rstrip()
        path = tmp_path / "since_today.yaml"
        path.write_text(f"{text}\n  - effective_on: {today()}\n{part}\n", encoding="utf-8")
        with unit_of_work():
            open_program(path)
        way = ways(app, "care")[0]
        yesterday = {"first_day": str(today() - timedelta(days=1)), "place": "US-WA", "minutes": 60}

        assert "is needed for the rule" in told(way.preview([yesterday]))
        assert way.send([{**yesterday, "jobs": 2}]).status_code == 303
        assert [one[-5] for one in kept(way)] == [1000]

    def test_takes_work_as_long_before_it_is_done_as_files_do(self, app: Flask) -> None:
        with unit_of_work():
            open_program(NEW_YORK)
        way = ways(app, "stage")[0]

        assert (
            f'max="{local_date(clock.now(), "America/New_York") + timedelta(days=7)}"'
            in way.client.get("/employer/report/").text
        )
