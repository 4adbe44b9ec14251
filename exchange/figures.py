"""Which figures tell whoever watches the exchange that it does its work?

Each is asked of the database (or of the settings that all hosts share) when somebody looks, so that every process gives
the same answer. Upper packages add theirs with ``@figure``. Counts and instants only, and nobody's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from flask import current_app
from sqlalchemy import func, select

from exchange import clock, outgoing_mail, quotas
from exchange.database import db, to_microseconds
from exchange.ledger import seals
from exchange.ledger.journal import LedgerEntry
from exchange.ledger.seal_store import SealGap, SealState
from exchange.scheduler import jobs, lease, overview
from exchange.scheduler.records import JobRun, RunState

COUNTED_AT_MOST: Final = 100_000  # entries that wait for a seal; more than that is one alarm


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a figure, told apart from its others by labels."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: its name, what it is, and how it is asked for at an instant."""

    name: str
    meaning: str
    ask: Callable[[datetime], Iterable[Sample]]


Ask = Callable[[datetime], Iterable[Sample]]
_figures: list[Figure] = []


def figure(name: str, meaning: str) -> Callable[[Ask], Ask]:
    """Show what the function returns under ``name``."""

    def register(ask: Ask) -> Ask:
        assert name.startswith("pbx_"), "whose figure it is"
        _figures.append(Figure(name, meaning, ask))
        return ask

    return register


def text(at: datetime) -> str:
    """Every figure as Prometheus reads it: its text format, version 0.0.4."""
    lines = []
    for one in sorted(_figures, key=lambda one: one.name):
        lines += [f"# HELP {one.name} {one.meaning}", f"# TYPE {one.name} gauge"]
        lines += [f"{one.name}{_labels(sample.labels)} {sample.value:.15g}" for sample in one.ask(at)]
    return "\n".join(lines) + "\n"


def names() -> list[str]:
    """The names of all figures."""
    return sorted(one.name for one in _figures)


def seconds_of(instant: datetime) -> float:
    """Seconds since 1970, as Prometheus counts time."""
    return to_microseconds(instant) / 1_000_000


def age(since: datetime | None, at: datetime) -> float:
    """Seconds from ``since`` to ``at``; zero when there is nothing."""
    return 0 if since is None else max((at - since).total_seconds(), 0)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    quoted = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(quoted) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# --- the market's own -----------------------------------------------------------------------------


@figure("pbx_clock_seconds", "The exchange's clock, in seconds since 1970; compare with time().")
def _clock(at: datetime) -> Iterable[Sample]:
    yield Sample(seconds_of(at))


@figure("pbx_clocks_apart_seconds", "By how much database, machine and its counter differ; above 5 nothing is written.")
def _clocks_apart(_at: datetime) -> Iterable[Sample]:
    yield Sample(clock.seconds_that_forbid_writing())


@figure("pbx_scheduler_leads", "1 while some scheduler leads.")
def _leads(_at: datetime) -> Iterable[Sample]:
    yield Sample(int(lease.is_held()))


@lru_cache(maxsize=1)
def _standings(at: datetime) -> list[overview.Standing]:
    """Asked once for all figures of one instant."""
    return overview.standings(at)


@figure("pbx_job_due", "Things that are due for a job now; -1 when it cannot tell.")
def _due(at: datetime) -> Iterable[Sample]:
    for one in _standings(at):
        yield Sample(-1 if one.trouble else one.due_now, {"name": one.name})


@figure("pbx_job_overdue_seconds", "Since when the oldest thing that a job has to do is due.")
def _overdue(at: datetime) -> Iterable[Sample]:
    for one in _standings(at):
        yield Sample(age(one.due_at, at) if one.due_now else 0, {"name": one.name})


@figure("pbx_job_last_success_seconds", "When a job was last done, in seconds since 1970.")
def _last_success(_at: datetime) -> Iterable[Sample]:
    r = JobRun
    for job in jobs.registered():
        last = select(r.finished_at).where(r.name == job.name, r.state == RunState.DONE).order_by(r.id.desc()).limit(1)
        finished = db.session.execute(last).scalar_one_or_none()
        if finished is not None:
            yield Sample(seconds_of(finished), {"name": job.name})


@figure("pbx_job_failed", "1 while the last run of a job is one that failed.")
def _failed(at: datetime) -> Iterable[Sample]:
    for one in _standings(at):
        yield Sample(int(one.failed), {"name": one.name})


@figure("pbx_broken_rules", "Findings of the last run that asked the rules which must always hold.")
def _broken(at: datetime) -> Iterable[Sample]:
    for one in _standings(at):
        if one.last is not None and (one.last.broken or one.name == "check-invariants"):
            yield Sample(len(one.last.broken), {"name": one.name})


@figure("pbx_entries_sealed", "Entries of the journal that are sealed.")
def _sealed(_at: datetime) -> Iterable[Sample]:
    yield Sample(_sealed_size())


@figure("pbx_entries_unsealed", "Entries that wait for their seal, counted up to 100,000.")
def _unsealed(_at: datetime) -> Iterable[Sample]:
    e = LedgerEntry
    highest = select(func.coalesce(func.max(SealState.highest_entry_id), 0)).scalar_subquery()
    above = select(e.id).where(e.id > highest).limit(COUNTED_AT_MOST).subquery()
    late = select(e.id).join(SealGap, e.id.between(SealGap.first_id, SealGap.last_id)).limit(COUNTED_AT_MOST).subquery()
    yield Sample(sum(db.session.execute(select(func.count()).select_from(one)).scalar_one() for one in (above, late)))


@figure("pbx_oldest_unsealed_seconds", "How long the oldest entry has waited for its seal.")
def _oldest_unsealed(at: datetime) -> Iterable[Sample]:
    oldest = seals.oldest_unsealed()
    yield Sample(age(oldest.posted_at if oldest else None, at))


@figure("pbx_sealing_stopped", "1 while nothing is sealed because the books do not extend what was published.")
def _stopped(_at: datetime) -> Iterable[Sample]:
    yield Sample(int(seals.is_stopped()))


@figure("pbx_letters_waiting", "Letters that are not sent yet.")
def _letters(_at: datetime) -> Iterable[Sample]:
    yield Sample(outgoing_mail.waiting().count)


@figure("pbx_oldest_letter_seconds", "How long the oldest letter has waited that was not refused.")
def _oldest_letter(at: datetime) -> Iterable[Sample]:
    yield Sample(age(outgoing_mail.waiting().since, at))


@figure("pbx_letters_refused", "Letters that wait for another try because the mail server refused them.")
def _refused_letters(_at: datetime) -> Iterable[Sample]:
    yield Sample(outgoing_mail.waiting().refused)


@figure("pbx_letters_are_sent", "1 where a mail server is set; without one letters are to wait.")
def _are_sent(_at: datetime) -> Iterable[Sample]:
    yield Sample(int(bool(current_app.config["MAIL_SERVER"])))


@figure("pbx_quotas_reached", "How often within the hour somebody asked for more records about workers than he may.")
def _quotas(at: datetime) -> Iterable[Sample]:
    yield Sample(sum(quotas.reached(within=timedelta(hours=1), at=at).values()))


def _sealed_size() -> int:
    found: int | None = db.session.execute(select(SealState.size)).scalar_one_or_none()
    return found or 0
