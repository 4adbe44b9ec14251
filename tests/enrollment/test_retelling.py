"""Is a computation that was written down in English told to who reads Spanish, word for word and with its figures?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask_babel import lazy_gettext as _l

from enrollment.contribution_rules import retold
from exchange.phrases import Phrase, Speaker
from tests.exchange.web import styleguide
from tests.support import spanish

TOLD = {
    "1 h 30 min at $3.54 per hour = $5.31": "1 h 30 min a $3.54 por hora = $5.31",
    "18 × $5.00 per job = $90.00": "18 × $5.00 por encargo = $90.00",
    "the lesser of 25 % of the fee of $2,052.54 and 50 h 45 min at $6.00 per hour = $304.50": (
        "lo menor entre 25 % de un precio de $2,052.54 y 50 h 45 min a $6.00 por hora = $304.50"
    ),
    "the greater of 52 h at $6.00 per hour and 3 % of the fee of $2.00 and tolls of $3.00 = $312.00": (
        "lo mayor entre 52 h a $6.00 por hora y 3 % de un precio de $2.00 y peajes de $3.00 = $312.00"
    ),
    "12 × $0.45 per job, plus 3 h at $1.10 per hour = $8.70": (
        "12 × $0.45 por encargo, más 3 h a $1.10 por hora = $8.70"
    ),
    "nothing yet: $272.80 earned in the quarter, $1,000.00 are needed = $0.00": (
        "todavía nada: $272.80 ganados en el trimestre; se necesitan $1,000.00 = $0.00"
    ),
    "": "",
    "Rate of the fee = what Ana wrote": "Rate of the fee = what Ana wrote",
}


@pytest.fixture(scope="module")
def pages() -> Flask:
    """Pages with the catalogue as it is kept."""
    return spanish.teach(styleguide.create_app({}))


class TestRetold:
    @pytest.mark.parametrize("words", TOLD)
    def test_is_said_in_the_readers_language(self, pages: Flask, words: str) -> None:
        with pages.test_request_context(headers=spanish.ASKED):
            assert retold(words) == TOLD[words]

    @pytest.mark.parametrize("words", TOLD)
    def test_stays_as_it_was_written_for_who_reads_english(self, pages: Flask, words: str) -> None:
        with pages.test_request_context():
            assert retold(words) == words


class TestWrittenDown:
    def test_is_english_whatever_the_employer_reads(self, pages: Flask) -> None:
        phrase = Phrase(_l("%(time)s at %(rate)s per hour"), {"time": "2 h", "rate": "$3.54"})

        with pages.test_request_context(headers=spanish.ASKED):
            assert Speaker().say(phrase) == "2 h a $3.54 por hora"
            assert Speaker("en").say(phrase) == "2 h at $3.54 per hour"
