"""Is each thing done once, and is it told what came of it?"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from exchange import audit, clock
from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.errors import Refusal
from exchange.identity.actors import Actor, system_actor
from exchange.scheduler import overview, records, runner
from exchange.scheduler.jobs import Due, Hold, Job, Outcome, due_on
from exchange.scheduler.records import AlreadyDone, BeingDone, JobRun, RunState, TakenOver
from exchange.scheduler.telling import Telling, said
from tests.support.scheduling import LONG_AGO, each_day, in_batches, move_to, on_keys, runs, work_of, worked

HAND = runner.Hand("test")
BY = system_actor("test")


class NotToday(Refusal):
    """Says no."""


def refuse(_key: str, /, *, by: Actor, at: datetime) -> NoReturn:
    audit.record("test.worked", "key:half", by=by, at=at)
    raise NotToday("Come back tomorrow.")


def break_down(_key: str, /, *, by: Actor, at: datetime) -> NoReturn:
    raise ZeroDivisionError("by nothing")


@pytest.fixture
def no_rules(app: Flask) -> Iterator[None]:
    app.extensions["after_posting_job"] = None
    yield
    del app.extensions["after_posting_job"]


class TestRunDue:
    def test_does_each_key_once_and_writes_it_down(self, app: Flask) -> None:
        job = on_keys("keys", ["a", "b"])

        ran = list(runner.run_due(HAND, among=[job]))
        again = list(runner.run_due(HAND, among=[job]))

        assert [(one.key, str(one.text)) for one in ran] == [("a", "worked on a"), ("b", "worked on b")]
        assert again == []
        assert worked() == {"a": 1, "b": 1}
        assert [(run.state, str(run.result), run.actor_name) for run in runs("keys")] == [
            (RunState.DONE, "worked on a", "job:keys"),
            (RunState.DONE, "worked on b", "job:keys"),
        ]

    def test_takes_things_in_the_order_in_which_they_became_due(self, app: Flask) -> None:
        app.config["DEMO"] = True
        early = Job("z", "", lambda _: [] if worked()["z"] else [Due("z", due_on(date(2026, 3, 2)).at)], work=work_of)
        days = each_day("a", since=date(2026, 3, 1))
        end = due_on(date(2026, 3, 3)).at
        days_until = Job("a", "", lambda _: days.due(end), work=days.work, is_daily=True)

        ran = list(runner.run_due(HAND, among=[days_until, early]))

        assert [one.key for one in ran] == ["2026-03-01", "2026-03-02", "z", "2026-03-03"]

    def test_takes_the_lower_order_first_where_both_are_due_since_the_same_instant(self, app: Flask) -> None:
        ran = list(runner.run_due(HAND, among=[on_keys("a", ["a"], order=60), on_keys("b", ["b"], order=40)]))

        assert [one.name for one in ran] == ["b", "a"]

    def test_leaves_what_reads_for_long_until_nothing_else_is_due(self, app: Flask) -> None:
        asked_before = [Due("bundle", LONG_AGO - timedelta(hours=1))]
        bundle = Job("bundle", "", lambda _: [] if worked()["bundle"] else asked_before, work=work_of, order=99)

        ran = list(runner.run_due(HAND, among=[bundle, on_keys("cutover", ["2027"])]))

        assert [one.name for one in ran] == ["cutover", "bundle"]

    def test_finds_what_another_job_has_just_made_due(self, app: Flask) -> None:
        second = Job(
            "second", "", lambda _: [Due("2", LONG_AGO)] if worked()["1"] and not worked()["2"] else [], work=work_of
        )

        ran = list(runner.run_due(HAND, among=[second, on_keys("first", ["1"])]))

        assert [one.name for one in ran] == ["first", "second"]

    def test_goes_on_with_the_others_when_one_fails(self, app: Flask) -> None:
        broken = on_keys("broken", ["x"], break_down, order=1)
        refused = on_keys("refused", ["y"], refuse, order=2)

        list(runner.run_due(HAND, among=[broken, refused, on_keys("well", ["a"])]))

        assert worked() == {"a": 1}
        assert [run.error for run in runs("broken")] == ["ZeroDivisionError: by nothing"]
        assert [(run.state, run.error) for run in runs("refused")] == [(RunState.FAILED, "Come back tomorrow.")]

    def test_goes_on_when_a_job_cannot_say_what_is_due(self, app: Flask) -> None:
        def ask(_now: datetime) -> NoReturn:
            raise LookupError("no such table")

        ran = list(runner.run_due(HAND, among=[Job("lost", "", ask, work=work_of), on_keys("well", ["a"])]))

        assert [one.name for one in ran] == ["well"]
        assert [(run.state, run.error) for run in runs("lost")] == [(RunState.FAILED, "LookupError: no such table")]

    def test_asks_again_at_once_when_the_connection_is_lost_over_the_question(self, app: Flask) -> None:
        lost = [OperationalError("SELECT", None, psycopg.OperationalError("the connection is lost"))]
        busy = on_keys("keys", ["a"])

        def ask(now: datetime) -> Sequence[Due]:
            if lost:
                raise lost.pop()
            return busy.due(now)

        list(runner.run_due(HAND, among=[replace(busy, due=ask)]))

        assert [(run.due_key, run.state) for run in runs("keys")] == [("a", RunState.DONE)]

    def test_lets_no_question_wait_for_what_failed_long_ago(self, app: Flask) -> None:
        app.config["DEMO"] = True
        broken = Job("lost", "", lambda _now: break_down("", by=BY, at=_now), work=work_of)
        for _ in range(6):
            list(runner.run_due(HAND, among=[broken]))
            move_to(clock.now() + timedelta(days=2))
        list(runner.run_due(HAND, among=[broken]))
        move_to(clock.now() + timedelta(seconds=31))

        list(runner.run_due(HAND, among=[replace(broken, due=on_keys("lost", ["a"]).due)]))

        assert [run.state for run in runs("lost")] == [RunState.FAILED] * 7 + [RunState.DONE]

    def test_tries_again_later_and_waits_longer_each_time(self, app: Flask) -> None:
        app.config["DEMO"] = True
        job = on_keys("broken", ["x"], break_down)
        waits = (timedelta(0), timedelta(seconds=29), timedelta(seconds=2), timedelta(seconds=58), timedelta(seconds=3))
        attempts = []

        for wait in waits:
            move_to(clock.now() + wait)
            list(runner.run_due(HAND, among=[job]))
            attempts.append(len(runs("broken")))

        assert attempts == [1, 1, 2, 2, 3]

    def test_holds_a_daily_jobs_later_dates_back_until_the_failed_one_is_done(self, app: Flask) -> None:
        days = [Due(on, LONG_AGO) for on in ("2026-03-01", "2026-03-02")]
        job = Job("days", "", lambda _: days, work=break_down, is_daily=True)

        list(runner.run_due(HAND, among=[job]))

        assert [run.due_key for run in runs("days")] == ["2026-03-01"]

    def test_stops_between_two_things_when_asked_to(self, app: Flask) -> None:
        ran = runner.run_due(HAND, among=[on_keys("keys", ["a", "b"])], should_stop=lambda: worked().total() == 1)

        assert [one.key for one in ran] == ["a"]

    def test_ends_a_long_job_between_two_batches_when_asked_to_and_goes_on_later(self, app: Flask) -> None:
        job = in_batches("long", "k")

        put_off = list(runner.run_due(HAND, among=[job], should_stop=lambda: "k.1" in worked()))
        left = worked()
        done = list(runner.run_due(HAND, among=[job]))

        assert (set(left), [ran.state for ran in put_off]) == ({"k.1"}, [RunState.ABANDONED])
        assert set(worked()) == {"k.1", "k.2", "k.3"}
        assert [ran.state for ran in done] == [RunState.DONE]

    def test_by_two_at_once_does_the_work_once(self, app: Flask) -> None:
        keys = [f"k{n}" for n in range(12)]
        start = threading.Barrier(2)

        def scheduler(name: str) -> None:
            with app.app_context():
                start.wait()
                while len(worked()) < len(keys):
                    list(runner.run_due(runner.Hand(name), among=[on_keys("keys", keys)]))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(scheduler, ["one", "two"]))

        assert worked() == dict.fromkeys(keys, 1)
        assert sorted(run.due_key for run in runs("keys") if run.state is RunState.DONE) == sorted(keys)


class TestStandings:
    def test_show_every_job_even_one_that_cannot_say_what_is_due(self, app: Flask) -> None:
        def ask(_now: datetime) -> NoReturn:
            raise LookupError("no such table")

        jobs = [Job("lost", "Is lost.", ask, work=work_of), on_keys("keys", ["a", "b"]), each_day("days")]

        lost, keys, days = overview.standings(clock.now(), among=jobs)

        assert lost.trouble == "LookupError: no such table"
        assert (keys.due_now, keys.due_at, keys.last) == (2, LONG_AGO, None)
        assert (days.due_now, days.trouble) == (1, "")

    def test_tell_what_came_of_the_last_run(self, app: Flask) -> None:
        job = on_keys("keys", ["a"])
        list(runner.run_due(HAND, among=[job]))

        (standing,) = overview.standings(clock.now(), among=[job])

        assert standing.last is not None
        assert (standing.last.state, str(standing.last.text), standing.due_now) == (RunState.DONE, "worked on a", 0)

    def test_no_longer_call_a_job_failed_that_can_say_again_what_is_due(self, app: Flask) -> None:
        able = [False]

        def ask(_now: datetime) -> list[Due]:
            if not able[0]:
                raise LookupError("no such table")
            return []

        def failed(job: Job) -> bool:
            return overview.standings(clock.now(), among=[job])[0].failed

        job = Job("lost", "", ask, work=work_of)
        list(runner.run_due(HAND, among=[job]))
        before, able[0] = failed(job), True

        assert (before, failed(job)) == (True, False)

    def test_call_a_job_failed_whose_work_failed(self, app: Flask) -> None:
        job = on_keys("broken", ["x"], break_down)
        list(runner.run_due(HAND, among=[job]))

        assert overview.standings(clock.now(), among=[job])[0].failed


class TestPerform:
    def test_leaves_nothing_of_a_failed_run_but_its_record(self, app: Flask) -> None:
        ran = runner.perform(on_keys("refused", ["y"], refuse), Due("y", LONG_AGO), hand=HAND)

        assert ran.state is RunState.FAILED
        assert worked() == {}

    def test_refuses_what_is_done(self, app: Flask) -> None:
        job = on_keys("keys", ["a"])
        runner.perform(job, Due("a", LONG_AGO), hand=HAND)

        with pytest.raises(AlreadyDone):
            runner.perform(job, Due("a", LONG_AGO), hand=HAND)

        assert worked() == {"a": 1}

    def test_refuses_what_another_is_doing(self, app: Flask) -> None:
        begun = in_unit_of_work(lambda: claim_of_another(token=None))

        with pytest.raises(BeingDone):
            runner.perform(on_keys("keys", ["a"]), Due("a", LONG_AGO), hand=HAND)

        assert worked() == {}
        assert [run.id for run in runs("keys")] == [begun]

    def test_takes_over_from_one_that_gave_no_sign_of_life(self, app: Flask) -> None:
        in_unit_of_work(lambda: claim_of_another(token=None, silent_for=timedelta(seconds=61)))

        runner.perform(on_keys("keys", ["a"]), Due("a", LONG_AGO), hand=HAND)

        assert [run.state for run in runs("keys")] == [RunState.ABANDONED, RunState.DONE]

    def test_shows_how_far_a_long_job_is(self, app: Flask) -> None:
        seen = []

        def batches(_key: str, /, *, hold: Hold, by: Actor) -> Telling:
            with unit_of_work():
                hold(said("%(done)s of %(total)s", done=1, total=2))
            seen.append(str(runs("long")[0].result))
            return said("both")

        runner.perform(Job("long", "", lambda _: [], long_work=batches), Due("k", LONG_AGO), hand=HAND)

        assert seen == ["1 of 2"]
        assert str(runs("long")[0].result) == "both"

    def test_refuses_the_batches_of_a_long_job_that_was_taken_over(self, app: Flask) -> None:
        def batches(key: str, /, *, hold: Hold, by: Actor) -> Telling:
            run = runs("long")[0]
            in_unit_of_work(lambda: records.become(run.id, RunState.ABANDONED, finished_at=clock.now()))
            with unit_of_work():
                work_of(key, by=by, at=clock.now())
                hold()
            raise AssertionError("held")

        with pytest.raises(TakenOver):
            runner.perform(Job("long", "", lambda _: [], long_work=batches), Due("k", LONG_AGO), hand=HAND)

        assert worked() == {}

    def test_leaves_an_interrupted_run_to_the_next_at_once(self, app: Flask) -> None:
        def interrupt(_key: str, /, *, by: Actor, at: datetime) -> NoReturn:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            runner.perform(on_keys("keys", ["a"], interrupt), Due("a", LONG_AGO), hand=HAND)
        runner.perform(on_keys("keys", ["a"]), Due("a", LONG_AGO), hand=HAND)

        assert [run.state for run in runs("keys")] == [RunState.ABANDONED, RunState.DONE]


class TestRulesAfterwards:
    def test_are_asked_after_a_job_that_posts_and_mark_its_run(self, app: Flask) -> None:
        app.extensions["after_posting_job"] = lambda: ("3. no worker's balance is ever negative: la-1",)
        try:
            list(runner.run_due(HAND, among=[on_keys("posts", ["a"], posts=True), on_keys("reads", ["b"])]))
        finally:
            del app.extensions["after_posting_job"]

        assert [run.broken for run in runs("posts")] == ["3. no worker's balance is ever negative: la-1"]
        assert [run.broken for run in runs("reads")] == [None]

    def test_find_nothing_in_books_that_are_well(self, app: Flask) -> None:
        list(runner.run_due(HAND, among=[on_keys("posts", ["a"], posts=True)]))

        assert [run.broken for run in runs("posts")] == [None]

    def test_that_cannot_be_asked_are_a_finding(self, app: Flask) -> None:
        def ask() -> NoReturn:
            raise LookupError("no such table")

        app.extensions["after_posting_job"] = ask
        try:
            list(runner.run_due(HAND, among=[on_keys("posts", ["a"], posts=True)]))
        finally:
            del app.extensions["after_posting_job"]

        assert [(run.state, run.broken) for run in runs("posts")] == [
            (RunState.DONE, "The rules could not be asked: LookupError: no such table")
        ]

    def test_may_be_found_by_the_job_itself(self, app: Flask, no_rules: None) -> None:
        def look(_key: str, /, *, by: Actor, at: datetime) -> Outcome:
            return Outcome(said("looked"), ["1. one", "2. two"])

        runner.perform(Job("look", "", lambda _: [], work=look), Due("k", LONG_AGO), hand=HAND)

        assert runs("look")[0].broken == "1. one\n2. two"


class TestRunByHand:
    def test_does_a_date_and_records_who_asked(self, app: Flask) -> None:
        ran = list(runner.run_by_hand("days", by=BY, on=date(2026, 3, 1), among=[each_day("days")]))

        assert [(one.key, one.late) for one in ran] == [("2026-03-01", True)]
        assert [run.actor_name for run in runs("days")] == ["test"]

    def test_refuses_a_date_that_is_done(self, app: Flask) -> None:
        list(runner.run_by_hand("days", by=BY, on=date(2026, 3, 1), among=[each_day("days")]))

        with pytest.raises(AlreadyDone, match="already done for 2026-03-01"):
            list(runner.run_by_hand("days", by=BY, on=date(2026, 3, 1), among=[each_day("days")]))

        assert worked() == {"2026-03-01": 1}

    def test_refuses_a_date_that_has_not_come(self, app: Flask) -> None:
        with pytest.raises(runner.NotYet):
            list(runner.run_by_hand("days", by=BY, on=date(2999, 1, 1), among=[each_day("days")]))

        assert worked() == {}

    def test_refuses_when_nothing_is_due(self, app: Flask) -> None:
        with pytest.raises(runner.NothingDue):
            list(runner.run_by_hand("keys", by=BY, among=[on_keys("keys", [])]))

    def test_says_what_a_job_waits_for_that_has_nothing_to_do_yet(self, app: Flask) -> None:
        waiting = Job("waiting", "Waits.", lambda _now: [], work=work_of, waits=lambda _now: "It is paused.")

        with pytest.raises(runner.NothingDue, match="It is paused"):
            list(runner.run_by_hand("waiting", by=BY, among=[waiting]))

    def test_does_not_wait_after_a_failure(self, app: Flask) -> None:
        list(runner.run_due(HAND, among=[on_keys("keys", ["a"], break_down)]))

        ran = list(runner.run_by_hand("keys", by=BY, among=[on_keys("keys", ["a"])]))

        assert [one.state for one in ran] == [RunState.DONE]


class TestTransitions:
    def test_name_every_state(self) -> None:
        assert set(records.MAY_BECOME) == set(RunState)

    def test_lead_out_of_running_only(self, app: Flask) -> None:
        runner.perform(on_keys("keys", ["a"]), Due("a", LONG_AGO), hand=HAND)
        done = runs("keys")[0]

        with pytest.raises(TakenOver):
            in_unit_of_work(lambda: records.become(done.id, RunState.FAILED, finished_at=clock.now()))

        assert [run.state for run in runs("keys")] == [RunState.DONE]


def claim_of_another(*, token: int | None, silent_for: timedelta = timedelta(0)) -> int:
    """An attempt at key "a" of the job "keys" by a process that says nothing more."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    values = {"name": "keys", "due_key": "a", "due_at": at, "started_at": at, "late": False}
    begun = records.claim(
        {**values, "actor_name": "job:keys", "holder": "another", "token": token},
        real_now=clock.real_now() - silent_for,
    )
    assert db.session.get_one(JobRun, begun).state is RunState.RUNNING
    return begun


