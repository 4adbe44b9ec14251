"""How is what people type into a form read, and how are they told what is wrong with it?

Fields give typed values: cents, minutes, whole numbers, dates, clean names. They read text with the same
parsers as files and the API, so all three refuse the same things in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, NoReturn, TypeAlias

from flask import render_template, request
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import Field, FieldList, FormField
from wtforms.validators import InputRequired, StopValidation, ValidationError
from wtforms.widgets import TextArea, TextInput

from exchange.errors import Refusal
from exchange.money import MAX_AMOUNT, BadAmount, format_dollars, format_minutes, parse_dollars, parse_whole
from exchange.web.filters import day
from exchange.web.names import clean_name, clean_text

_ISO_DATE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})", re.ASCII)
_MINUTES = 60
Sentence: TypeAlias = str | LazyString


class BadDate(Refusal):
    """Text that is no date, or a date outside of what the form takes."""

    code = "bad_date"


class Needed(InputRequired):
    """Something must stand here; blanks alone are nothing."""

    def __call__(self, form: Any, field: Any) -> None:
        """Called by WTForms."""
        if field.raw_data and isinstance(field.raw_data[0], str) and not field.raw_data[0].strip():
            field.errors = []
            raise StopValidation(str(self.message))
        super().__call__(form, field)


def needed(sentence: Sentence | None = None) -> Any:
    """The validator for a field that must be filled in."""
    return Needed(sentence or _l("Fill this in."))


class PageForm(FlaskForm):
    """A form of a page: CSRF-protected, read only when posted, errors listed for the summary at the top."""

    def problems(self) -> list[tuple[str | None, str]]:
        """(id of the input to jump to, sentence) for every error, in the order of the page."""
        found = [problem for field in self for problem in _problems_of(field)]
        return [*((None, str(sentence)) for sentence in self.form_errors), *found]


def _problems_of(field: Any) -> Iterator[tuple[str | None, str]]:
    if isinstance(field, (FormField, FieldList)):
        for inner in field:
            yield from _problems_of(inner)
        return
    for sentence in field.errors:
        yield getattr(field, "first_input_id", field.id), f"{field.label.text}: {sentence}"


def refusal_to_form(form: PageForm, refusal: Refusal, field: str | None = None) -> None:
    """Show an operation's no in the form: at ``field`` (or ``refusal.details["field"]``), else above all fields."""
    name = field or refusal.details.get("field")
    if isinstance(name, str) and name in form:
        form[name].errors = [*form[name].errors, refusal.sentence]
    else:
        form.form_errors.append(refusal.sentence)


def render_form(template: str, form: PageForm, **context: Any) -> tuple[str, int]:
    """The page with its form: 200 when shown first, 422 when it came back with errors."""
    status = 422 if request.method == "POST" and form.errors else 200
    return render_template(template, form=form, **context), status


class ParsedField(Field):
    """One line of text, read by ``parse``, whose refusals become the field's errors. Blank is None.

    ``hint`` stands under the label. What was typed is shown again after an error.
    """

    widget = TextInput()

    def __init__(
        self,
        label: Sentence,
        validators: Sequence[Any] = (),
        *,
        parse: Callable[[str], Any],
        hint: Sentence = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, description=hint, **kwargs)
        self.parse = parse

    def written(self, value: Any) -> str:
        """How a stored value is written into the input."""
        return str(value)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else self.written(self.data)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the text; called by WTForms."""
        self.data = None
        if not valuelist or not valuelist[0].strip():
            return
        try:
            self.data = self.parse(valuelist[0])
        except Refusal as refusal:
            raise ValueError(str(refusal)) from refusal


class Bounds:
    """What a field's value may lie between, both ends included; checked after reading, so a view may set it."""

    at_least: Any = None
    at_most: Any = None
    data: Any

    def within(self, at_least: Any, at_most: Any) -> None:
        """Set the bounds that only this request knows, before ``validate_on_submit``. None is no bound."""
        self.at_least, self.at_most = at_least, at_most

    def spoken(self, bound: Any) -> str:
        """A bound as the error's sentence writes it."""
        return f"{bound:,}"

    def pre_validate(self, form: Any) -> None:  # noqa: ARG002 - WTForms passes the form
        """Refuse what lies outside; called by WTForms."""
        if self.data is None:
            return
        if self.at_least is not None and self.data < self.at_least:
            raise ValidationError(str(_l("This must be %(bound)s or more.", bound=self.spoken(self.at_least))))
        if self.at_most is not None and self.data > self.at_most:
            raise ValidationError(str(_l("This must be %(bound)s or less.", bound=self.spoken(self.at_most))))


class DollarsField(Bounds, ParsedField):
    """An amount of money → cents. Takes ``1204.50``, ``1,204.50``, ``$1204``; nothing else."""

    def __init__(
        self,
        label: Sentence,
        validators: Sequence[Any] = (),
        *,
        at_least: int = 0,
        at_most: int = MAX_AMOUNT,
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, parse=parse_dollars, **kwargs)
        self.within(at_least, at_most)

    def spoken(self, bound: int) -> str:
        """In dollars."""
        return format_dollars(bound)

    def written(self, value: int) -> str:
        """120450 → ``1,204.50``: the dollar sign stands before the input."""
        return format_dollars(value).removeprefix("$")


