"""What does a provider's staff find first: how it stands, and what there is to do?"""

from __future__ import annotations

from typing import Final

from flask import render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from exchange.identity.actors import Audience
from exchange.web.audiences import audience_blueprint
from providers import reserve_standing, tasks
from providers.models import ProviderState
from providers.pages.occasion import occasion
from providers.pages.own import own_name, own_provider
from providers.pages.wording import PROVIDER_STATES, tiers_shown
from providers.tasks import Task, TaskKind

bp = audience_blueprint("provider_home", __name__, Audience.PROVIDER, "/provider")
bp.add_to_nav("home", _l("Overview"), order=0)

_STEPS: Final = {ProviderState.APPLIED: 0, ProviderState.UNDER_REVIEW: 1}


@bp.get("/")
def home() -> str:
    """How the provider stands, and what waits."""
    now = occasion()
    provider = own_provider()
    standing = reserve_standing.standings([provider.organization_id], policy=now.policy, on=now.on)
    waiting = tasks.tasks_of(provider, policy=now.policy, at=now.at)
    return render_template(
        "provider/home.html",
        name=own_name(),
        provider=provider,
        state=PROVIDER_STATES[provider.state],
        step=_STEPS.get(provider.state),
        standing=standing[provider.organization_id],
        tier=tiers_shown(now.policy).get(provider.tier or ""),
        due_on=tasks.filing_due_on(provider, policy=now.policy),
        tasks=[(task, *_way_to(task)) for task in waiting],
    )


def _way_to(task: Task) -> tuple[str, str]:
    """Where the task is done, and what the link says."""
    match task.kind:
        case TaskKind.FILE_RESERVES:
            return url_for("provider_reserves.file"), _("File reserves")
        case TaskKind.HAND_IN_PLAN:
            return url_for("provider_reserves.show"), _("See the finding")
        case TaskKind.NAME_BOARD:
            return url_for("provider_qualification.board"), _("Name the board")
        case TaskKind.SHOW_EVIDENCE:
            return url_for("provider_qualification.evidence", code=task.subject), _("Show evidence")
        case TaskKind.FINISH_DRAFT:
            return url_for("provider_drafts.edit", version_id=int(task.subject)), _("Go on with the draft")
        case TaskKind.PUT_ON_SHELF | TaskKind.DRAFT_NEXT_YEAR:
            return url_for("provider_packages.version", version_id=int(task.subject)), _("Open the package")
