"""What do the town's workers choose, and when?

In the special enrollment after the first contribution, when their provider falls off the shelf, and in the
open enrollment of today. Each choice is confirmed as on the worker's page, with the letter that follows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Select, select

from enrollment import accounts, choosing, elections, memberships, windows
from enrollment.models import BenefitAccount, EnrollmentWindow, Membership
from exchange.database import db
from exchange.policy.document import Trigger
from providers import shelf
from providers.models import Package, PackageVersion, VersionState
from town.setting import Resident, Town

# Of those who renew, so many choose another one: the share measured in the open enrollment for 2026 in the 30 states of
# HealthCare.gov, 5,321,996 active renewals that switched of 13,253,780 renewals ("2026 OEP State-Level Public Use File"
# of the Centers for Medicare & Medicaid Services: Actv_Renrl_Sw of Tot_Renrl; the other states do not report it).
SWITCHES_OF_HUNDRED: Final = 40.15
# Made up: so many of a hundred members have chosen by today. A third of all members switch by then.
HAVE_CHOSEN: Final = 83
# Made up, of a hundred each: choose in their first window; leave a provider that fell off the shelf; change their mind;
# lock their account afterwards.
CHOOSE_AT_FIRST, LEAVE_AT_ONCE, THINK_AGAIN, LOCK = 91, 45, 4, 2


def note_first_choices(town: Town, at: datetime) -> None:
    """Note what those choose whose first window opened just now."""
    policy = town.policy(at)
    cause = policy.cause_for(Trigger.FIRST_CONTRIBUTION)
    assert cause is not None, "the town's policy has it"
    for window_id, resident in _opened(town, cause.code, at):
        if town.happens(CHOOSE_AT_FIRST):
            soon = (1, 4) if town.happens(70) else (5, 50)
            _note(town, resident, window_id, town.days_later(at, *soon), to_another=True)


def note_leavers(town: Town, at: datetime) -> None:
    """Note which members of a provider that fell off the shelf leave it at once."""
    cause = town.policy(at).cause_for(Trigger.PROVIDER_RESTRICTED)
    assert cause is not None, "the town's policy has it"
    for window_id, resident in _opened(town, cause.code, at):
        if town.happens(LEAVE_AT_ONCE):
            _note(town, resident, window_id, town.days_later(at, 1, 14), to_another=True)


def note_open_enrollment(town: Town, at: datetime) -> None:
    """Note what members choose in the open enrollment: to stay, or another provider."""
    window = windows.open_enrollment_for(town.dates.next_year)
    assert window is not None, "it is published"
    m = Membership
    members = select(m.benefit_account_id, Package.last_plan_year).join(Package, Package.id == m.package_id)
    rows = db.session.execute(members.where(m.ends_at.is_(None)).order_by(m.benefit_account_id)).all()
    choosers = town.random.sample(rows, len(rows) * HAVE_CHOSEN // 100)
    # Whose package ends cannot stay in it: they come first among those who choose another provider.
    choosers.sort(key=lambda chooser: chooser[1] is None)
    switching = round(len(choosers) * SWITCHES_OF_HUNDRED / 100)
    span = town.now - at
    for number, (account_id, _) in enumerate(choosers):
        chosen_at = at + timedelta(seconds=town.random.randrange(int(span.total_seconds())))
        _note(town, town.residents[account_id], window.id, chosen_at, to_another=number < switching)


def _opened(town: Town, cause: str, at: datetime) -> list[tuple[int, Resident]]:
    w = EnrollmentWindow
    rows = select(w.id, w.benefit_account_id).where(w.cause == cause, w.published_at == at).order_by(w.id)
    return [(id_, town.residents[account_id]) for id_, account_id in db.session.execute(rows) if account_id]


def _note(town: Town, resident: Resident, window_id: int, at: datetime, *, to_another: bool) -> None:
    town.diary.note(at, partial(_choose, town, resident, window_id, to_another=to_another))
    if town.happens(THINK_AGAIN):
        town.diary.note(at + timedelta(minutes=20), partial(_think_again, town, resident, window_id))
    elif town.happens(LOCK):
        town.diary.note(at + timedelta(minutes=40), partial(_lock, resident))


def _choose(town: Town, resident: Resident, window_id: int, at: datetime, *, to_another: bool) -> None:
    account = db.session.get_one(BenefitAccount, resident.account_id)
    window = db.session.get_one(EnrollmentWindow, window_id)
    policy = town.policy(at)
    if account.switch_locked or windows.refusal_to_choose(window, at) is not None:
        return
    year = choosing.plan_year_for(window, policy=policy, at=at)
    mine = memberships.current(account.id)
    if to_another:
        version_id = _another(town, resident, mine, year)
    else:
        version_id = db.session.execute(_listed(mine.package_id, year)).scalar_one_or_none()
    if version_id is not None:
        version = db.session.get_one(PackageVersion, version_id)
        choosing.confirm(account, window=window, version=version, policy=policy, by=resident.actor, at=at)


def _another(town: Town, resident: Resident, mine: Membership, plan_year: str) -> int | None:
    """A package of another provider, by what people of this trade like."""
    on_sale = shelf.on_sale(plan_year, resident.place).subquery()
    rows = db.session.execute(
        select(on_sale.c.id, Package.provider_id)
        .join(Package, Package.id == on_sale.c.package_id)
        .where(Package.provider_id != mine.provider_id)
        .order_by(on_sale.c.id)
    )
    liked = {id_: town.providers[provider_id].story["liked_by"][resident.trade] for id_, provider_id in rows}
    return town.weighted(liked) if liked else None


def _listed(package_id: int | None, plan_year: str) -> Select[int]:
    v = PackageVersion
    return select(v.id).where(v.package_id == package_id, v.plan_year == plan_year, v.state == VersionState.LISTED)


def _think_again(town: Town, resident: Resident, window_id: int, at: datetime) -> None:
    """Undo the choice; some hours later choose once more."""
    account = db.session.get_one(BenefitAccount, resident.account_id)
    window = db.session.get_one(EnrollmentWindow, window_id)
    policy = town.policy(at)
    year = choosing.plan_year_for(window, policy=policy, at=at)
    standing = elections.standing(account.id, year)
    if standing is not None and standing.window_id == window.id:
        choosing.take_back(account, window=window, plan_year=year, by=resident.actor, at=at)
        town.diary.note(at + timedelta(hours=3), partial(_choose, town, resident, window_id, to_another=True))


def _lock(resident: Resident, at: datetime) -> None:
    account = db.session.get_one(BenefitAccount, resident.account_id)
    accounts.set_switch_lock(account, locked=True, by=resident.actor, at=at)
