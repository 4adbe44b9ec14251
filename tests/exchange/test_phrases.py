from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from exchange.phrases import Phrase, Speaker

HOURS = _l("%(hours)s hours")
PERCENT = _l("%(rate)s %% of %(base)s")


class TestPhrase:
    def test_holds_what_is_given_and_phrases_in_it(self) -> None:
        hours = Phrase(HOURS, {"hours": 7})

        assert str(Phrase(PERCENT, {"rate": "2.5 %", "base": hours})) == "2.5 % % of 7 hours"


class TestSpeaker:
    def test_says_the_same_template_with_other_figures(self) -> None:
        speaker = Speaker()

        said = [speaker.say(Phrase(HOURS, {"hours": hours})) for hours in range(3)]

        assert said == ["0 hours", "1 hours", "2 hours"]

    def test_looks_up_a_template_once(self) -> None:
        looked_up = []

        def look_up(text: str) -> str:
            looked_up.append(text)
            return "%(hours)s Stunden"

        hours, speaker = LazyString(look_up, "%(hours)s hours"), Speaker()

        assert [speaker.say(Phrase(hours, {"hours": n})) for n in (1, 2)] == ["1 Stunden", "2 Stunden"]
        assert looked_up == ["%(hours)s hours"]
