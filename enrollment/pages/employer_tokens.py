"""With what do an employer's programs sign in?"""

from __future__ import annotations

from flask import flash, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from enrollment import employers
from enrollment.employers import ApiToken
from exchange import clock
from exchange.database import in_unit_of_work
from exchange.identity import access
from exchange.identity.actors import Audience
from exchange.web import forms
from exchange.web.audiences import audience_blueprint
from exchange.web.names import clean_name

bp = audience_blueprint("employer_tokens", __name__, Audience.EMPLOYER, "/employer/tokens")
bp.add_to_nav("home", _l("For programs"), order=40)


class TokenForm(forms.PageForm):
    """A new token."""

    name = forms.ParsedField(
        _l("What is it for?"),
        [forms.needed()],
        parse=lambda text: clean_name(text, at_most=100),
        hint=_l("The name of the program, so that you know later which one to stop."),
    )


@bp.route("/", methods=["GET", "POST"])
def home() -> ResponseReturnValue:
    """The tokens in force; making another, which is shown this once."""
    if request.method == "POST" and (stale := access.require_fresh()) is not None:
        return stale
    form, token = TokenForm(), None

    def make() -> str:
        actor = access.current_actor()
        return employers.make_token(employers.of_actor(actor), name=str(form.name.data), by=actor, at=clock.now())

    if form.validate_on_submit():
        token = in_unit_of_work(make)
    tokens = employers.tokens_of(employers.of_actor(access.current_actor()))
    makers = employers.makers_of(tokens)
    return make_response(forms.render_form("employer/tokens.html", form, tokens=tokens, makers=makers, token=token))


@bp.post("/<int:token_id>/revoke")
def revoke(token_id: int) -> ResponseReturnValue:
    """Stop a token at once."""

    def work() -> None:
        actor = access.current_actor()
        employers.revoke_token(access.one(ApiToken, actor, id=token_id), by=actor, at=clock.now())

    in_unit_of_work(work)
    flash(_("The token is revoked: it signs nobody in any more."), "success")
    return redirect(url_for(".home"), code=303)
