"""Does a regulator get the books, whole and once asked for, and does nobody else?"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.wrappers import Response

from exchange import clock
from exchange.audit import AuditEvent
from exchange.database import db, in_unit_of_work
from exchange.identity.actors import Audience
from exchange.ledger import bundle_orders, cosigning, seals
from exchange.ledger.bundle_orders import BundleOrder
from exchange.ledger.keys import KeyRing
from exchange.ledger.seals import Forked
from exchange.notices import Notice
from exchange.scheduler import runner
from exchange.scheduler.records import RunState
from tests.support.enrollment_makers import BY, LEAVE, Town
from tests.support.seal_makers import make_ring
from tests.support.signing_in import make_login, post, sign_in
from verifier import verify
from verifier.witness import new_key, signature_line

PAGE = "/regulator/bundles/"
# Writing reads one state of either database; what the pages do besides is the same on both.
ON_SQLITE = pytest.mark.parametrize("engine_name", ["sqlite"])


@pytest.fixture
def ring(app: Flask, tmp_path: Path) -> KeyRing:
    """A town with one member, the exchange's keys, and a folder for bundles."""
    Town().member("Ada", package_id=None, holding=LEAVE)
    folder = tmp_path / "keys"
    folder.mkdir()
    app.config["BUNDLES"] = str(tmp_path / "bundles")
    return make_ring(app, folder)


@pytest.fixture
def rita(ring: KeyRing, client: FlaskClient) -> FlaskClient:
    sign_in(client, make_login(Audience.REGULATOR, "Rita Moss"))
    return client


def ask(client: FlaskClient, kind: str = "with") -> BundleOrder:
    answer = post(client, PAGE, {"kind": kind, "reason": "Quarterly review"})
    assert answer.status_code == 303
    db.session.rollback()
    return bundle_orders.listed(at_most=1)[0]


def written(order: BundleOrder) -> BundleOrder:
    db.session.rollback()
    (ran,) = runner.run_by_hand("write-bundle", by=BY)
    assert ran.state is RunState.DONE, ran.text
    db.session.rollback()
    return bundle_orders.called(order.id)


def take(client: FlaskClient, order: BundleOrder) -> Response:
    """Take a bundle as the button does; the answer, read and closed."""
    taken = post(client, f"{PAGE}{order.id}/take")
    assert taken.status_code == 303
    with client.get(taken.location) as answer:
        assert answer.data
        return answer


def deeds() -> list[tuple[str, str, str | None]]:
    db.session.rollback()
    e = AuditEvent
    rows = select(e.action, e.actor_name, e.reason).where(e.subject.startswith("bundle:")).order_by(e.id)
    return [(action, name, reason) for action, name, reason in db.session.execute(rows)]


class TestBundle:
    def test_that_was_asked_for_is_written_taken_and_holds(self, rita: FlaskClient, tmp_path: Path) -> None:
        order = ask(rita)
        assert "waits for its turn" in rita.get(f"{PAGE}{order.id}?follow=1").text

        order = written(order)
        page = rita.get(f"{PAGE}{order.id}").text
        taken = take(rita, order)

        assert hashlib.sha256(taken.data).hexdigest() == order.sha256
        assert str(order.sha256) in page
        assert taken.headers["Content-Disposition"] == f"attachment; filename=books-{order.id}.zip"
        path = tmp_path / "taken.zip"
        path.write_bytes(taken.data)
        assert verify.verify(path).ok
        assert deeds() == [
            ("bundle.asked", "Rita Moss", "Quarterly review"),
            ("bundle.taken", "Rita Moss", "Quarterly review"),
        ]
        assert "Bundle" in db.session.execute(select(Notice.body)).scalars().all()[-1]


