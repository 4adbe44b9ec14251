"""What do employers' programs send, and what do they get?

At the edge only: what comes in becomes ``ReportLine``s, read by the same parsers as files and forms;
what goes out is made of final figures. Money is whole cents, time whole minutes. Unknown keys are
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from enrollment import account_numbers
from enrollment.report_lines import MAX_CENTS, MAX_JOBS, MAX_MINUTES, ReportLine, parse_day, parse_worker_class
from exchange.errors import Refusal
from exchange.policy.formulas import WorkerClass

MAX_LINES = 200_000
MAX_TOTAL_CENTS = 2**63 - 1


class Whole(fields.Integer):
    """A whole number: neither ``1.0`` nor ``"1"`` nor ``true``."""

    def __init__(self, *, at_most: int, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(0, at_most), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class Flag(fields.Boolean):
    """``true`` or ``false``: neither ``1`` nor ``"yes"``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class Parsed(fields.String):
    """A text that one of our own parsers reads; its refusal is the error."""

    def __init__(self, parse: Callable[[str], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parse = parse

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return self.parse(str(text))
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from refusal


class Strict(Schema):
    """What is not known here is refused."""

    class Meta:
        """See ``Strict``."""

        unknown = RAISE


class LineIn(Strict):
    """One worker's work of some days in one place."""

    account_number = Parsed(
        account_numbers.parse,
        required=True,
        validate=None,
        metadata={"description": "The worker's account number.", "example": account_numbers.from_serial(7)},
    )
    first_day = Parsed(parse_day, required=True, metadata={"format": "date"})
    last_day = Parsed(parse_day, metadata={"format": "date", "description": "Included. Left out: the first day."})
    place = fields.String(
        required=True,
        validate=validate.Length(1, 200),
        metadata={"description": "Where the work was done, as a code of the policy.", "example": "US-WA"},
    )
    sector = fields.String(validate=validate.Length(1, 50), metadata={"description": "Left out: the employer's own."})
    worker_class = Parsed(
        parse_worker_class, metadata={"enum": [one.value for one in WorkerClass], "description": "Left out: 1099."}
    )
    minutes = Whole(at_most=MAX_MINUTES, metadata={"description": "Minutes of work."})
    earnings_cents = Whole(at_most=MAX_CENTS, metadata={"description": "The worker's, before tips."})
    fee_cents = Whole(at_most=MAX_CENTS, metadata={"description": "What the customer paid, without tolls and tips."})
    tolls_cents = Whole(at_most=MAX_CENTS)
    jobs = Whole(at_most=MAX_JOBS)
    extra_cents = Whole(at_most=MAX_CENTS, metadata={"description": "What the employer pays above what is owed."})
    family_name = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "Compared with the account's, and not kept."}
    )


class ReportIn(Strict):
    """A report. All of it is taken, or nothing."""

    lines = fields.List(fields.Nested(LineIn), required=True, validate=validate.Length(1, MAX_LINES))


class RemittanceIn(ReportIn):
    """A report, and what is said with it."""

    total_cents = Whole(
        at_most=MAX_TOTAL_CENTS,
        metadata={"description": "What it may cost, as a preview told: else it is refused. Left out: what it costs."},
    )
    other_work = Flag(
        metadata={"description": "True: lines that share days with earlier reports are other work. Else refused."},
    )


class PageIn(Strict):
    """Which part of a list."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))


class Problem(Schema):
    """Why a request was not carried out (RFC 9457). Beside these, whatever the code's own details are."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "A sentence for people."})
    code = fields.String(required=True, metadata={"description": "A word for programs: it stays."})
    request_id = fields.String(required=True)


class ProblemOut(Schema):
    """Something that is wrong with a line of a report."""

    line = fields.Integer(required=True, metadata={"description": "Place in the list, from 1."})
    column = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True)


class ComputedLineOut(Schema):
    """A line, and what the rule that holds there comes to."""

    line = fields.Integer(required=True)
    account_number = fields.String(required=True)
    rule = fields.String(required=True, metadata={"description": "Empty where nothing is owed by law."})
    owed_cents = fields.Integer(required=True)
    extra_cents = fields.Integer(required=True)
    explanation = fields.String(required=True)


class ReportedBeforeOut(Schema):
    """A line that shares days with work of the same worker, place, sector and class in an earlier report."""

    line = fields.Integer(required=True)
    remittance_id = fields.Integer(required=True)
    earlier_line = fields.Integer(required=True)


class ReportOut(Schema):
    """What a report would cost; with problems it would not be taken."""

    total_cents = fields.Integer(required=True, metadata={"description": "If it is paid today."})
    late_cents = fields.Integer(required=True, metadata={"description": "Of the total: interest and penalty."})
    workers = fields.Integer(required=True)
    lines = fields.List(fields.Nested(ComputedLineOut), required=True)
    problems = fields.List(fields.Nested(ProblemOut), required=True)
    problem_count = fields.Integer(required=True)
    earlier_remittance_id = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The remittance that reported the same already."}
    )
    reported_before = fields.List(
        fields.Nested(ReportedBeforeOut), required=True, metadata={"description": "The first of these lines."}
    )
    reported_before_count = fields.Integer(required=True)


class RemittanceOut(Schema):
    """One payment of the employer for all its workers."""

    id = fields.Integer(required=True)
    state = fields.String(required=True, metadata={"enum": ["reported", "paid", "cancelled"]})
    source = fields.String(required=True)
    reported_at = fields.AwareDateTime(required=True, format="iso")
    paid_at = fields.AwareDateTime(required=True, allow_none=True, format="iso")
    total_cents = fields.Integer(required=True)
    late_cents = fields.Integer(required=True, metadata={"description": "Of the total: interest and penalty."})


class RemittancesOut(Schema):
    """A page of remittances, the latest first."""

    remittances = fields.List(fields.Nested(RemittanceOut), required=True)
    page = fields.Integer(required=True)
    pages = fields.Integer(required=True)


class ContributionOut(Schema):
    """A line of a remittance as it was taken."""

    line = fields.Integer(required=True)
    account_number = fields.String(required=True)
    first_day = fields.Date(required=True)
    last_day = fields.Date(required=True)
    place = fields.String(required=True)
    rule = fields.String(required=True)
    owed_cents = fields.Integer(required=True)
    extra_cents = fields.Integer(required=True)
    late_cents = fields.Integer(required=True)
    explanation = fields.String(required=True)


class ContributionsOut(Schema):
    """A page of a remittance's lines, in their order."""

    lines = fields.List(fields.Nested(ContributionOut), required=True)
    page = fields.Integer(required=True)
    pages = fields.Integer(required=True)


def report_line(line: int, given: Mapping[str, Any]) -> ReportLine:
    """The line that loaded values mean; ``line`` is its place in the report, from 1."""
    rest = {key: value for key, value in given.items() if key != "account_number"}
    return ReportLine(line, given["account_number"], **{"last_day": given["first_day"], **rest})
