"""Which pages belong to the market as a whole?"""

from __future__ import annotations

from flask import Blueprint

from exchange.pages import account, operator, payments, public

BLUEPRINTS: list[Blueprint] = [
    account.bp,
    operator.bp,
    payments.bank_bp,
    payments.operator_bp,
    public.bp,
]
