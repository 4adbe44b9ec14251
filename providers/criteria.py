"""What do figures say about a criterion of qualification?

The tax office's register, the seats of the board and the standing of the reserves answer by
themselves; declarations, bonds and the like need a reviewer's eyes.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from exchange.database import db
from exchange.identity.organizations import Organization
from exchange.money import BP
from exchange.policy.document import Criterion, CriterionKind, Policy
from providers import irs_register
from providers.models import BoardSeat, Provider, ReserveFiling


@dataclass(frozen=True, slots=True)
class Measured:
    """What figures say about a criterion: whether it holds, and why, one sentence or more."""

    holds: bool
    sentences: tuple[LazyString, ...]

    @property
    def sentence(self) -> str:
        """All of it, in the reader's language."""
        return " ".join(str(sentence) for sentence in self.sentences)


def measure(provider: Provider, criterion: Criterion, *, policy: Policy) -> Measured | None:
    """What figures say about a criterion; None for those that only a reviewer can answer."""
    match criterion.kind:
        case CriterionKind.IRS_REGISTER:
            return _measure_register(provider, criterion)
        case CriterionKind.ELECTED_BOARD:
            return _measure_board(provider, criterion)
        case CriterionKind.RESERVE_FILING:
            return _measure_reserves(provider, criterion, policy)
        case _:
            return None


def register_facts(provider: Provider) -> str:
    """What is kept as evidence of the register: its own words, in no language of ours."""
    ein = _ein(provider)
    row = db.session.get(irs_register.IrsOrganization, ein)
    if row is None:
        return f"EIN {irs_register.format_ein(ein)}: –"
    section = irs_register.section_words(row.subsection)
    return f"EIN {irs_register.format_ein(ein)}: {row.name}, {section}, {row.status} ({row.source})"


def _measure_register(provider: Provider, criterion: Criterion) -> Measured:
    standing = irs_register.nonprofit_standing(
        _ein(provider), allowed_subsections=criterion.subsections, allowed_statuses=criterion.statuses
    )
    if not standing.is_allowed:
        return Measured(False, standing.reasons)
    assert standing.name is not None and standing.subsection is not None
    found = _l(
        "The IRS register of exempt organizations has EIN %(ein)s: %(name)s, %(section)s, status code %(status)s.",
        ein=irs_register.format_ein(standing.ein),
        name=standing.name,
        section=irs_register.section_words(standing.subsection),
        status=standing.status,
    )
    return Measured(True, (found,))


def _measure_board(provider: Provider, criterion: Criterion) -> Measured:
    assert criterion.elected_bp is not None, "the policy's reader asks for it"
    seats, elected = db.session.execute(
        select(func.count(), func.count().filter(BoardSeat.elected_by_members)).where(
            BoardSeat.provider_id == provider.organization_id
        )
    ).one()
    holds = seats > 0 and elected * BP >= criterion.elected_bp * seats
    counted = _l("Member workers elect %(elected)s of the board's %(seats)s seats.", elected=elected, seats=seats)
    return Measured(holds, (counted,))


def _measure_reserves(provider: Provider, criterion: Criterion, policy: Policy) -> Measured:
    assert criterion.tier is not None, "the policy's reader asks for it"
    filed = select(ReserveFiling.id).where(ReserveFiling.provider_id == provider.organization_id).limit(1)
    if provider.tier is None or db.session.execute(filed).first() is None:
        return Measured(False, (_l("The provider has not filed yet what it holds."),))
    names = {tier.code: tier.name for tier in policy.reserves.ladder}
    rungs = list(names)
    # A rung that another policy knew is none of these: the next check brings one of them.
    holds = provider.tier in rungs and rungs.index(provider.tier) <= rungs.index(criterion.tier)
    stands = _l(
        "Its reserves stand at “%(now)s”; at least “%(least)s” is asked for.",
        now=names.get(provider.tier, provider.tier),
        least=names[criterion.tier],
    )
    return Measured(holds, (stands,))


def _ein(provider: Provider) -> str:
    ein = db.session.execute(select(Organization.ein).where(Organization.id == provider.organization_id)).scalar_one()
    assert ein is not None, "an organization applies with its EIN"
    return ein
