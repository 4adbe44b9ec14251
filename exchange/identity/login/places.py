"""Did this login ever sign in from here?  Its owner is told when it did not.

A place is a neighbourhood of the net and a kind of browser. Of each only a keyed digest is kept, with the login and for
no other login the same: nobody learns from it where somebody was, nor that two logins are one person's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from flask import current_app, request

from exchange.identity.login import rates
from exchange.identity.people import Login

AT_MOST: Final = 20
"""So many places of a login are known, those of the latest sign-ins."""
_LONGEST: Final = 300


def note(login: Login) -> bool:
    """Remember that the login signs in from where this request comes from; whether that is new for it.

    The first place of all is none that anybody need be told of.
    """
    known, here = list(login.known_from or ()), _digest(login)
    is_new = bool(known) and here not in known
    if not known or known[-1] != here:
        login.known_from = [*(one for one in known if one != here), here][-AT_MOST:]
    return is_new


def _digest(login: Login) -> str:
    # Without its numbers a browser is the same after an update.
    browser = re.sub(r"[0-9]+", "", request.headers.get("User-Agent", "")[:_LONGEST])
    place = f"{login.id} {rates.within(v4=16, v6=32)} {browser}"
    return hmac.new(current_app.config["SECRET_KEY"].encode(), place.encode(), hashlib.sha256).hexdigest()[:32]