@pytest.mark.parametrize("engine_name", ["postgresql"])
class TestLongStatement:
    """Longer than a page's reader is kept waiting."""

    @pytest.fixture(autouse=True)
    def _of_a_page(self, app: Flask) -> Iterator[None]:
        def limit(connection: Any, _record: object, _proxy: object) -> None:
            connection.execute("SET statement_timeout = '200ms'")
            connection.commit()

        event.listen(db.engine, "checkout", limit)
        yield
        event.remove(db.engine, "checkout", limit)

    def test_ends_a_job_no_more_than_the_rules_after_it(self, app: Flask) -> None:
        def work(_key: str, /, *, by: Actor, at: datetime) -> Telling:
            return said(think())

        def batches(_key: str, /, *, hold: Hold, by: Actor) -> Telling:
            def batch() -> Telling:
                hold()
                return said(think())

            return in_unit_of_work(batch)

        def rules() -> tuple[str, ...]:
            return (think(),)

        def due(now: datetime) -> list[Due]:
            return [Due("a", now)]

        app.extensions["after_posting_job"] = rules
        short = Job("short", "", due, work=work, posts=True)
        long = Job("long", "", due, long_work=batches, posts=True)

        ran = [runner.perform(job, Due("a", clock.now()), hand=HAND) for job in (short, long)]

        del app.extensions["after_posting_job"]
        assert [(str(one.text), one.broken) for one in ran] == [("thought", ("thought",))] * 2
        with pytest.raises(DBAPIError, match="statement timeout"):
            in_unit_of_work(think)


def think() -> str:
    """Take longer than a page may."""
    db.session.execute(text("SELECT pg_sleep(0.3)"))
    return "thought"
