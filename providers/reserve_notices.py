"""Which words do provider and regulators get when a check finds something?

Findings keep codes and figures; the sentence is made when somebody reads it, in his language. A notice
is written once and kept as it was.
"""

from __future__ import annotations

from datetime import datetime

from flask_babel import LazyString, format_date
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from exchange.database import db
from exchange.identity.actors import Actor
from exchange.identity.organizations import Organization, OrganizationKind
from exchange.money import format_dollars, format_percent
from exchange.notices import notify
from exchange.policy.document import Policy, Tier
from providers.models import Finding, FindingKind
from providers.reserves import Standing


def tell(finding: Finding, standing: Standing, *, policy: Policy, by: Actor, at: datetime) -> None:
    """Tell the provider and every regulator of the finding."""
    name = db.session.execute(select(Organization.name).where(Organization.id == finding.provider_id)).scalar_one()
    subject = _("Reserves of %(provider)s", provider=name)
    sentences = [str(sentence_of(finding, policy=policy)), _figures(standing), *_consequences(finding, standing.tier)]
    regulators = select(Organization.id).where(Organization.kind == OrganizationKind.REGULATOR)
    for reader in (finding.provider_id, *db.session.execute(regulators).scalars()):
        notify(subject[:200], body=" ".join(sentences), organization_id=reader, by=by, at=at)


def sentence_of(finding: Finding, *, policy: Policy) -> LazyString:
    """What was found, in one sentence."""
    names = {tier.code: tier.name for tier in policy.reserves.ladder}
    now = names.get(finding.to_tier, finding.to_tier)
    if finding.kind is FindingKind.TREND:
        return _l("The reserve ratio is falling fast, though it still stands at “%(now)s”.", now=now)
    if finding.from_tier is None:
        return _l("The reserves stand at “%(now)s”.", now=now)
    before = names.get(finding.from_tier, finding.from_tier)
    return _l("The reserves now stand at “%(now)s”; before, they stood at “%(before)s”.", now=now, before=before)


def reason_to_suspend(tier: Tier) -> str:
    """Why the system proposes to suspend a provider."""
    return str(_("The reserves are below the floor: they stand at “%(tier)s”.", tier=tier.name))


def _figures(standing: Standing) -> str:
    if standing.ratio_bp is None:
        return str(_("Nothing has to be held at present."))
    figures = _(
        "Held: %(held)s. Required: %(required)s. That is %(ratio)s.",
        held=format_dollars(standing.held_cents),
        required=format_dollars(standing.required.cents),
        ratio=format_percent(standing.ratio_bp),
    )
    return str(figures)


def _consequences(finding: Finding, tier: Tier) -> list[str]:
    said = []
    if not tier.on_sale:
        said.append(_("The packages are off the shelf: no new members until the reserves have risen."))
    if tier.may_leave_at_once:
        said.append(_("Members may leave at once."))
    if finding.plan_due_on is not None:
        said.append(
            _("A plan to restore the reserves is due on %(day)s.", day=format_date(finding.plan_due_on, "long"))
        )
    if finding.answer_due_on is not None:
        said.append(_("The regulator answers by %(day)s.", day=format_date(finding.answer_due_on, "long")))
    return said
