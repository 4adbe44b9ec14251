"""How does a provider see which criteria it meets, and show what it has for each?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, Form, FormField

from exchange.database import in_unit_of_work
from exchange.identity.access import current_actor
from exchange.identity.actors import Audience
from exchange.policy.document import CriterionKind
from exchange.web.audiences import audience_blueprint
from exchange.web.forms import NameField, PageForm, Rows, TextField, needed, render_form
from providers import decisions, profiles, qualification
from providers.models import BoardSeat
from providers.pages.occasion import occasion
from providers.pages.own import own_provider
from providers.pages.wording import CRITERION_STATES, PROVIDER_STATES
from providers.qualification import Examined, Seat

bp = audience_blueprint("provider_qualification", __name__, Audience.PROVIDER, "/provider/qualification")
bp.add_to_nav("show", _l("Qualification"), order=30)

MOST_SEATS: Final = 60
SPARE_SEATS: Final = 3


class EvidenceForm(PageForm):
    """What a provider shows for one criterion."""

    evidence = TextField(
        _l("What you show"),
        [needed(_l("Say what you show, and where the reviewer finds it."))],
        at_most=4_000,
        hint=_l("Name the document, its date, and where it can be seen. What you wrote before is replaced."),
    )


class SeatForm(Form):
    """One seat of the board; a row with an empty name is no seat."""

    holder = NameField(_l("Who holds it"))
    appointed_by = NameField(_l("Who put him or her there"))
    elected = BooleanField(_l("Elected by member workers"))


class BoardForm(PageForm):
    """Every seat of the board."""

    seats = Rows(FormField(SeatForm), max_entries=MOST_SEATS)

    @property
    def named(self) -> list[Seat]:
        """The seats that were filled in."""
        return [
            Seat(seat.holder.data, seat.appointed_by.data, elected_by_members=seat.elected.data)
            for seat in self.seats
            if seat.holder.data
        ]

    def validate(self, extra_validators: Any = None) -> bool:
        """Each seat says who fills it, and at least one is there."""
        if not super().validate(extra_validators):
            return False
        for seat in self.seats:
            if seat.holder.data and not seat.appointed_by.data:
                seat.appointed_by.errors = [_l("Say who: member workers, or the body that appoints.")]
            if seat.appointed_by.data and not seat.holder.data:
                seat.holder.errors = [_l("Write who holds this seat, or empty the whole row.")]
        wrong = [seat.errors for seat in self.seats if seat.errors]
        if wrong:
            self.seats.errors = wrong
            return False
        if not self.named:
            self.form_errors.append(_l("Name at least one seat."))
            return False
        return True


@bp.get("/")
def show() -> str:
    """Every criterion: what was shown, what was measured, what was found."""
    now = occasion()
    provider = own_provider()
    examined = qualification.examination(provider, policy=now.policy, on=now.on)
    return render_template(
        "provider/qualification.html",
        provider=provider,
        state=PROVIDER_STATES[provider.state],
        examined=[(one, _can_show(one)) for one in examined],
        met=sum(one.is_met for one in examined),
        criterion_states=CRITERION_STATES,
        seats=profiles.board_of(provider.organization_id),
        decisions=decisions.history(provider.organization_id),
        provider_states=PROVIDER_STATES,
    )


@bp.route("/evidence/<code>", methods=["GET", "POST"])
def evidence(code: str) -> ResponseReturnValue:
    """Show something for one criterion; a reviewer looks at it then."""
    now = occasion()
    provider = own_provider()
    examined = qualification.examination(provider, policy=now.policy, on=now.on)
    asked = next((one for one in examined if one.criterion.code == code), None)
    if asked is None or not _can_show(asked):
        return redirect(url_for("provider_qualification.show"), code=303)
    form = EvidenceForm(data={"evidence": asked.evidence or ""})
    if not form.validate_on_submit():
        return render_form("provider/evidence.html", form, examined=asked, criterion_states=CRITERION_STATES)

    def work() -> None:
        then = occasion()
        qualification.show_evidence(
            own_provider(), code, evidence=str(form.evidence.data), policy=then.policy, by=current_actor(), at=then.at
        )

    in_unit_of_work(work)
    flash(_("Shown. A reviewer looks at it; you see the answer here."), "success")
    return redirect(url_for("provider_qualification.show"), code=303)


@bp.post("/register")
def ask_register() -> ResponseReturnValue:
    """Ask the tax office's register again, as it was last imported."""

    def work() -> None:
        now = occasion()
        qualification.examine_register(own_provider(), policy=now.policy, by=current_actor(), at=now.at)

    in_unit_of_work(work)
    flash(_("The register was asked again."), "info")
    return redirect(url_for("provider_qualification.show"), code=303)


@bp.route("/board", methods=["GET", "POST"])
def board() -> ResponseReturnValue:
    """Say who sits on the board and who put them there."""
    provider = own_provider()
    form = BoardForm(data={"seats": _rows(profiles.board_of(provider.organization_id))})
    if form.validate_on_submit():
        in_unit_of_work(
            lambda: qualification.name_board(own_provider(), form.named, by=current_actor(), at=occasion().at)
        )
        flash(_("The board is named."), "success")
        return redirect(url_for("provider_qualification.show"), code=303)
    return render_form("provider/board.html", form)


def _rows(seats: Sequence[BoardSeat]) -> list[dict[str, Any]]:
    """The seats as they are, and some empty rows."""
    there = [
        {"holder": seat.holder_name, "appointed_by": seat.appointed_by, "elected": seat.elected_by_members}
        for seat in seats
    ]
    return (there + [{}] * SPARE_SEATS)[:MOST_SEATS]


def _can_show(examined: Examined) -> bool:
    """Whether the provider's own words count here: the register speaks for itself."""
    return examined.criterion.kind is not CriterionKind.IRS_REGISTER
