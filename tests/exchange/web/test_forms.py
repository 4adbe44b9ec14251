"""Is what people type read exactly, and are they told what is wrong where it is wrong?"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from wtforms import StringField

from exchange.web import forms
from tests.exchange.web.styleguide import LeaveForm, WindowClosed

GOOD = {
    "name": " Rosa  Delgado ",
    "amount": "$1,204.50",
    "time_off-hours": "7",
    "time_off-minutes": "30",
    "starts_on": "2026-11-30",
    "kind": "care",
    "paid_by": "bank",
}
WORKER = {"X-Test-Audience": "worker"}


@pytest.fixture
def app(app: Flask) -> Flask:
    """Forms without their token, which test_safety.py is about."""
    app.config["WTF_CSRF_ENABLED"] = False
    return app


def filled(app: Flask, **changes: Any) -> LeaveForm:
    """The form after validation, posted with ``GOOD`` and the changes (``time_off__hours`` for a part)."""
    data = {**GOOD, **{name.replace("__", "-"): value for name, value in changes.items()}}
    with app.test_request_context("/", method="POST", data=data):
        form = LeaveForm()
        form.validate()
        form.problems()
        return form


class TestForm:
    def test_gives_typed_values(self, app: Flask) -> None:
        form = filled(app, number="pb-1", jobs="12", reason="two\r\nlines")

        assert form.errors == {}
        assert (form.name.data, form.amount.data, form.time_off.data) == ("Rosa Delgado", 120_450, 450)
        assert (form.starts_on.data, form.number.data, form.jobs.data) == (date(2026, 11, 30), "PB-1", 12)
        assert form.reason.data == "two\nlines"

    def test_takes_a_blank_optional_field_as_none(self, app: Flask) -> None:
        form = filled(app, starts_on="", jobs=" ")

        assert form.errors == {}
        assert (form.starts_on.data, form.jobs.data) == (None, None)

    @pytest.mark.parametrize(
        "text",
        [
            "１２",
            "1_000",
            "1e3",
            "NaN",
            "-1",
            "0.001",
            "+5",
            "Infinity",
            "1,00",
            "12,34.00",
            "0x10",
            "٣",
            "$",
            "1.",
            ".5",
            "1 000",
            str(2**63),
            "9" * 5_000,  # more digits than Python reads
            "9" + ",999" * 2_000,
        ],
    )
    def test_refuses_what_is_no_amount_and_shows_it_again(self, app: Flask, text: str) -> None:
        form = filled(app, amount=text)

        assert len(form.amount.errors) == 1
        assert form.amount.data is None
        assert form.amount._value() == text

    @pytest.mark.parametrize(
        ("text", "refused"), [("0.99", True), ("1.00", False), ("10000.00", False), ("10000.01", True)]
    )
    def test_holds_an_amount_within_its_bounds(self, app: Flask, text: str, refused: bool) -> None:
        assert bool(filled(app, amount=text).amount.errors) is refused

    @pytest.mark.parametrize("text", ["-1", "1.5", "1e3", "１２", "501", "abc", "9" * 20, "9" * 5_000])
    def test_refuses_what_is_no_whole_number_in_bounds(self, app: Flask, text: str) -> None:
        assert filled(app, jobs=text).jobs.errors

    @pytest.mark.parametrize("text", [str(2**63), "9" * 20, "9" * 5_000])
    def test_says_of_a_number_of_many_digits_that_it_is_too_large(self, app: Flask, text: str) -> None:
        assert filled(app, jobs=text).jobs.errors == ["This number is too large."]
        assert filled(app, amount=text).amount.errors == ["This amount is too large."]

    def test_reads_zeros_before_a_number_as_nothing(self, app: Flask) -> None:
        form = filled(app, jobs="0" * 5_000 + "12", amount="0" * 5_000 + "12.50")

        assert (form.jobs.data, form.amount.data) == (12, 1_250)

    @pytest.mark.parametrize(
        ("hours", "minutes", "value"),
        [("7", "30", 450), ("", "45", 45), ("2", "", 120), ("40", "0", 2_400), ("0", "0", 0)],
    )
    def test_reads_hours_and_minutes_together(self, app: Flask, hours: str, minutes: str, value: int) -> None:
        form = filled(app, time_off__hours=hours, time_off__minutes=minutes)

        assert (form.time_off.data, list(form.time_off.errors)) == (value, [])

    @pytest.mark.parametrize(
        ("hours", "minutes"), [("", ""), ("1", "60"), ("-1", "0"), ("1.5", ""), ("40", "1"), ("x", "")]
    )
    def test_refuses_time_that_is_none_or_too_much(self, app: Flask, hours: str, minutes: str) -> None:
        form = filled(app, time_off__hours=hours, time_off__minutes=minutes)

        assert form.time_off.errors
        assert [anchor for anchor, _words in form.problems()] == ["time_off-hours"]

    @pytest.mark.parametrize(
        "text",
        [
            "11/30/2026",
            "2026-11-31",
            "2026-02-29",
            "２０２６-11-30",
            "2026-11-30T00:00",
            "2025-12-31",
            "2027-01-01",
            "0000-01-01",
            "tomorrow",
        ],
    )
    def test_refuses_what_is_no_date_within_bounds(self, app: Flask, text: str) -> None:
        assert len(filled(app, starts_on=text).starts_on.errors) == 1

    def test_takes_bounds_that_only_the_request_knows(self, app: Flask) -> None:
        with app.test_request_context("/", method="POST", data=GOOD):
            form = LeaveForm()
            form.starts_on.within(date(2026, 12, 1), None)
            form.validate()

        assert list(form.starts_on.errors) == ["Choose a date on or after December 1, 2026."]

    def test_shows_stored_values_as_they_are_typed(self, app: Flask) -> None:
        with app.test_request_context("/"):
            form = LeaveForm(data={"amount": 120_450, "time_off": 135, "starts_on": date(2026, 1, 2)})

            assert (form.amount._value(), form.starts_on._value()) == ("1,204.50", "2026-01-02")
            assert (form.time_off.part("hours"), form.time_off.part("minutes")) == ("2", "15")


class TestRefusalToForm:
    def test_stands_at_the_field_it_is_about(self, app: Flask) -> None:
        form = filled(app)

        forms.refusal_to_form(form, WindowClosed("Closed.", field="starts_on"))

        assert form.problems() == [("starts_on", "First day: Closed.")]

    @pytest.mark.parametrize("field", [None, "nonesuch"])
    def test_stands_above_all_when_it_is_about_none(self, app: Flask, field: str | None) -> None:
        form = filled(app)

        forms.refusal_to_form(form, WindowClosed("Closed."), field=field)

        assert form.problems() == [(None, "Closed.")]


class TestPage:
    def test_of_a_good_form_goes_on(self, client: FlaskClient) -> None:
        answer = client.post("/worker/leave", data=GOOD, headers=WORKER)

        assert (answer.status_code, answer.text) == (200, "120450 450 2026-11-30 Rosa Delgado")

    def test_of_a_bad_form_is_422_and_leads_to_each_error(self, client: FlaskClient) -> None:
        answer = client.post("/worker/leave", data={**GOOD, "amount": "NaN", "name": ""}, headers=WORKER)

        assert answer.status_code == 422
        assert "2 things need your attention" in answer.text
        assert 'href="#amount"' in answer.text
        assert 'aria-describedby="amount-error"' in answer.text
        assert 'aria-describedby="name-hint name-error"' in answer.text
        assert 'value="NaN"' in answer.text

    @pytest.mark.parametrize(
        ("reason", "sentence"), [("closed", "The window is closed."), ("nobody", "Nobody can do this now.")]
    )
    def test_of_a_refused_operation_says_so_in_the_form(self, client: FlaskClient, reason: str, sentence: str) -> None:
        answer = client.post("/worker/leave", data={**GOOD, "reason": reason}, headers=WORKER)

        assert answer.status_code == 422
        assert sentence in answer.text

    def test_writes_what_was_typed_as_text_never_as_markup(self, client: FlaskClient) -> None:
        answer = client.post("/worker/leave", data={**GOOD, "amount": '"><script>x</script>'}, headers=WORKER)

        assert "<script>x" not in answer.text


class TestRows:
    class Seats(forms.PageForm):
        """A form of rows."""

        seats = forms.Rows(StringField("Seat"), max_entries=3)

    @pytest.mark.parametrize("place", ["²", "９", "9" * 5_000, "-1", "x", "", "1.0"])
    def test_leave_out_what_has_no_plain_place(self, app: Flask, place: str) -> None:
        with app.test_request_context("/", method="POST", data={f"seats-{place}": "x", "seats-1": "Ada"}):
            form = self.Seats()

        assert form.seats.data == ["Ada"]

    def test_are_at_most_so_many(self, app: Flask) -> None:
        with app.test_request_context("/", method="POST", data={f"seats-{place}": "x" for place in range(50)}):
            form = self.Seats()

        assert len(form.seats) == 3
