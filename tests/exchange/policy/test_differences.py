"""Does a regulator see every rule that another version changes, and every line?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from exchange.policy import differences
from exchange.policy.differences import Change, Mark
from exchange.policy.reading import read
from tests.support.policies import WASHINGTON, changed

TEXT = WASHINGTON.read_text(encoding="utf-8")
POLICY = read(TEXT).on(date(2026, 11, 2))


class TestOfTexts:
    def test_shows_each_changed_line_with_its_numbers_and_a_few_around_it(self) -> None:
        after, line = changed(WASHINGTON, "notice_days: 14", "notice_days: 21")

        (place,) = differences.of_texts(TEXT, after)

        marked = [(one.mark, one.before, one.after) for one in place if one.mark is not Mark.SAME]
        assert marked == [(Mark.REMOVED, line, None), (Mark.ADDED, None, line)]
        assert len(place) == 2 + 2 * differences.CONTEXT
        assert "21" in next(one.text for one in place if one.mark is Mark.ADDED)

    def test_is_nothing_for_the_same_text(self) -> None:
        assert differences.of_texts(TEXT, TEXT) == []


class TestOfRules:
    def test_names_the_rule_and_both_figures(self) -> None:
        after = read(changed(WASHINGTON, "notice_days: 14", "notice_days: 21")[0]).on(date(2026, 11, 2))

        assert differences.of_rules(POLICY, after) == [Change("placement.notice_days", "14", "21")]

    def test_does_not_mind_how_the_text_is_written(self) -> None:
        after = read("# another word before it\n" + TEXT).on(date(2026, 11, 2))

        assert differences.of_rules(POLICY, after) == []

    def test_does_not_take_the_date_itself_for_a_rule(self) -> None:
        assert differences.of_rules(POLICY, replace(POLICY, effective_on=date(2027, 3, 1))) == []

    def test_tells_what_is_new_or_gone_as_a_whole_once(self) -> None:
        without = replace(POLICY, components=POLICY.components[:-1])
        gone = POLICY.components[-1]

        (added,) = differences.of_rules(without, POLICY)
        (removed,) = differences.of_rules(POLICY, without)

        assert (added.path, added.before) == (f"components.{gone.code}", None)
        assert (removed.path, removed.after) == (f"components.{gone.code}", None)
        assert gone.name in (added.after or "")
        assert added.after == removed.before
