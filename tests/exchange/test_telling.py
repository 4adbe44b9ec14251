"""Does whoever reads what a job told read it in his own language, whatever stands in the row?"""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_babel import force_locale
from sqlalchemy import text

from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Actor, Audience
from exchange.scheduler import runner
from exchange.scheduler.jobs import Due, Job
from exchange.scheduler.telling import Telling, number_of, said
from tests.conftest import Cli
from tests.support.scheduling import LONG_AGO, runs
from tests.support.signing_in import make_login, sign_in
from tests.support.spanish import ASKED, teach

HAND = runner.Hand("test")
RUNS, JOBS = "/operator/jobs/runs", "/operator/jobs"
SEAL = "seal-journal"  # a job of the exchange: the page of jobs shows these alone


@pytest.fixture
def operator(app: Flask, client: FlaskClient) -> FlaskClient:
    """An operator who reads English, and Spanish where he asks for it."""
    sign_in(client, make_login(Audience.OPERATOR, "Opal Reed"))
    teach(app)
    return client


def run(telling: Telling, name: str = SEAL) -> runner.Ran:
    """A run that tells so."""

    def work(_key: str, /, *, by: Actor, at: datetime) -> Telling:
        return telling

    return runner.perform(Job(name, "Tells.", lambda _now: [], work=work), Due("k", LONG_AGO), hand=HAND)


def write_row(result: str) -> None:
    """A run in whose row stands any text: of an older release, of a newer one, or of somebody with bad intentions."""
    row = text(
        "INSERT INTO job_run (name, due_key, state, due_at, started_at, finished_at, late, actor_name, holder,"
        " held_until, result) SELECT name, 'other', state, due_at, started_at, finished_at, late, actor_name, holder,"
        " held_until, :result FROM job_run WHERE name = :name"
    )
    run(said("sealing stopped"))
    in_unit_of_work(lambda: db.session.execute(row, {"result": result, "name": SEAL}))


def sealed(entries: int) -> Telling:
    return number_of("%(num)s entry sealed", "%(num)s entries sealed", entries)


def checked(providers: int, low: int) -> Telling:
    found = number_of("%(num)s provider checked", "%(num)s providers checked", providers)
    return found + said("%(low)s of them off the shelf", low=low)


class TestTelling:
    @pytest.mark.parametrize(
        ("telling", "english", "spanish"),
        [
            (sealed(0), "0 entries sealed", "0 asientos sellados"),
            (sealed(1), "1 entry sealed", "1 asiento sellado"),
            (sealed(12_000), "12,000 entries sealed", "12,000 asientos sellados"),
            (
                checked(12, 1),
                "12 providers checked, 1 of them off the shelf",
                "12 proveedores revisados, 1 de ellos con sus paquetes retirados de la venta",
            ),
            (said("bundle %(bundle)s removed", bundle="7"), "bundle 7 removed", "paquete 7 eliminado"),
        ],
    )
    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_is_said_in_the_language_of_the_moment(
        self, app: Flask, telling: Telling, english: str, spanish: str
    ) -> None:
        teach(app)

        assert str(telling) == english
        with force_locale("es"):
            assert str(telling) == spanish
            assert telling.in_english() == english

    def test_is_kept_as_messages_and_figures(self, app: Flask) -> None:
        run(checked(12, 1))

        (kept,) = db.session.execute(text("SELECT result FROM job_run")).scalars()

        assert json.loads(kept) == [
            {"one": "%(num)s provider checked", "many": "%(num)s providers checked", "figures": {"num": 12}},
            {"one": "%(low)s of them off the shelf", "many": None, "figures": {"low": 1}},
        ]
        assert runs(SEAL)[0].result == checked(12, 1)

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_keeps_to_its_messages_once_no_catalogue_has_them(self, app: Flask) -> None:
        teach(app)

        with force_locale("es"):
            assert str(number_of("%(num)s old deed", "%(num)s old deeds", 2)) == "2 old deeds"


