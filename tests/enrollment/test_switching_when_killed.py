"""Does a cutover that dies anywhere end, when it is run again, as if it had not died?"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event

from enrollment import switching
from exchange.database import db
from exchange.ledger import invariants
from exchange.money import Unit
from tests.support.enrollment_makers import LEAVE, Town, held_by

KILLS_OF_EACH = 7
STATEMENTS = 20  # a batch has more of them: see the first test below
BATCH = 2


class Died(Exception):
    """Stands for whatever ends a transaction in the middle."""


@pytest.fixture
def town(app: Flask) -> Town:
    """Six workers whose switches are ordered, crosswise between two providers."""
    town = Town()
    for number in range(6):
        leaves, joins = (town.harbor, town.valley) if number % 2 else (town.valley, town.harbor)
        holding = {**LEAVE, ("retirement", Unit.USD): 1_000 + number}
        town.choose(town.member(f"Worker{number}", package_id=leaves, holding=holding), joins)
    town.order()
    return town


@contextmanager
def dying_at(statement: int, how: Any) -> Iterator[None]:
    """Die just before the database is given its ``statement``-th statement."""
    seen = 0

    def count(*_arguments: object) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            how()

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", count)


def everything_held() -> list[dict[tuple[int, str, Unit], int]]:
    """What each of the six holds."""
    return [held_by(account_id) for account_id in range(1, 7)]


class TestCutover:
    def test_is_whole_or_not_at_all_wherever_a_statement_fails(self, town: Town) -> None:
        before = everything_held()

        def die() -> None:
            raise Died

        statement = 0
        while True:
            statement += 1
            try:
                with dying_at(statement, die):
                    assert town.carry_out() == 6
                break
            except Died:
                db.session.rollback()
                assert everything_held() == before

        assert statement > 20
        assert sum(sum(held.values()) for held in everything_held()) == sum(sum(held.values()) for held in before)
        assert invariants.broken() == []

    def test_goes_on_after_being_killed_at_random_points(self, town: Town) -> None:
        before = everything_held()
        chance = random.Random(20261121)
        kills = 0
        for _ in range(3):  # batches, each killed at points of its own before it is let through
            for _ in range(KILLS_OF_EACH):
                db.session.remove()
                kills += not _carried_out_in_a_process(town, kill_at=chance.randrange(1, STATEMENTS))
            assert town.carry_out(limit=BATCH) == BATCH

        assert kills == 3 * KILLS_OF_EACH
        assert all(
            sorted(held.values()) == sorted(was.values()) for held, was in zip(everything_held(), before, strict=True)
        )
        assert switching.progress(town.window_id) == switching.Progress(6, 6)
        assert invariants.broken() == []


def _carried_out_in_a_process(town: Town, *, kill_at: int) -> bool:
    """Carry out in a process of its own, which is killed at a statement; whether it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            db.engine.dispose(close=False)  # the connections are the parent's
            with dying_at(kill_at, lambda: os._exit(9)):
                while town.carry_out(limit=BATCH):
                    pass
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {0, 9}, "the process ended by itself, in error"
    return code == 0
