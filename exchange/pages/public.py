"""What does everybody find explained: how the exchange works, what can be checked, what is kept about people?"""

from __future__ import annotations

from flask import render_template
from flask_babel import lazy_gettext as _l

from exchange import clock
from exchange.identity.actors import Audience
from exchange.ledger import invariants
from exchange.policy import versions
from exchange.policy.document import NoPolicyInForce, Policy
from exchange.web.audiences import audience_blueprint

bp = audience_blueprint("public", __name__, Audience.PUBLIC)
bp.add_to_nav("how_it_works", _l("How it works"), order=40)


@bp.get("/how-it-works")
def how_it_works() -> str:
    """The whole idea in plain words, with the figures of this program's law."""
    return render_template("public/how_it_works.html", policy=_policy())


@bp.get("/verification")
def verification() -> str:
    """What anybody can check without trusting us, and what cannot be shown."""
    return render_template("public/verification.html", rules=invariants.rules())


@bp.get("/documentation")
def documentation() -> str:
    """Where programs and people find out how to work with the exchange."""
    return render_template("public/documentation.html", policy=_policy())


@bp.get("/accessibility")
def accessibility() -> str:
    """What these pages keep to for everybody, and where to say that they do not."""
    return render_template("public/accessibility.html")


@bp.get("/privacy")
def privacy() -> str:
    """What is kept about a person, where, and what never is."""
    return render_template("public/privacy.html")


def _policy() -> Policy | None:
    """The law of today; None before a program has one."""
    try:
        return versions.at_instant(clock.now())
    except NoPolicyInForce:
        return None
