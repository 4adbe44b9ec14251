"""Where would providers stand if all choices were carried out as they stand now?

The regulator asks while the window is still open: nobody may be pushed below a border unseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from enrollment import cutover
from enrollment.cutover import Flow
from enrollment.models import EnrollmentWindow
from exchange.policy.document import Policy
from providers import reserve_standing
from providers.reserves import Standing


@dataclass(frozen=True, slots=True)
class Movement:
    """What would come to one provider and go from it: workers, and cents of their balances."""

    arriving: int
    arriving_cents: int
    leaving: int
    leaving_cents: int

    @property
    def change_cents(self) -> int:
        """By how much what it owes would rise, or (negative) fall."""
        return self.arriving_cents - self.leaving_cents


@dataclass(frozen=True, slots=True)
class Projection:
    """Standings of the providers that anybody goes to or comes from, as they are and as they would be."""

    flows: Sequence[Flow]
    movements: Mapping[int, Movement]
    now: Mapping[int, Standing]
    then: Mapping[int, Standing]
    workers: int
    cents: int


def project(window: EnrollmentWindow, *, policy: Policy, on: date, flows: Sequence[Flow] | None = None) -> Projection:
    """The elections that stand, added up and put to the reserves: a fixed number of statements.

    ``flows``: as they were added up before.
    """
    found = cutover.projected_flows(window) if flows is None else flows
    flows = sorted(found, key=lambda flow: (-flow.cents, flow.from_id, flow.to_id))
    moved = movements(flows)
    changes = {id_: movement.change_cents for id_, movement in moved.items()}
    return Projection(
        flows=flows,
        movements=moved,
        now=reserve_standing.standings(list(changes), policy=policy, on=on),
        then=reserve_standing.projected(changes, policy=policy, on=on),
        workers=sum(flow.workers for flow in flows),
        cents=sum(flow.cents for flow in flows),
    )


def movements(flows: Sequence[Flow]) -> dict[int, Movement]:
    """The flows from each organization's side. Pure."""
    sums: dict[int, list[int]] = {}
    for flow in flows:
        goes, comes = sums.setdefault(flow.from_id, [0] * 4), sums.setdefault(flow.to_id, [0] * 4)
        comes[0] += flow.workers
        comes[1] += flow.cents
        goes[2] += flow.workers
        goes[3] += flow.cents
    return {id_: Movement(*parts) for id_, parts in sums.items()}
