"""What does a provider have to do, and by when?

Asked afresh each time from what is on file; nothing is kept, so nothing can be forgotten or done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from flask_babel import LazyString, format_date
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from exchange import calendar
from exchange.clock import local_date
from exchange.database import db
from exchange.policy.document import CriterionKind, Policy
from providers import qualification, reserve_checks, reserve_filings, reserves
from providers.models import CriterionState, Package, PackageVersion, Provider, VersionState
from providers.qualification import Examined

SOON: Final = timedelta(days=30)


class TaskKind(StrEnum):
    """What sort of thing there is to do: it decides which page leads there."""

    FILE_RESERVES = "file_reserves"
    HAND_IN_PLAN = "hand_in_plan"
    SHOW_EVIDENCE = "show_evidence"
    NAME_BOARD = "name_board"
    FINISH_DRAFT = "finish_draft"
    PUT_ON_SHELF = "put_on_shelf"
    DRAFT_NEXT_YEAR = "draft_next_year"


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do. ``subject``: a criterion's code or a version's id; ``urgent``: its day is past or near."""

    kind: TaskKind
    sentence: LazyString
    due_on: date | None = None
    urgent: bool = False
    subject: str = ""


def tasks_of(provider: Provider, *, policy: Policy, at: datetime) -> list[Task]:
    """Everything that waits for the provider: what is urgent first, then by day."""
    on = local_date(at, policy.zone)
    found = [
        *_filing(provider, policy, on),
        *_plans(provider, on),
        *_criteria(provider, policy, on),
        *_versions(provider, policy, at),
    ]
    return sorted(found, key=lambda task: (not task.urgent, task.due_on or date.max))


def filing_due_on(provider: Provider, *, policy: Policy) -> date:
    """The last day on which the next reserve filing is in time."""
    latest = reserve_filings.latest(provider.organization_id)
    return reserves.filing_due_on(
        policy.reserves,
        filed_as_of=None if latest is None else latest.filing.as_of,
        applied_on=local_date(provider.applied_at, policy.zone),
    )


def _filing(provider: Provider, policy: Policy, on: date) -> list[Task]:
    due_on = filing_due_on(provider, policy=policy)
    if due_on - SOON > on:
        return []
    if due_on < on:
        sentence = _l("Your reserve filing is overdue: until it is here you stand lower on the ladder.")
    else:
        sentence = _l("File what you hold in reserve.")
    return [Task(TaskKind.FILE_RESERVES, sentence, due_on, urgent=due_on < on)]


def _plans(provider: Provider, on: date) -> list[Task]:
    return [
        Task(
            TaskKind.HAND_IN_PLAN,
            _l("Hand the regulator your plan to raise your reserves."),
            finding.plan_due_on,
            urgent=finding.plan_due_on < on,
        )
        for finding in reserve_checks.open_findings(provider.organization_id)
        if finding.plan_due_on is not None
    ]


def _criteria(provider: Provider, policy: Policy, on: date) -> list[Task]:
    found = []
    for examined in qualification.examination(provider, policy=policy, on=on):
        sentence = _of_criterion(examined, on)
        if sentence is not None:
            board = examined.criterion.kind is CriterionKind.ELECTED_BOARD and not examined.evidence
            kind = TaskKind.NAME_BOARD if board else TaskKind.SHOW_EVIDENCE
            urgent = examined.expired or examined.state is CriterionState.NOT_MET
            found.append(Task(kind, sentence, examined.expires_on, urgent=urgent, subject=examined.criterion.code))
    return found


def _of_criterion(examined: Examined, on: date) -> LazyString | None:
    name = examined.criterion.name
    if examined.state is CriterionState.NOT_MET:
        return _l("Not met: %(criterion)s. Show what has changed.", criterion=name)
    if examined.state is CriterionState.OPEN:
        if examined.evidence:
            return None  # shown; it is the reviewer's turn
        return _l("Show evidence: %(criterion)s.", criterion=name)
    if examined.expired:
        return _l("Expired: %(criterion)s. Show evidence anew.", criterion=name)
    if examined.expires_on is not None and examined.expires_on - SOON <= on:
        day = format_date(examined.expires_on, "long")
        return _l("Holds only until %(day)s: %(criterion)s. Show evidence anew.", day=day, criterion=name)
    return None


def _versions(provider: Provider, policy: Policy, at: datetime) -> list[Task]:
    now = calendar.plan_year_of(policy, local_date(at, policy.zone))
    following = calendar.next_plan_year(policy, now.starts_on)
    opens_on = calendar.open_enrollment(policy, following).opens_on
    v = PackageVersion
    rows = db.session.execute(
        select(v.id, v.package_id, v.plan_year, v.state, Package.name, Package.last_plan_year)
        .join(Package, Package.id == v.package_id)
        .where(Package.provider_id == provider.organization_id, v.state != VersionState.CLOSED, v.plan_year >= now.id)
        .order_by(v.plan_year, Package.name)
    ).all()
    found = []
    for row in rows:
        words = {"name": row.name, "year": row.plan_year}
        if row.state is VersionState.DRAFT:
            sentence = _l("“%(name)s” for %(year)s is a draft: finish it and hand it in.", **words)
            found.append(Task(TaskKind.FINISH_DRAFT, sentence, subject=str(row.id)))
        elif row.state is VersionState.CERTIFIED:
            sentence = _l("“%(name)s” for %(year)s is certified: put it on the shelf.", **words)
            found.append(Task(TaskKind.PUT_ON_SHELF, sentence, subject=str(row.id)))
    prepared = {row.package_id for row in rows if row.plan_year == following.id}
    for row in rows:
        listed = row.plan_year == now.id and row.state is VersionState.LISTED
        if listed and row.package_id not in prepared and row.last_plan_year is None:
            sentence = _l("“%(name)s” has no terms for %(year)s yet.", name=row.name, year=following.id)
            found.append(Task(TaskKind.DRAFT_NEXT_YEAR, sentence, opens_on, subject=str(row.id)))
    return found
