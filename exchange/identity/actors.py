"""Who does something, and in which capacity?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Audience(StrEnum):
    """The capacities in which somebody meets the exchange."""

    PUBLIC = "public"
    WORKER = "worker"
    EMPLOYER = "employer"
    PROVIDER = "provider"
    REGULATOR = "regulator"
    OPERATOR = "operator"
    SYSTEM = "system"


STAFF = frozenset({Audience.EMPLOYER, Audience.PROVIDER, Audience.REGULATOR, Audience.OPERATOR})
SECOND_FACTOR_REQUIRED = frozenset({Audience.PROVIDER, Audience.REGULATOR, Audience.OPERATOR})


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts: a signed-in person for himself or an organization, or a job by name."""

    audience: Audience
    name: str
    login_id: int | None = None
    organization_id: int | None = None

    @property
    def is_system(self) -> bool:
        """Whether a job or a command acts, not a person."""
        return self.audience is Audience.SYSTEM


ANONYMOUS = Actor(Audience.PUBLIC, "anonymous")


def system_actor(name: str) -> Actor:
    """The actor for a job or command, e.g. ``system_actor("job:cutover")``."""
    return Actor(Audience.SYSTEM, name)
