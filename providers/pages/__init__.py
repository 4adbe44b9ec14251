"""Which pages show and change what providers offer?"""

from __future__ import annotations

from flask import Blueprint

from providers.pages import (
    apply,
    provider_drafts,
    provider_endings,
    provider_home,
    provider_packages,
    provider_qualification,
    provider_reserves,
    public_packages,
    public_providers,
    regulator,
    regulator_checks,
    regulator_decisions,
    regulator_packages,
)

PUBLIC: list[Blueprint] = [public_packages.bp, public_providers.bp, apply.bp]
PROVIDER: list[Blueprint] = [
    provider_home.bp,
    provider_packages.bp,
    provider_drafts.bp,
    provider_endings.bp,
    provider_reserves.bp,
    provider_qualification.bp,
]
REGULATOR: list[Blueprint] = [
    regulator.bp,
    regulator.what_if_bp,
    regulator_checks.bp,
    regulator_decisions.bp,
    regulator_packages.bp,
]
BLUEPRINTS: list[Blueprint] = [*PUBLIC, *PROVIDER, *REGULATOR]
