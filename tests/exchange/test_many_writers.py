"""Is every write of many processes on one SQLite file done, once, and none refused because another writes?"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from flask import Flask

from exchange.database import db
from exchange.ledger import invariants
from tests.support.ledger_makers import Books, balance, entry, post

PROCESSES = 8

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


def in_processes(count: int, deed: Callable[[int], None]) -> list[int]:
    """Do the deed in so many processes at once, each with its number; their exit codes."""
    db.session.remove()
    db.engine.dispose()
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                deed(number)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


class TestManyWriters:
    @pytest.mark.parametrize("writes", [20, pytest.param(1_000, marks=pytest.mark.long)])
    def test_lose_nothing_and_are_never_refused(self, app: Flask, writes: int) -> None:
        books = Books()

        def write(process: int) -> None:
            for number in range(writes):
                post(entry(f"{process}:{number}", (books.money, books.pool, 1)))

        assert in_processes(PROCESSES, write) == [0] * PROCESSES

        assert balance(books.pool) == PROCESSES * writes
        assert invariants.broken() == []
        print(f"{PROCESSES} processes, {PROCESSES * writes} writes, none lost")
