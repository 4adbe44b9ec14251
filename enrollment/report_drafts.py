"""Where does a report wait between its preview and the employer's confirmation?

Only a report without a problem waits, one for each person; the next one replaces it. It may name
family names, which are never kept elsewhere: it goes when it is sent or dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, ForeignKey, Index, delete, false
from sqlalchemy.orm import Mapped, mapped_column

from enrollment import contributions
from enrollment.contributions import Confirmed
from enrollment.models import Employer, Remittance
from enrollment.report_lines import ReportLine, packed, unpacked
from exchange.database import Base, db
from exchange.errors import NotFound
from exchange.identity.access import scope_of
from exchange.identity.actors import Actor, Audience


class ReportDraft(Base):
    """A report that waits to be confirmed."""

    __tablename__ = "report_draft"
    __table_args__ = (Index("ix_report_draft_employer_id", "employer_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    employer_id: Mapped[int] = mapped_column(ForeignKey("employer.organization_id"))
    kept_by_id: Mapped[int | None] = mapped_column(ForeignKey("login.id"))
    kept_at: Mapped[datetime]
    # Which way it came: form or csv.
    source: Mapped[str]
    # See ``report_lines.packed``.
    lines: Mapped[bytes]


def keep(lines: Sequence[ReportLine], *, employer: Employer, source: str, by: Actor, at: datetime) -> ReportDraft:
    """Keep a report until its confirmation, instead of the one that the same person had there."""
    same = ReportDraft.employer_id == employer.organization_id, ReportDraft.kept_by_id == by.login_id
    db.session.execute(delete(ReportDraft).where(*same))
    draft = ReportDraft(
        employer_id=employer.organization_id, kept_by_id=by.login_id, kept_at=at, source=source, lines=packed(lines)
    )
    db.session.add(draft)
    db.session.flush()
    return draft


def lines_of(draft: ReportDraft) -> list[ReportLine]:
    """The lines that wait."""
    return unpacked(draft.lines)


def confirm(draft: ReportDraft, *, employer: Employer, confirmed: Confirmed, by: Actor, at: datetime) -> Remittance:
    """Send the report. Refuses what ``contributions.submit`` refuses; then it goes on waiting."""
    lines, source = lines_of(draft), draft.source
    drop(draft)
    return contributions.submit(lines, employer=employer, source=source, confirmed=confirmed, by=by, at=at)


def drop(draft: ReportDraft) -> None:
    """Forget a report that waits no longer. Refuses ``NotFound`` where somebody was faster, and sent or dropped it."""
    gone = delete(ReportDraft).where(ReportDraft.id == draft.id).returning(ReportDraft.id)
    if db.session.execute(gone).scalar_one_or_none() is None:
        raise NotFound(_l("This report waits no longer: it was sent or dropped."))


@scope_of(ReportDraft)
def _drafts_of(actor: Actor) -> ColumnElement[bool]:
    """A draft is its employer's alone."""
    return ReportDraft.employer_id == actor.organization_id if actor.audience is Audience.EMPLOYER else false()