class TestPages:
    @pytest.mark.parametrize(
        ("entries", "english", "spanish"),
        [(1, "1 entry sealed", "1 asiento sellado"), (1_204, "1,204 entries sealed", "1,204 asientos sellados")],
    )
    @pytest.mark.parametrize("address", [RUNS, JOBS])
    def test_say_what_came_of_a_run_in_the_language_of_the_reader(
        self, operator: FlaskClient, address: str, entries: int, english: str, spanish: str
    ) -> None:
        run(sealed(entries))

        in_english, in_spanish = operator.get(address).text, operator.get(address, headers=ASKED).text

        assert english in in_english
        assert spanish in in_spanish
        assert english not in in_spanish

    @pytest.mark.parametrize("address", [RUNS, JOBS])
    def test_show_the_sentence_of_an_older_release_as_it_stands(self, operator: FlaskClient, address: str) -> None:
        write_row("settled 12 providers, 100% of them")

        for headers in ({}, ASKED):
            assert "settled 12 providers, 100% of them" in operator.get(address, headers=headers).text

    @pytest.mark.parametrize(
        "result",
        [
            "",
            "12",
            "null",
            "[]",
            "{}",
            '[{"one": "settled',
            "[" * 100_000,
            '["%(num)s entry sealed"]',
            '[{"one": 1, "many": null, "figures": {}}]',
            '[{"one": "", "many": null, "figures": {}}]',
            '[{"one": "a", "many": "b", "figures": {}}]',
            '[{"one": "a", "many": "b", "figures": {"num": "1"}}]',
            '[{"one": "a", "many": "b", "figures": {"num": true}}]',
            '[{"one": "a", "many": "b", "figures": {"num": 1e300}}]',
            '[{"one": "a", "many": null, "figures": {"x": [1]}}]',
            '[{"one": "a", "many": null, "figures": null}]',
            '[{"one": "a", "many": null}]',
            '[{"one": "a", "many": null, "figures": {}, "tone": "of a release to come"}]',
            '[{"one": "half \\ud800", "many": null, "figures": {}}]',
            '[{"one": "a", "many": null, "figures": {"num": ' + "9" * 5_000 + "}}]",
        ],
    )
    def test_show_what_is_no_telling_as_it_stands(self, operator: FlaskClient, result: str) -> None:
        write_row(result)

        assert runs(SEAL)[1].result == result
        for address in (RUNS, JOBS):
            assert operator.get(address, headers=ASKED).status_code == 200

    @pytest.mark.parametrize(
        ("message", "shown"),
        [
            ({"one": "<script>alert(1)</script>"}, "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ({"one": "%(name)s", "figures": {"name": "<b>"}}, "&lt;b&gt;"),
            ({"one": "%(num)999999999d", "figures": {"num": 1}}, "%(num)999999999d"),
            ({"one": "%(nobody)s", "figures": {"num": 1}}, "%(nobody)s"),
            ({"one": "100% %s %", "figures": {}}, "100% %s %"),
            ({"one": "%(a)s", "figures": {"a": "%(b)s", "b": "twice"}}, "%(b)s"),
            (
                {"one": "%(num)s one", "many": "%(num)s many", "figures": {"num": -(2**63)}},
                "-9,223,372,036,854,775,808",
            ),
        ],
    )
    def test_say_nothing_harmful_of_a_telling_that_was_tampered_with(
        self, operator: FlaskClient, message: dict[str, object], shown: str
    ) -> None:
        write_row(json.dumps([{"many": None, "figures": {}, **message}]))

        for address in (RUNS, JOBS):
            page = operator.get(address, headers=ASKED)
            assert (page.status_code, shown in page.text) == (200, True)


class TestCommands:
    def test_say_it_in_english(self, cli: Cli, operator: FlaskClient) -> None:
        ran = cli("job", "run", "check-invariants", "--on", "2026-01-05")
        run(sealed(1))

        listed = cli("job", "list")

        assert ", 0 findings" in ran.output
        assert ": 1 entry sealed\n" in listed.output

    def test_show_what_stands_in_an_old_row(self, cli: Cli, operator: FlaskClient) -> None:
        write_row("settled 12 providers")

        assert ": settled 12 providers\n" in cli("job", "list").output
