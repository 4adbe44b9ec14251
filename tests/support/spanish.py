"""How does a test read the product in Spanish, whether the catalogue is compiled or not?"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask
from flask_babel import get_domain

CATALOGUE = Path(__file__).parents[2] / "translations/es/LC_MESSAGES/messages.po"
ASKED = {"Accept-Language": "es"}


def teach(app: Flask) -> Flask:
    """Give the application the Spanish that is kept."""
    with app.app_context():
        get_domain().cache["es", "messages"] = _compiled()
    return app


@lru_cache(maxsize=1)
def _compiled() -> Translations:
    compiled = BytesIO()
    with CATALOGUE.open("rb") as file:
        write_mo(compiled, read_po(file))
    compiled.seek(0)
    return Translations(compiled)
