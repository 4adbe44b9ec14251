"""How is a login made, changed and ended?"""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from exchange.audit import AuditEvent
from exchange.database import db, unit_of_work
from exchange.errors import NotFound
from exchange.identity import login
from exchange.identity.actors import Audience
from exchange.identity.login import BadEmail, EmailTaken
from exchange.identity.people import Login
from exchange.outgoing_mail import OutgoingMail
from tests.conftest import Cli
from tests.support.signing_in import AT, BY, make_login


def audited() -> list[str]:
    return list(db.session.execute(select(AuditEvent.action).order_by(AuditEvent.id)).scalars())


def count_logins() -> int:
    return db.session.execute(select(func.count()).select_from(Login)).scalar_one()


def create(email: str, audience: Audience = Audience.WORKER) -> Login:
    return login.create(email, password=None, name="Ada", audience=audience, by=BY, at=AT)


class TestCreate:
    def test_keeps_the_address_in_one_spelling(self, app: Flask) -> None:
        with unit_of_work():
            made = create(" Ada.Flores@EXAMPLE.org ")
            assert made.email == "ada.flores@example.org"

        assert login.by_email("ada.flores@example.org") is not None
        assert audited() == ["login.created"]

    def test_is_refused_for_an_address_in_use(self, app: Flask) -> None:
        with unit_of_work():
            create("ada@example.org")

        with pytest.raises(EmailTaken), unit_of_work():
            create("ADA@example.org")

        assert count_logins() == 1

    @pytest.mark.parametrize(
        "email", ["", "ada", "ada@", "@example.org", "a b@example.org", "ada@example", "ada@exa mple.org"]
    )
    def test_is_refused_for_what_is_no_address(self, app: Flask, email: str) -> None:
        with pytest.raises(BadEmail), unit_of_work():
            create(email)

        assert count_logins() == 0

    def test_of_staff_needs_an_organization(self, app: Flask) -> None:
        with pytest.raises(IntegrityError), unit_of_work():
            create("ada@example.org", Audience.PROVIDER)

        assert count_logins() == 0


class TestDisable:
    def test_twice_is_once_and_can_be_taken_back(self, app: Flask) -> None:
        who = make_login(Audience.WORKER)
        for change in (login.disable, login.disable, login.enable, login.enable):
            with unit_of_work():
                change(who, reason="asked for", by=BY, at=AT)

        assert db.session.get_one(Login, who).active
        assert audited() == ["login.created", "login.disabled", "login.enabled"]

    def test_of_nobody_is_refused(self, app: Flask) -> None:
        with pytest.raises(NotFound), unit_of_work():
            login.disable(17, reason="asked for", by=BY, at=AT)


class TestChangeEmail:
    def test_tells_the_old_address_and_the_new_one(self, app: Flask) -> None:
        who = make_login(Audience.WORKER)
        with unit_of_work():
            before = login.change_email(who, "New@example.org", by=BY, at=AT)

        told = set(db.session.execute(select(OutgoingMail.recipient)).scalars())
        assert told == {before, "new@example.org"}
        assert db.session.get_one(Login, who).email == "new@example.org"

    def test_to_anothers_address_is_refused_and_nobody_is_told(self, app: Flask) -> None:
        who = make_login(Audience.WORKER)
        other = db.session.get_one(Login, make_login(Audience.WORKER)).email
        before = db.session.get_one(Login, who).email

        with pytest.raises(EmailTaken), unit_of_work():
            login.change_email(who, other, by=BY, at=AT)

        assert db.session.get_one(Login, who).email == before
        assert db.session.execute(select(func.count()).select_from(OutgoingMail)).scalar_one() == 0


class TestInvite:
    def test_lets_the_first_operator_in(self, app: Flask, cli: Cli) -> None:
        words = (
            "invite",
            "op@example.org",
            "--name",
            "Olga Pak",
            "--audience",
            "operator",
            "--organization",
            "The exchange",
        )

        first, again = cli(*words), cli(*words)

        assert first.exit_code == 0, first.output
        assert (again.exit_code, count_logins()) == (1, 1)
        assert "already" in again.output
