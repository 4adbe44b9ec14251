"""What do programs read about packages, providers and reserves, and what may they ask?

At the edge only: final figures go out, typed questions come in. Money is whole cents, shares and ratios are basis
points (10,000 is the whole), days are local dates of the program. Unknown keys are refused.
"""

from __future__ import annotations

import re
from typing import Final

from marshmallow import RAISE, Schema, fields, validate

from providers.health_plans import Metal
from providers.models import CheckCause, ProviderKind

MOST_PAGES: Final = 10_000
_CODE: Final = re.compile(r"[A-Za-z0-9_/ .-]{1,120}\Z", re.ASCII)
_YEAR: Final = re.compile(r"[0-9]{4}\Z", re.ASCII)


class _Asked(Schema):
    class Meta:
        """No key that we do not know passes unseen."""

        unknown = RAISE


class PackagesAsked(_Asked):
    """Which packages."""

    plan_year = fields.String(
        validate=validate.Regexp(_YEAR), metadata={"description": "The one to choose for now, if left out."}
    )
    component = fields.String(validate=validate.Regexp(_CODE), metadata={"description": "Only packages that have it."})
    fee_at_most_bp = fields.Integer(validate=validate.Range(0, 10_000))
    tier = fields.String(
        validate=validate.Regexp(_CODE), metadata={"description": "The provider's rung of the ladder."}
    )
    kind = fields.Enum(ProviderKind, by_value=True)
    place = fields.String(validate=validate.Regexp(_CODE), metadata={"description": "Where one lives."})
    metal = fields.Enum(Metal, by_value=True)
    page = fields.Integer(load_default=1, validate=validate.Range(1, MOST_PAGES))


class ComponentSchema(Schema):
    """One component of a package."""

    component = fields.String(required=True)
    share_bp = fields.Integer(required=True)
    waiting_days = fields.Integer(required=True)
    accrual_hours = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Hours of work for one of leave."}
    )
    vendor = fields.String(required=True, allow_none=True)
    terms = fields.String(required=True)


class HealthSchema(Schema):
    """The health plan that a package buys."""

    plan_id = fields.Integer(required=True)
    name = fields.String(required=True)
    issuer = fields.String(required=True)
    metal = fields.Enum(Metal, by_value=True, required=True)
    deductible_cents = fields.Integer(required=True, allow_none=True)
    oop_max_cents = fields.Integer(required=True, allow_none=True)


class TermsSchema(Schema):
    """What a version says; it never changes."""

    summary = fields.String(required=True)
    fee_bp = fields.Integer(required=True)
    service_area = fields.String(required=True)
    withdrawal_terms = fields.String(required=True)
    components = fields.List(fields.Nested(ComponentSchema), required=True)


class PackageSchema(Schema):
    """A version of a package that is on the shelf."""

    version_id = fields.Integer(required=True)
    package_id = fields.Integer(required=True)
    package_name = fields.String(required=True)
    provider_id = fields.Integer(required=True)
    provider_name = fields.String(required=True)
    plan_year = fields.String(required=True)
    tier = fields.String(required=True, allow_none=True)
    terms = fields.Nested(TermsSchema, required=True)
    health = fields.Nested(HealthSchema, required=True, allow_none=True)


class PackagesSchema(Schema):
    """A page of packages on sale."""

    plan_year = fields.String(required=True)
    total = fields.Integer(required=True)
    page = fields.Integer(required=True)
    pages = fields.Integer(required=True)
    packages = fields.List(fields.Nested(PackageSchema), required=True)


class ProviderSchema(Schema):
    """A qualified provider and how it stands by its last check."""

    provider_id = fields.Integer(required=True)
    name = fields.String(required=True)
    kind = fields.Enum(ProviderKind, by_value=True, required=True)
    state = fields.String(required=True)
    summary = fields.String(required=True)
    tier = fields.String(required=True, allow_none=True)
    tier_since = fields.Date(required=True, allow_none=True)
    takes_new_members = fields.Boolean(required=True)
    ratio_bp = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Held over required; null: nothing is required."}
    )
    checked_on = fields.Date(required=True, allow_none=True)
    filing_overdue = fields.Boolean(required=True)
    packages = fields.Integer(required=True, metadata={"description": "On sale for the plan year."})
    lowest_fee_bp = fields.Integer(required=True, allow_none=True)


class ProvidersSchema(Schema):
    """Every qualified provider, by name."""

    plan_year = fields.String(required=True)
    providers = fields.List(fields.Nested(ProviderSchema), required=True)


class ReservesAsked(_Asked):
    """Since when."""

    since = fields.Date(metadata={"description": "A year back, if left out; never farther."})


class CheckSchema(Schema):
    """What a provider owed, had to hold and held on a day."""

    on_date = fields.Date(required=True)
    cause = fields.Enum(CheckCause, by_value=True, required=True)
    checked_at = fields.AwareDateTime(required=True, format="iso")
    late = fields.Boolean(required=True)
    liabilities_cents = fields.Integer(required=True)
    required_cents = fields.Integer(required=True)
    held_cents = fields.Integer(required=True)
    ratio_bp = fields.Integer(required=True, allow_none=True)
    tier = fields.String(required=True)


class ReservesSchema(Schema):
    """The reserve checks of a provider, the oldest first."""

    provider_id = fields.Integer(required=True)
    checks = fields.List(fields.Nested(CheckSchema), required=True)
