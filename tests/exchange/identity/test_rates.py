"""Is guessing slowed down, across processes and on both engines?"""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from exchange.database import db
from exchange.identity.actors import Audience
from exchange.identity.login.rates import DatabaseStorage, RateLimit
from exchange.identity.people import Login
from tests.support.databases import CONFIG, AppFactory
from tests.support.signing_in import make_login, post

NOON = datetime(2026, 11, 2, 20, tzinfo=UTC)


def guess(client: FlaskClient, email: str, *, address: str = "203.0.113.7") -> int:
    answer = post(
        client,
        "/sign-in",
        {"email": email, "password": "not the right one"},
        environ_overrides={"REMOTE_ADDR": address},
    )
    return answer.status_code


def someone() -> str:
    return db.session.get_one(Login, make_login(Audience.WORKER, password="seven green boats")).email


def in_full_width(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in text)


class TestAttempts:
    def test_at_one_account_end_after_ten(self, client: FlaskClient) -> None:
        email = someone()

        assert [guess(client, email) for _ in range(11)] == [200] * 10 + [429]
        assert guess(client, email.upper()) == 429

    def test_at_an_unknown_account_end_as_well(self, client: FlaskClient) -> None:
        assert [guess(client, "nobody@example.org") for _ in range(11)] == [200] * 10 + [429]

    def test_of_one_visitor_do_not_lock_the_owner_out_at_once(self, client: FlaskClient) -> None:
        email = someone()
        for _ in range(11):
            guess(client, email)

        assert guess(client, email, address="198.51.100.4") == 200

    def test_from_many_addresses_at_one_account_end_after_fifty(self, client: FlaskClient) -> None:
        email = someone()

        assert [guess(client, email, address=f"198.51.100.{n}") for n in range(51)] == [200] * 50 + [429]

    def test_at_many_accounts_from_one_address_end_after_a_hundred(self, client: FlaskClient) -> None:
        """One password tried at a thousand accounts."""
        tried = [guess(client, f"person{n}@example.org") for n in range(101)]

        assert tried == [200] * 100 + [429]

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    @pytest.mark.parametrize("accounts", [320, pytest.param(1_000, marks=pytest.mark.long)])
    def test_with_one_password_at_many_accounts_from_all_over_a_network_end_after_three_hundred(
        self, client: FlaskClient, accounts: int
    ) -> None:
        tried = [guess(client, f"person{n}@example.org", address=f"203.0.113.{n % 256}") for n in range(accounts)]

        assert tried == [200] * 300 + [429] * (accounts - 300)
        assert guess(client, "person0@example.org", address="203.0.114.1") == 200

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    @pytest.mark.parametrize("address", ["2001:db8::{:x}", "2001:db8:0:7:{:x}::1", "2001:db8:1:2:3:4:5:{:x}"])
    def test_from_one_network_of_ipv6_are_one_visitors(self, client: FlaskClient, address: str) -> None:
        email = someone()

        assert [guess(client, email, address=address.format(n)) for n in range(1, 12)] == [200] * 10 + [429]

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_at_one_account_are_counted_in_whatever_letters_it_is_written(self, client: FlaskClient) -> None:
        """Full-width letters in a domain lead to the same account: 2,048 spellings of example.org."""
        local, _, domain = someone().partition("@")
        spellings = [domain, *(domain[:n] + in_full_width(domain[n:]) for n in range(len(domain)) if domain[n] != ".")]

        tried = [guess(client, f"{local}@{spelling}") for spelling in spellings]

        assert len(set(spellings)) == 11
        assert tried == [200] * 10 + [429]

    def test_may_go_on_after_a_quarter_of_an_hour(self, client: FlaskClient) -> None:
        email = someone()
        with time_machine.travel(NOON, tick=False) as clock:
            for _ in range(10):
                guess(client, email)
            refused = guess(client, email)
            clock.shift(timedelta(minutes=15, seconds=1))

            assert refused == 429
            assert guess(client, email) == 200

    def test_are_counted_together_by_two_processes(
        self, app: Flask, client: FlaskClient, create_app: AppFactory
    ) -> None:
        email = someone()
        other = create_app({**CONFIG, "SQLALCHEMY_DATABASE_URI": app.config["SQLALCHEMY_DATABASE_URI"]})
        other.test_client_class = app.test_client_class
        for _ in range(5):
            guess(client, email)

        with other.app_context():
            tried = [guess(other.test_client(), email) for _ in range(6)]
            db.session.remove()
            db.engine.dispose()

        assert tried == [200] * 5 + [429]

    def test_keep_no_address_of_anybody(self, client: FlaskClient) -> None:
        email = someone()
        guess(client, email)

        keys = db.session.execute(select(RateLimit.key)).scalars().all()
        assert keys
        assert all(len(key) == 64 and email not in key for key in keys)


class TestStorage:
    def test_counts_every_attempt_of_many_at_once(self, app: Flask) -> None:
        storage = DatabaseStorage()

        def count(_: int) -> int:
            with app.app_context():
                return storage.incr("somebody", expiry=60)

        with ThreadPoolExecutor(8) as pool:
            counts = list(pool.map(lambda n: contextvars.Context().run(count, n), range(80)))

        assert sorted(counts) == list(range(1, 81))
        assert storage.get("somebody") == 80

    def test_begins_anew_after_the_window_and_forgets_the_old_one(self, app: Flask) -> None:
        storage = DatabaseStorage()
        with time_machine.travel(NOON, tick=False) as clock:
            storage.incr("somebody", expiry=60, amount=7)
            assert storage.get_expiry("somebody") == NOON.timestamp() + 60
            clock.shift(timedelta(seconds=61))

            assert storage.get("somebody") == 0
            assert storage.incr("somebody else", expiry=60) == 1
            assert db.session.execute(select(func.count()).select_from(RateLimit)).scalar_one() == 1

    def test_forgets_what_it_is_told_to(self, app: Flask) -> None:
        storage = DatabaseStorage()
        for key in ("one", "two", "three"):
            storage.incr(key, expiry=60)

        storage.clear("one")

        assert [storage.get(key) for key in ("one", "two", "three")] == [0, 1, 1]
        assert storage.reset() == 2
        assert storage.check()