@ON_SQLITE
class TestOrder:
    def test_without_names_names_nobody(self, rita: FlaskClient, tmp_path: Path) -> None:
        order = written(ask(rita, "without"))

        content = take(rita, order).data

        path = tmp_path / "taken.zip"
        path.write_bytes(content)
        assert verify.verify(path).ok
        assert (b"confidential/leaves" in content, order.file_name) == (False, f"books-{order.id}-without-names.zip")

    def test_goes_on_where_a_line_broke(self, rita: FlaskClient) -> None:
        order = written(ask(rita))
        whole = take(rita, order)
        address = f"{PAGE}{order.id}/books.zip"

        with rita.get(address, headers={"Range": "bytes=100-", "If-Range": whole.headers["ETag"]}) as rest:
            assert (rest.status_code, rest.data) == (206, whole.data[100:])

    def test_asked_for_twice_is_written_once(self, rita: FlaskClient) -> None:
        first = ask(rita).id

        assert ask(rita).id == first
        assert ask(rita, "without").id != first

    def test_is_not_handed_out_before_it_is_written_down_who_takes_it(self, rita: FlaskClient) -> None:
        order = written(ask(rita))

        answer = rita.get(f"{PAGE}{order.id}/books.zip")

        assert (answer.status_code, answer.location) == (303, f"{PAGE}{order.id}")
        assert [action for action, *_ in deeds()] == ["bundle.asked"]

    def test_is_there_for_three_days(self, app: Flask, rita: FlaskClient) -> None:
        order = written(ask(rita))
        assert list(bundle_orders.outlived(clock.now() + bundle_orders.KEPT - timedelta(minutes=1))) == []
        (old,) = bundle_orders.outlived(clock.now() + bundle_orders.KEPT)

        in_unit_of_work(lambda: bundle_orders.remove(old, by=BY, at=clock.now()))

        assert not Path(app.config["BUNDLES"], f"{order.id}.zip").exists()
        assert "The file has been removed" in rita.get(f"{PAGE}{order.id}").text
        assert post(rita, f"{PAGE}{order.id}/take").status_code == 409
        assert [action for action, *_ in deeds()] == ["bundle.asked", "bundle.removed"]

    def test_asks_for_a_fresh_sign_in_where_it_names_workers(self, app: Flask, rita: FlaskClient) -> None:
        order, other = written(ask(rita)), written(ask(rita, "without"))
        app.config["SECURITY_FRESHNESS"] = timedelta(0)

        taken = post(rita, f"{PAGE}{order.id}/take")
        asked = post(rita, PAGE, {"kind": "with", "reason": "Quarterly review"})

        assert [answer.location.partition("?")[0] for answer in (taken, asked)] == ["/sign-in/again"] * 2
        assert [action for action, *_ in deeds()] == ["bundle.asked", "bundle.asked"]
        assert take(rita, other).status_code == 200

    @pytest.mark.parametrize("audience", [Audience.WORKER, Audience.OPERATOR, Audience.PROVIDER, Audience.EMPLOYER])
    def test_is_for_regulators_only(self, ring: KeyRing, app: Flask, audience: Audience, rita: FlaskClient) -> None:
        order = written(ask(rita))
        other = app.test_client()
        sign_in(other, make_login(audience, "Somebody Else"))

        for answer in (
            other.get(PAGE),
            other.get(f"{PAGE}{order.id}/books.zip"),
            post(other, f"{PAGE}{order.id}/take"),
        ):
            assert answer.status_code == 403

    def test_needs_a_reason_and_a_kind(self, rita: FlaskClient) -> None:
        answer = post(rita, PAGE, {"reason": " "})

        assert answer.status_code == 422
        assert bundle_orders.listed(at_most=1) == []


@ON_SQLITE
class TestPage:
    def test_says_how_the_journal_is_sealed_and_who_has_witnessed_it(
        self, rita: FlaskClient, ring: KeyRing, tmp_path: Path
    ) -> None:
        assert "Nothing has been sealed yet" in rita.get(PAGE).text
        key = tmp_path / "regulator.secret"
        ring.folder.joinpath("regulator.pub").write_text(new_key("regulator.example", key) + "\n")
        in_unit_of_work(lambda: seals.seal(ring, by=BY, at=clock.now()))
        newest = seals.latest()
        assert newest is not None
        text = newest.note.partition("\n\n")[0] + "\n"
        name, seed = key.read_text().splitlines()
        line = signature_line(text, name, base64.b64decode(seed))
        in_unit_of_work(lambda: cosigning.take(newest.note + line, ring, by=BY, at=clock.now()))

        page = rita.get(PAGE).text

        assert "regulator.example" in page
        assert "Entries under seal" in page

    def test_says_that_sealing_is_stopped(self, rita: FlaskClient) -> None:
        in_unit_of_work(lambda: seals.stop(Forked("The books were set back."), by=BY, at=clock.now()))

        assert "The books were set back." in rita.get(PAGE).text

    def test_explains_verifier_and_witness_with_the_key_of_this_exchange(
        self, rita: FlaskClient, ring: KeyRing
    ) -> None:
        page = rita.get(f"{PAGE}help").text

        (key,) = (str(one) for one in ring.verifying())
        assert f"--key &#34;{key}&#34;" in page or f'--key "{key}"' in page
        assert "witness.py --new" in page
        assert "What it cannot show" in page