class WholeField(Bounds, ParsedField):
    """A whole number within bounds."""

    def __init__(
        self,
        label: Sentence,
        validators: Sequence[Any] = (),
        *,
        at_least: int = 0,
        at_most: int = MAX_AMOUNT,
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, parse=parse_whole, **kwargs)
        self.within(at_least, at_most)


class HoursField(Bounds, Field):
    """Hours and minutes in two inputs (``NAME-hours``, ``NAME-minutes``) → minutes. Both blank is None."""

    PARTS = ("hours", "minutes")

    def __init__(
        self,
        label: Sentence,
        validators: Sequence[Any] = (),
        *,
        at_least: int = 0,
        at_most: int = MAX_AMOUNT,
        hint: Sentence = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, description=hint, **kwargs)
        self.within(at_least, at_most)

    @property
    def first_input_id(self) -> str:
        """Where a link to this field leads."""
        return f"{self.id}-hours"

    def spoken(self, bound: int) -> str:
        """In hours and minutes."""
        return format_minutes(bound)

    def part(self, name: str) -> str:
        """What stands in the input of ``hours`` or ``minutes``."""
        if self.raw_data:
            return str(self.raw_data[1 + self.PARTS.index(name)])
        if self.data is None:
            return ""
        return str(divmod(self.data, _MINUTES)[self.PARTS.index(name)])

    def process(self, formdata: Any, *args: Any, **kwargs: Any) -> None:
        """Bring the two inputs together before WTForms looks; the first value says whether there is any."""
        if formdata is not None:
            parts = [formdata.get(f"{self.name}-{part}", "") for part in self.PARTS]
            filled = any(part.strip() for part in parts)
            formdata = MultiDict([(self.name, value) for value in ("filled", *parts)] if filled else [])
        super().process(formdata, *args, **kwargs)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read both parts; called by WTForms."""
        self.data = None
        if not valuelist:
            return
        try:
            hours, rest = (parse_whole(text) if text.strip() else 0 for text in valuelist[1:])
        except BadAmount as refusal:
            raise ValueError(str(refusal)) from refusal
        if rest >= _MINUTES:
            raise ValueError(str(_l("Minutes go from 0 to 59.")))
        self.data = hours * _MINUTES + rest


class DateField(Bounds, ParsedField):
    """A date from ``earliest`` to ``latest``, both included."""

    widget = TextInput("date")

    def __init__(
        self,
        label: Sentence,
        validators: Sequence[Any] = (),
        *,
        earliest: date | None = None,
        latest: date | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, parse=read_date, **kwargs)
        self.within(earliest, latest)

    def pre_validate(self, form: Any) -> None:  # noqa: ARG002 - WTForms passes the form
        """Refuse what lies outside, in words for dates."""
        if self.data is not None and self.at_least is not None and self.data < self.at_least:
            raise ValidationError(str(_l("Choose a date on or after %(day)s.", day=day(self.at_least))))
        if self.data is not None and self.at_most is not None and self.data > self.at_most:
            raise ValidationError(str(_l("Choose a date on or before %(day)s.", day=day(self.at_most))))

    def written(self, value: date) -> str:
        """As the browser's date input wants it."""
        return value.isoformat()


def read_date(text: str) -> date:
    """``2026-11-30`` → the date. Refuses every other way of writing it, and days that do not exist."""
    match = _ISO_DATE.fullmatch(text.strip(" "))
    try:
        return date(*(int(part) for part in match.groups())) if match else _no_date()
    except ValueError:
        return _no_date()


def _no_date() -> NoReturn:
    raise BadDate(_l("Write a date like 2026-11-30: year, month, day."))


class Rows(FieldList):
    """The same fields several times. Their places are plain small numbers; other names are nobody's."""

    def _extract_indices(self, prefix: str, formdata: Any) -> Iterator[int]:
        # WTForms reads whatever ``isdigit`` calls a digit, "²" and five thousand nines among them, and fails.
        place = re.compile(rf"{re.escape(prefix)}-(?P<place>[0-9]{{1,4}})(?:-|$)", re.ASCII)
        for name in formdata:
            if match := place.match(name):
                yield int(match["place"])


class NameField(ParsedField):
    """A name of a person or an organization, cleaned."""

    def __init__(self, label: Sentence, validators: Sequence[Any] = (), **kwargs: Any) -> None:
        super().__init__(label, validators, parse=clean_name, **kwargs)


class TextField(ParsedField):
    """Free text of several lines: a reason, a note."""

    widget = TextArea()

    def __init__(self, label: Sentence, validators: Sequence[Any] = (), *, at_most: int = 2_000, **kwargs: Any) -> None:
        super().__init__(label, validators, parse=lambda text: clean_text(text, at_most=at_most), **kwargs)


class AccountNumberField(ParsedField):
    """A benefit account's number. The page passes the parser, which lives above this package."""
