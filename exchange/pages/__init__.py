"""Which pages belong to the market as a whole?"""

from __future__ import annotations

from flask import Blueprint

from exchange.pages import (
    account,
    health,
    operator,
    payments,
    public,
    regulator,
    regulator_bundles,
    regulator_policy,
    settlements,
    verification,
)

BLUEPRINTS: list[Blueprint] = [
    account.bp,
    health.bp,
    operator.bp,
    payments.bank_bp,
    payments.operator_bp,
    public.bp,
    regulator.books_bp,
    regulator.audit_bp,
    regulator_bundles.bp,
    regulator_policy.bp,
    *settlements.BLUEPRINTS,
    verification.bp,
]
