from __future__ import annotations

import gc
from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from flask import Flask
from sqlalchemy import BigInteger, Column, LargeBinary, select
from sqlalchemy.exc import IntegrityError, PendingRollbackError

from enrollment.models import BenefitAccount, Worker
from exchange.bulk import Prepared, among, insert_rows, uncollected
from exchange.database import core, db, in_unit_of_work, unit_of_work
from exchange.ledger import staging

COLUMNS = ("legal_name", "email", "phone", "place", "born_on", "registered_at")
ODD = ["a\tb", "a\nb", "a\rb", "a\\b", "\\N", "", "Ñandú ☂", 'it\'s "quoted"', "{1,2}", "%s"]
BYTES = staging.temporary("of_a_test", Column("place", BigInteger), Column("content", LargeBinary))
PLAIN = ["{1,2}", "", "NULL", "a, b", " x ", "Ñandú"]
AT = datetime(2026, 11, 2, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("app")


def insert_people(names: list[str]) -> None:
    """One worker of each name."""
    rows = ((name, "x@example.org", None, "US-WA", "1990-02-28", 1) for name in names)
    with unit_of_work():
        insert_rows(core(Worker), COLUMNS, rows)


class TestInsertRows:
    def test_keeps_every_value_as_it_is(self) -> None:
        insert_people(ODD)

        workers = db.session.execute(select(Worker).order_by(Worker.id)).scalars().all()
        assert [worker.legal_name for worker in workers] == ODD
        assert {(worker.phone, worker.born_on) for worker in workers} == {(None, date(1990, 2, 28))}
        assert workers[0].registered_at == datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)

    def test_takes_more_rows_than_are_in_memory_at_a_time(self) -> None:
        insert_people([f"W{n}" for n in range(12_345)])

        assert len(db.session.execute(select(Worker.id)).all()) == 12_345

    def test_keeps_bytes_as_they_are(self) -> None:
        kept = [bytes(range(256)), bytes(32), b"\\x00\n\t"]
        with unit_of_work():
            staging.empty(BYTES)
            insert_rows(BYTES, ["place", "content"], enumerate(kept))

            found = db.session.execute(select(BYTES.c.content).order_by(BYTES.c.place)).scalars().all()

        assert found == kept

    def test_of_nothing_does_nothing(self) -> None:
        insert_people([])

        assert db.session.execute(select(Worker.id)).all() == []

    def test_raises_what_sqlalchemy_raises_and_leaves_nothing(self, app: Flask) -> None:
        insert_people(["Ada"])
        rows = [("PB-1", 1, 1, False), ("PB-1", 1, 1, False)]
        columns = ("number", "worker_id", "opened_at", "switch_locked")

        with pytest.raises(IntegrityError):
            in_unit_of_work(lambda: insert_rows(core(BenefitAccount), columns, rows))

        assert db.session.execute(select(BenefitAccount.id)).all() == []


class TestAmong:
    def test_finds_those_that_are_named_and_no_other(self) -> None:
        insert_people([*ODD, "not asked for"])

        found = db.session.execute(select(Worker.legal_name).where(among(Worker.legal_name, [*ODD, "nobody"])))

        assert sorted(found.scalars()) == sorted(ODD)

    def test_finds_numbers(self) -> None:
        insert_people(["Ada", "Bo", "Cy"])
        first, *_, last = db.session.execute(select(Worker.id).order_by(Worker.id)).scalars().all()

        assert set(db.session.execute(select(Worker.id).where(among(Worker.id, [first, last]))).scalars()) == {
            first,
            last,
        }

    def test_of_nothing_finds_nothing(self) -> None:
        insert_people(["Ada"])

        assert db.session.execute(select(Worker.id).where(among(Worker.legal_name, []))).all() == []


class TestPrepared:
    @pytest.mark.parametrize("words", [ODD, PLAIN])
    def test_finds_the_rows_as_they_were_given(self, words: list[str]) -> None:
        rows = [(place, None if place % 2 else -place, word) for place, word in enumerate(words)]
        asking = Prepared(
            "SELECT p.place + {more}, p.other, p.word FROM {rows} WHERE true ORDER BY 1",
            "p", ["more"], place="bigint", other="bigint", word="text",
        )  # fmt: skip

        found = asking.run(rows, more=0)

        assert [tuple(row) for row in found] == rows

    def test_raises_what_sqlalchemy_raises(self) -> None:
        twice = Prepared("INSERT INTO worker (id) SELECT p.id FROM {rows}", "p", id="bigint")

        with pytest.raises(IntegrityError):
            in_unit_of_work(lambda: twice.run([(1,), (1,)]))


class TestUncollected:
    def test_collects_again_afterwards_whatever_happened(self) -> None:
        found = []

        def fail() -> None:
            with uncollected(), uncollected():
                found.append(gc.isenabled())
                raise KeyError

        with pytest.raises(KeyError):
            fail()

        assert [*found, gc.isenabled()] == [False, True]


class TestDriver:
    def test_does_nothing_more_in_a_transaction_that_a_failed_flush_has_ended(self) -> None:
        insert_people(["Ada"])
        rename = Prepared(
            "UPDATE worker SET legal_name = {name} WHERE id IN (SELECT id FROM {rows})", "w", ("name",), id="bigint"
        )
        number = db.session.execute(select(Worker.id)).scalar_one()

        def work() -> None:
            rename.run([(number,)], name="Bo")
            db.session.add(BenefitAccount(number="PB-1", worker_id=999, opened_at=AT, switch_locked=False))
            with suppress(IntegrityError):
                db.session.flush()
            rename.run([(number,)], name="Cy")

        with pytest.raises(PendingRollbackError):
            in_unit_of_work(work)

        assert db.session.execute(select(Worker.legal_name)).scalar_one() == "Ada"
