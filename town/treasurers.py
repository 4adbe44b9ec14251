"""What do the town's providers file about their reserves, and when?

A treasurer looks at the books after midnight, before they are checked: when the ratio has left the band
around what he means to hold, or his filing has grown old, he files anew. What he means to hold is the story's.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from enrollment.models import Remittance
from exchange.database import db
from exchange.money import BP
from exchange.policy.document import Policy
from providers import reserve_checks, reserve_filings, reserve_standing
from providers.models import Provider
from providers.reserves import Standing
from town.setting import Offerer, Town

# Of what counts, the share that lies in each class of assets, in percent.
PORTFOLIO: Final = {"cash": 35, "treasuries": 35, "agency_bonds": 20, "municipal_bonds": 10}
BAND: Final = 12  # percentage points on either side
OLDEST_DAYS: Final = 80
# In the first weeks of a provider's books they change every day: counted from the first month of work.
FIRST_WEEKS: Final = (58, 100)
ANSWERED_AFTER_DAYS: Final = 40


def look(town: Town, at: datetime) -> None:
    """Each treasurer looks at the books, on days when there may be news, and files where he must."""
    on = town.day(at)
    if not _may_have_news(town, on, at):
        return
    policy = town.policy(at)
    for id_, standing in reserve_standing.standings(None, policy=policy, on=on).items():
        offerer = town.providers[id_]
        aim_bp = _aim(offerer, on, town.dates.today) * 100
        if _must_file(standing, aim_bp, on):
            reserve_filings.file_reserves(
                db.session.get_one(Provider, id_),
                as_of=on,
                holdings=_holdings(standing.required.cents * aim_bp // BP, policy),
                policy=policy,
                by=offerer.actor,
                at=at,
            )


def note_answers(town: Town) -> None:
    """Note when regulators are satisfied with what providers said about findings of long ago."""

    def close(at: datetime) -> None:
        for finding in reserve_checks.open_findings():
            if finding.found_at < at - timedelta(days=ANSWERED_AFTER_DAYS):
                reserve_checks.close_finding(
                    finding, reason="The provider's letter explains it by its growth.", by=town.regulators[-1], at=at
                )

    town.diary.note(town.dates.instant(town.dates.before_today(4), 15), close)


def _may_have_news(town: Town, on: date, at: datetime) -> bool:
    ago, since_work = (town.dates.today - on).days, (on - town.dates.months[0]).days
    if since_work < FIRST_WEEKS[0]:
        return False
    if on.day == 1 or on.isoweekday() == 1 or ago == 0 or since_work < FIRST_WEEKS[1]:
        return True
    if any(-ago in offerer.story["holds"] for offerer in town.providers.values()):
        return True
    yesterday = select(Remittance.id).where(Remittance.paid_at >= at - timedelta(days=1)).limit(1)
    return db.session.execute(yesterday).first() is not None


def _must_file(standing: Standing, aim_bp: int, on: date) -> bool:
    filed_as_of = standing.position.filed_as_of
    if standing.ratio_bp is None or filed_as_of is None:
        return False  # nothing is owed yet; the first filing is part of the application
    return abs(standing.ratio_bp - aim_bp) > BAND * 100 or (on - filed_as_of).days >= OLDEST_DAYS


def _aim(offerer: Offerer, on: date, today: date) -> int:
    """What the provider means to hold against the requirement on a day, in percent."""
    holds: dict[Any, int] = offerer.story["holds"]
    begun = [days for days in holds if isinstance(days, int) and -days >= (today - on).days]
    return holds[max(begun)] if begun else holds["at_first"]


def _holdings(counted_cents: int, policy: Policy) -> dict[str, int]:
    """Assets that count at least so much after their haircuts."""
    holdings = {}
    for code, percent in PORTFOLIO.items():
        kept_bp = BP - policy.reserves.asset(code).haircut_bp
        holdings[code] = -(-counted_cents * percent * BP // (100 * kept_bp))
    return holdings
