"""What becomes of choices in the last ten minutes of an enrollment, at three times the rate of a closing hour?

A closing hour: one worker of twenty in a million chooses within it. Their forms go at a fixed rate, whether or not
the one before was answered, through gunicorn with four sync workers into the real page; every tenth worker sends two at
once, from two tabs. Some seconds after the close the last is sent. Told are the answers, how long they took from the
moment at which each was due, and what must be nought: taken late, refused though answered in time, lost, neither taken
nor refused, and standing though not the last.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import Select, func, select

from benchmarks.bench_pages import COOKIE, PACKAGES, PROVIDERS, WORKERS, served_by_gunicorn, session_cookies
from benchmarks.engines import ENGINES, application
from benchmarks.history import live_through
from benchmarks.load import AGENT, answer_to
from benchmarks.market import BY, Market, open_market
from benchmarks.sizes import sized, tell
from enrollment import switching, windows
from enrollment.models import Election, ElectionState, EnrollmentWindow
from exchange import clock
from exchange.database import db, in_unit_of_work

A_SECOND = 3 * 0.05 * 1_000_000 / 3_600
SECONDS = sized(small=2, full=600)
AFTERWARDS = sized(small=1, full=5)
SERVERS = sized(small=2, full=4)  # docs/operations.md: for two cores four, as each waits for the disk half of its time
TABS = 64  # that wait for an answer at the same time, at most
TAKEN, REFUSED = {303}, {404, 409, 422}


@dataclass(frozen=True, slots=True)
class Answer:
    """Sent and answered by the program's clock; milliseconds since it was due."""

    sent: datetime
    answered: datetime
    status: int
    took_ms: float


def main() -> None:
    """Live through the close on each engine."""
    for engine in sys.argv[1:] or ENGINES:
        with application(engine) as app:
            market = open_market(providers=PROVIDERS, packages=PACKAGES)
            live_through(market, workers=WORKERS)
            close(engine, app, market)


def close(engine: str, app: Flask, market: Market) -> None:
    """Send, judge, and order the switches."""
    app.config["DEMO"] = True  # so that the clock can be moved to the close
    closes_at = db.session.get_one(EnrollmentWindow, market.window_id).closes_at
    forms = _forms(app, market)
    before = _count(select(func.count()).select_from(Election))
    with served_by_gunicorn(app, workers=SERVERS, DEMO="1") as port:
        in_unit_of_work(lambda: clock.move_demo_clock(to=closes_at - timedelta(seconds=SECONDS)))
        ahead = clock.demo_offset()
        db.session.rollback()
        answers = _send(port, forms, ahead)
    db.session.rollback()
    taken = [one for one in answers if one.status in TAKEN]
    refused = [one for one in answers if one.status in REFUSED]
    took = sorted(one.took_ms for one in answers)
    ordered_at = closes_at + windows.SETTLING
    window = db.session.get_one(EnrollmentWindow, market.window_id)
    not_the_last, standing = _not_the_last(market), _count(_of_state(market, ElectionState.STANDING))
    ordered = in_unit_of_work(lambda: switching.order_window(window, by=BY, at=ordered_at))
    stay = _count(_of_state(market, ElectionState.CARRIED_OUT))
    tell(
        f"closing_{engine}",
        n=len(answers),
        seconds=SECONDS,
        per_second=round(len(answers) / (SECONDS + AFTERWARDS), 1),
        taken=len(taken),
        refused=len(refused),
        neither=len(answers) - len(taken) - len(refused),
        taken_late=sum(one.sent >= closes_at for one in taken),
        refused_in_time=sum(one.answered < closes_at for one in refused),
        lost=len(taken) - (_count(select(func.count()).select_from(Election)) - before),
        not_the_last=not_the_last,
        not_ordered=standing - ordered - stay,
        median_ms=round(took[len(took) // 2], 1),
        p99_ms=round(took[len(took) * 99 // 100], 1),
        longest_ms=round(took[-1], 1),
    )


def _forms(app: Flask, market: Market) -> list[bytes]:
    """One form for each moment, of another worker each; every tenth is followed by one from his other tab."""
    count = round(A_SECOND * (SECONDS + AFTERWARDS))
    tokens = [secrets.token_hex(20) for _ in range(count)]
    cookies = session_cookies(app, [f"worker-{number}" for number in range(1, count + 1)], tokens)
    signer = URLSafeTimedSerializer(app.secret_key or "", salt="wtf-csrf-token")
    forms = []
    for number, (cookie, token) in enumerate(zip(cookies, tokens, strict=True)):
        body = f"csrf_token={signer.dumps(token)}"
        for tab in range(2 if number % 10 == 0 else 1):
            version = PACKAGES + 1 + (7 * number + tab) % PACKAGES
            path = f"/worker/choose/{version}?window={market.window_id}"
            forms.append(_form(path, cookie, body))
    return forms


def _form(path: str, cookie: str, body: str) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"User-Agent: {AGENT}",
        f"Cookie: {COOKIE}={cookie}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def _send(port: int, forms: Sequence[bytes], ahead: timedelta) -> list[Answer]:
    """All of them, evenly over the time; a second tab's goes with the first's."""
    step = (SECONDS + AFTERWARDS) / len(forms)
    began = time.monotonic()

    def one(form: bytes, due: float) -> Answer:
        sent = datetime.now(UTC) + ahead
        status, _, _ = answer_to(port, form)
        return Answer(sent, datetime.now(UTC) + ahead, status, 1_000 * (time.monotonic() - due))

    answers: list[Future[Answer]] = []
    with ThreadPoolExecutor(TABS) as pool:
        for number, form in enumerate(forms):
            due = began + number * step
            time.sleep(max(0.0, due - time.monotonic()))
            answers.append(pool.submit(one, form, due))
            if number % 1_000 == 0:
                sys.stderr.write(f"{number:,} of {len(forms):,} sent\n")
    return [answer.result() for answer in answers]


def _not_the_last(market: Market) -> int:
    """How many workers have a choice that stands though they made another one later."""
    e = Election
    last = select(e.benefit_account_id, func.max(e.decided_at).label("at")).where(e.window_id == market.window_id)
    latest = last.group_by(e.benefit_account_id).subquery()
    return _count(
        select(func.count())
        .select_from(e)
        .join(latest, latest.c.benefit_account_id == e.benefit_account_id)
        .where(e.window_id == market.window_id, e.state == ElectionState.STANDING, e.decided_at != latest.c.at)
    )


def _of_state(market: Market, state: ElectionState) -> Select[int]:
    e = Election
    return select(func.count()).select_from(e).where(e.window_id == market.window_id, e.state == state)


def _count(question: Select[int]) -> int:
    return db.session.execute(question).scalar_one()


if __name__ == "__main__":
    main()
