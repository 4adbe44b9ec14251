"""Who takes leave in the town, and who answers?"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from enrollment import leave
from enrollment.leave import TimeOff
from enrollment.models import BenefitAccount, LeaveRequest, LeaveState
from exchange.database import db
from exchange.identity.actors import Actor
from town.setting import Resident, Town

# Of a hundred members so many ask in a month.
ASK_IN_A_MONTH: Final = 7
REFUSED, WITHDRAWN = 12, 6
AN_HOUR: Final = 60
_REASONS: Final = (
    "Two of the days are already paid as sick leave.",
    "Your employer reported work on these days; ask again for the days after.",
)


def note_requests(town: Town, at: datetime) -> None:
    """Note who asks for leave in the coming month."""
    for resident in list(town.residents.values()):
        if town.happens(ASK_IN_A_MONTH):
            town.diary.note(town.days_later(at, 0, 27), partial(_ask, town, resident))


def _ask(town: Town, resident: Resident, at: datetime) -> None:
    kinds = [kind for kind in leave.leave_of(resident.account_id).values() if kind.free_minutes >= 4 * AN_HOUR]
    if not kinds:
        return
    kind = town.random.choice(kinds)
    hours = town.random.choice([4, 8, 8, 16, 24])
    minutes = min(hours * AN_HOUR, kind.free_minutes // AN_HOUR * AN_HOUR)
    first_day = town.day(at) + timedelta(days=town.random.randint(3, 21))
    wanted = TimeOff(kind.component, minutes, first_day, first_day + timedelta(days=minutes // (8 * AN_HOUR)))
    account = db.session.get_one(BenefitAccount, resident.account_id)
    request = leave.ask(account, wanted, policy=town.policy(at), by=resident.actor, at=at)
    if town.happens(WITHDRAWN):
        town.diary.note(town.days_later(at, 1, 1), partial(_withdraw, resident, request.id))
    town.diary.note(town.days_later(at, 2, 6), partial(_answer, town, request.id))


def _withdraw(resident: Resident, request_id: int, at: datetime) -> None:
    leave.withdraw(db.session.get_one(LeaveRequest, request_id), by=resident.actor, at=at)


def _answer(town: Town, request_id: int, at: datetime) -> None:
    """By the staff of whoever holds the leave now."""
    request = db.session.get_one(LeaveRequest, request_id)
    if request.state is not LeaveState.ASKED:
        return
    policy = town.policy(at)
    held = leave.held_for(request, leave.leave_of(request.benefit_account_id), policy)
    by = _staff_of(town, leave.holder_of(request, held))
    if town.happens(REFUSED) or leave.refusal_to_approve(request, held, by=by) is not None:
        leave.refuse(request, reason=town.random.choice(_REASONS), policy=policy, by=by, at=at)
    else:
        leave.approve(request, policy=policy, by=by, at=at)


def _staff_of(town: Town, organization_id: int) -> Actor:
    return town.providers[organization_id].actor if organization_id in town.providers else town.operator
