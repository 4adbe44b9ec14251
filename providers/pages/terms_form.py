"""How are the terms of a package typed in, and where on the form does each refusal belong?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice

from exchange.errors import Refusal
from exchange.money import Unit, format_percent, parse_percent
from exchange.policy.document import Nature, Policy
from exchange.web.forms import NameField, PageForm, ParsedField, TextField, WholeField, needed
from providers.package_terms import MAX_ACCRUAL_HOURS, MAX_WAITING_DAYS, ComponentTerms, Terms

# Refusal's code → the rule that it stands for, in the words of the page.
RULES: Final[Mapping[str, LazyString]] = MappingProxyType(
    {
        "not_the_whole": _l("Shares and fee are the whole contribution"),
        "mandatory_component_missing": _l("What every package has"),
        "fee_above_cap": _l("The cap on the fee"),
        "worse_accrual": _l("The law's pace for leave"),
        "no_leave": _l("Hours accrue in leave only"),
        "unknown_component": _l("Components of the policy"),
        "unknown_place": _l("Places of the policy"),
        "provider_not_qualified": _l("Only the qualified publish"),
        "package_discontinued": _l("A package that ends has no later years"),
    }
)
_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fee_above_cap": "fee",
        "unknown_place": "service_area",
        "mandatory_component_missing": "share_{component}",
        "worse_accrual": "accrual_{component}",
        "no_leave": "accrual_{component}",
    }
)
_PARTS: Final = ("share", "waiting", "accrual", "vendor", "terms")


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that stands against submitting, what is wrong, and the field where it can be mended (None: none)."""

    rule: str
    sentence: str
    field: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One component on the form: its fields by name, None where it has none."""

    code: str
    name: str
    is_own: bool
    mandatory: bool
    fields: Mapping[str, Any]


class PercentField(ParsedField):
    """A share of a contribution → basis points. Takes ``12.5`` and ``12.5 %``; nothing else."""

    def __init__(self, label: str | LazyString, validators: Sequence[Any] = (), **kwargs: Any) -> None:
        super().__init__(label, validators, parse=parse_percent, **kwargs)

    def written(self, value: int) -> str:
        """1250 → ``12.5``: the sign stands after the input."""
        return format_percent(value).removesuffix("%")


class TermsFormBase(PageForm):
    """What all packages say; ``terms_form`` adds the fields of each component."""

    summary = TextField(
        _l("In one or two sentences"), [needed()], at_most=400, hint=_l("For whom it is. Workers read it in the list.")
    )
    service_area = SelectField(_l("For people who live in"))
    withdrawal_terms = TextField(
        _l("Taking money or leave out"), at_most=2_000, hint=_l("When and how a member gets at what is his.")
    )
    fee = PercentField(_l("Your fee"), [needed(_l("Write the fee; 0 is one."))])

    policy: Policy

    @property
    def lines(self) -> list[Line]:
        """The components in the policy's order."""
        return [
            Line(
                component.code,
                component.name,
                component.nature is Nature.INDIVIDUAL,
                component.mandatory,
                {part: self[name] if (name := f"{part}_{component.code}") in self else None for part in _PARTS},
            )
            for component in self.policy.components
        ]

    @property
    def whole_bp(self) -> int:
        """What the shares and the fee come to as they are written."""
        return (self.fee.data or 0) + sum(line.fields["share"].data or 0 for line in self.lines)

    def terms(self, health_plan_id: int | None) -> Terms:
        """The terms as they were typed; a component without a share is not in the package."""
        return Terms(
            summary=self.summary.data or "",
            fee_bp=self.fee.data or 0,
            service_area=self.service_area.data,
            components=tuple(_component(line) for line in self.lines if line.fields["share"].data is not None),
            withdrawal_terms=self.withdrawal_terms.data or "",
            health_plan_id=health_plan_id,
        )

    def validate(self, extra_validators: Any = None) -> bool:
        """Beside the fields: terms without a share would be lost silently, so they are asked about."""
        right: bool = super().validate(extra_validators)
        for line in self.lines:
            share = line.fields["share"]
            written = any(field.data for part, field in line.fields.items() if part != "share" and field is not None)
            if share.data is None and written and not share.errors:
                share.errors = [_("Give it a share, or empty the rest of its row.")]
                right = False
        return right


def terms_form(policy: Policy, terms: Terms) -> TermsFormBase:
    """The form for a draft under a policy, filled with what the draft says."""
    by_code = {one.component: one for one in terms.components}
    fields: dict[str, Any] = {}
    data: dict[str, Any] = {
        "summary": terms.summary,
        "service_area": terms.service_area,
        "withdrawal_terms": terms.withdrawal_terms,
        "fee": terms.fee_bp,
    }
    for component in policy.components:
        code, name = component.code, component.name
        fields[f"share_{code}"] = PercentField(_("%(benefit)s: share in per cent", benefit=name))
        fields[f"waiting_{code}"] = WholeField(_("%(benefit)s: days to wait", benefit=name), at_most=MAX_WAITING_DAYS)
        fields[f"vendor_{code}"] = NameField(_("%(benefit)s: who stands behind it", benefit=name))
        fields[f"terms_{code}"] = NameField(_("%(benefit)s: terms", benefit=name))
        if Unit.MIN in component.units:
            fields[f"accrual_{code}"] = WholeField(
                _("%(benefit)s: hours of work for one hour of leave", benefit=name),
                at_least=1,
                at_most=MAX_ACCRUAL_HOURS,
            )
        one = by_code.get(code)
        if one is not None:
            data |= {
                f"share_{code}": one.share_bp,
                f"waiting_{code}": one.waiting_days or None,
                f"vendor_{code}": one.vendor,
                f"terms_{code}": one.terms or None,
                f"accrual_{code}": one.accrual_hours,
            }
    form: TermsFormBase = type("TermsForm", (TermsFormBase,), {**fields, "policy": policy})(data=data)
    form.service_area.choices = [SelectChoice(place.code, place.name) for place in policy.places]
    return form


def broken_rules(refusals: Iterable[Refusal]) -> list[Broken]:
    """Each refusal with the name of its rule and the field where it belongs."""
    return [
        Broken(
            rule=str(RULES.get(refusal.code, refusal.code)),
            sentence=str(refusal),
            field=_field_of(refusal),
        )
        for refusal in refusals
    ]


def show_at_fields(form: TermsFormBase, broken: Iterable[Broken]) -> None:
    """Put each sentence beside the field that can mend it, the others above the form."""
    for one in broken:
        if one.field is not None and one.field in form:
            form[one.field].errors = [*form[one.field].errors, one.sentence]
        else:
            form.form_errors.append(f"{one.rule}: {one.sentence}")


def _field_of(refusal: Refusal) -> str | None:
    pattern = _FIELDS.get(refusal.code)
    return None if pattern is None else pattern.format(component=refusal.details.get("component", ""))


def _component(line: Line) -> ComponentTerms:
    values = {part: None if field is None else field.data for part, field in line.fields.items()}
    return ComponentTerms(
        component=line.code,
        share_bp=values["share"] or 0,
        waiting_days=values["waiting"] or 0,
        accrual_hours=values["accrual"],
        vendor=values["vendor"],
        terms=values["terms"] or "",
    )
