"""Which pages show and change what workers hold and employers pay?"""

from __future__ import annotations

from flask import Blueprint

from enrollment.pages import (
    corrections,
    employer,
    employer_report,
    employer_tokens,
    operator,
    operator_cutover,
    operator_employers,
    operator_proposal,
    provider,
    public_home,
    regulator,
    worker_check,
    worker_choice,
    worker_claim,
    worker_home,
    worker_leave,
    worker_register,
    worker_statement,
    worker_switches,
)

WORKER: list[Blueprint] = [
    worker_register.bp,
    worker_home.bp,
    worker_choice.bp,
    worker_claim.bp,
    worker_leave.bp,
    worker_switches.bp,
    worker_statement.bp,
    worker_check.bp,
]
EMPLOYER: list[Blueprint] = [employer.bp, employer_report.bp, employer_tokens.bp, corrections.employer_bp]
OPERATOR: list[Blueprint] = [
    operator.bp,
    operator.special_bp,
    operator_cutover.bp,
    operator_cutover.switches_bp,
    operator_proposal.bp,
    operator_employers.bp,
]
REGULATOR: list[Blueprint] = [regulator.bp, regulator.projection_bp]
BLUEPRINTS: list[Blueprint] = [
    public_home.bp,
    *WORKER,
    *EMPLOYER,
    corrections.operator_bp,
    *provider.BLUEPRINTS,
    *OPERATOR,
    *REGULATOR,
]
