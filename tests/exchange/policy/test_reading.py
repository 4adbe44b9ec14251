"""Does a policy file mean what it says, and is a wrong one refused by line, path and rule?"""

from __future__ import annotations

import dataclasses
import re
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from exchange.calendar import open_enrollment, plan_year
from exchange.money import Unit
from exchange.policy.commands import policy_group
from exchange.policy.document import MonthDay, Nature, NoPolicyInForce, NotInPolicy, Policy, Trigger
from exchange.policy.nodes import BadPolicy
from exchange.policy.reading import read, read_file, with_open_enrollment
from tests.exchange.policy.broken_policies import BROKEN
from tests.support.policies import FOLDER, NEW_YORK, WASHINGTON, changed


class TestRead:
    @pytest.mark.parametrize(("old", "new", "path", "rule"), BROKEN)
    def test_names_line_path_and_rule_of_what_is_broken(self, old: str, new: str, path: str, rule: str) -> None:
        text, first = changed(WASHINGTON, old, new)

        with pytest.raises(BadPolicy) as refused:
            read(text, source="law.yaml")

        problem = next(problem for problem in refused.value.problems if rule in problem.rule)
        line = text.splitlines()[problem.line - 1].lstrip()
        assert problem.path == path
        assert str(problem).startswith(f"law.yaml:{problem.line}: ")
        if not path.endswith("]"):  # the line of the key; of what stands in a list, the line itself or its dash
            assert path.rpartition(".")[2] in line
        elif problem.line != first:
            assert line.startswith("- ")

    @pytest.mark.parametrize(
        ("text", "line", "rule"),
        [
            ("", 1, "the file is empty"),
            ("a: 1\n b: 2", 2, "no YAML"),
            ("a: [1", 1, "no YAML"),
            ("a: 1\n---\nb: 2", 2, "no YAML"),
            ("a: 1\nb: \0", 2, "U+0000"),
            ("a: 1\nb: &x 2", 2, "anchors"),
            ("a: &x 1\nb: *x", 2, "aliases"),
            ("a: 1\nb: !!python/object:os.system 2", 2, "tags"),
            ("a: !!str 1", 1, "tags"),
            (f"a:\n  {'[' * 30}{']' * 30}", 2, "nested more than 20 deep"),
            ("- a\n- b", 1, "a group of keys"),
            (" " * 1_000_001, 1, "at most 1000000 characters"),
        ],
    )
    def test_refuses_what_is_no_plain_yaml(self, text: str, line: int, rule: str) -> None:
        with pytest.raises(BadPolicy) as refused:
            read(text)

        assert any(problem.line == line and rule in problem.rule for problem in refused.value.problems), refused.value

    def test_tells_all_problems_at_once_in_the_order_of_lines(self) -> None:
        text = WASHINGTON.read_text(encoding="utf-8")
        for old, new in (
            ("zone: America", "zone: Amerika"),
            ("insured_cap: 20%", "insured_cap: x"),
            ("deciders: 2", "decider: 2"),
        ):
            text = text.replace(old, new)

        with pytest.raises(BadPolicy) as refused:
            read(text)

        rules = [problem.rule for problem in refused.value.problems]
        lines = [problem.line for problem in refused.value.problems]
        assert len(rules) == 4, "the unknown key and the missing one are two"
        assert lines == sorted(lines)
        assert all(rule in str(refused.value) for rule in rules)

    def test_counts_a_problem_of_a_part_that_a_later_version_takes_over_once(self) -> None:
        text, line = changed(WASHINGTON, "insured_cap: 20%", "insured_cap: 2000%")

        with pytest.raises(BadPolicy) as refused:
            read(text)

        assert [problem.line for problem in refused.value.problems] == [line]

    def test_refuses_a_key_that_is_no_word(self) -> None:
        with pytest.raises(BadPolicy, match=r"versions\[0\]\.sectors\.\?: a code is written in small letters"):
            read(changed(WASHINGTON, "rides: Rides by app", "{rides: x}: Rides by app")[0])

    def test_refuses_a_document_without_versions(self) -> None:
        with pytest.raises(BadPolicy, match="at least one version"):
            read("jurisdiction: US-WA\nname: W\nzone: America/Los_Angeles\ncurrency: USD\nversions: []")

    def test_refuses_exact_dates_that_leave_no_window_or_stand_twice(self) -> None:
        old = "{plan_year: 2026, opens_on: 2026-04-20, closes_on: 2026-06-06}"
        for new, rule in (
            ("{plan_year: 2026, opens_on: 2026-04-20, closes_on: 2026-04-20}", "for 2026 ends before it begins"),
            (
                "{plan_year: 2026, opens_on: 2026-04-20, closes_on: 2026-07-02}",
                "for 2026 ends after the plan year began",
            ),
            (f"{old}\n        - {old.replace('04-20', '04-21')}", "exact dates only once"),
        ):
            with pytest.raises(BadPolicy, match=rule):
                read(changed(NEW_YORK, old, new)[0])

    def test_refuses_funded_leave_that_has_no_money(self) -> None:
        text = (
            NEW_YORK.read_text(encoding="utf-8").replace("[USD, MIN]", "[MIN]").replace("funded: no", "funded: yes", 1)
        )

        with pytest.raises(BadPolicy, match="also counts money"):
            read(text)

    def test_refuses_a_policy_in_which_nothing_is_mandatory(self) -> None:
        with pytest.raises(BadPolicy, match="at least one component is mandatory"):
            read(NEW_YORK.read_text(encoding="utf-8").replace("mandatory: yes", "mandatory: no"))

    def test_refuses_a_group_without_entries(self) -> None:
        text = re.sub(
            r"    sectors:\n(      .*\n)+", "    sectors: {}\n", WASHINGTON.read_text(encoding="utf-8"), count=1
        )

        with pytest.raises(BadPolicy, match="the group has at least one entry"):
            read(text)

    def test_lets_rules_for_employers_of_other_sizes_stand_side_by_side(self) -> None:
        rule = "sectors: [cleaning]\n          worker_classes"
        beside = changed(
            WASHINGTON,
            rule,
            "sectors: [cleaning, livery]\n          employers_with_at_least: 9\n          worker_classes",
        )[0]
        beside = beside.replace("sectors: [livery]", "sectors: [livery]\n          employers_with_fewer_than: 9")

        assert len(read(beside).versions) == 2

    def test_lets_rules_for_other_worker_classes_stand_side_by_side(self) -> None:
        beside = changed(NEW_YORK, "sectors: [domestic]", "sectors: [domestic, freelance]")[0]

        assert len(read(beside).versions[0].contributions.rules) == 6

    @given(st.text(max_size=200))
    def test_never_breaks_down_whatever_the_text(self, text: str) -> None:
        with pytest.raises(BadPolicy):
            read(text)


class TestShippedPolicies:
    @pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
    def test_are_read_without_a_problem(self, path: Path) -> None:
        assert read_file(path).versions

    def test_make_the_three_pooled_components_of_every_package_mandatory(self) -> None:
        for path in (WASHINGTON, NEW_YORK):
            mandatory = {c.code for c in read_file(path).versions[-1].mandatory if c.nature is Nature.POOLED}

            assert mandatory == {"health", "disability", "workers_compensation"}

    def test_differ_from_each_other_in_every_rule(self) -> None:
        one, other = (read_file(path).versions[-1] for path in (WASHINGTON, NEW_YORK))
        # The dollar is common to both; the employer may pay more by the idea of the program: a floor, no ceiling.
        alike = {"currency", "contributions.employer_may_pay_more"}

        assert {path for path in _paths(one) if _value(one, path) == _value(other, path)} == alike

    def test_take_over_in_a_later_version_what_it_does_not_change(self) -> None:
        first, second = read_file(WASHINGTON).versions

        assert second.reserves == first.reserves
        assert second.contributions.rules != first.contributions.rules


def _paths(policy: Policy) -> list[str]:
    """Every figure of a policy, by path; lists of coded things are compared whole."""
    found: list[str] = []

    def walk(value: object, path: str) -> None:
        if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                walk(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))
        else:
            found.append(path)

    walk(policy, "")
    return found


def _value(policy: object, path: str) -> object:
    for name in path.split("."):
        policy = getattr(policy, name)
    return policy


class TestPolicy:
    def test_holds_from_its_effective_date_until_the_next(self) -> None:
        document = read_file(WASHINGTON)

        assert document.on(date(2024, 1, 1)) is document.versions[0]
        assert document.on(date(2025, 6, 30)) is document.versions[0]
        assert document.on(date(2025, 7, 1)) is document.versions[1]
        with pytest.raises(NoPolicyInForce, match="2024-01-01"):
            document.on(date(2023, 12, 31))

    def test_answers_for_its_codes_and_refuses_others(self) -> None:
        policy = read_file(WASHINGTON).versions[0]

        assert policy.component("paid_leave").units == (Unit.USD, Unit.MIN)
        assert policy.component("retirement").like is None
        assert policy.cause("moved").days_before == 60
        assert policy.reserves.asset("shares").haircut_bp == 4_000
        assert policy.reserves.tier("watch").plan_due_days == 45
        with pytest.raises(NotInPolicy, match="dental"):
            policy.component("dental")

    def test_knows_which_cause_an_event_opens(self) -> None:
        policy = read_file(NEW_YORK).versions[0]

        cause = policy.cause_for(Trigger.FIRST_CONTRIBUTION)

        assert cause is not None
        assert cause.code == "new_to_the_exchange"
        assert policy.cause_for(Trigger.PROVIDER_SUSPENDED) is None

    @pytest.mark.parametrize(
        ("ratio_bp", "tier"),
        [
            (99_999, "strong"),
            (15_000, "strong"),
            (14_999, "adequate"),
            (12_500, "adequate"),
            (12_499, "watch"),
            (10_000, "watch"),
            (9_999, "restricted"),
            (7_000, "restricted"),
            (6_999, "run_off"),
            (0, "run_off"),
        ],
    )
    def test_finds_the_tier_of_a_ratio_on_both_sides_of_every_border(self, ratio_bp: int, tier: str) -> None:
        assert read_file(WASHINGTON).versions[0].reserves.tier_at(ratio_bp).code == tier


class TestWithOpenEnrollment:
    @pytest.mark.parametrize("path", [WASHINGTON, NEW_YORK])
    def test_opens_on_the_days_that_are_asked_for_in_every_version(self, path: Path) -> None:
        text = with_open_enrollment(
            path.read_text(encoding="utf-8"),
            opens_on=date(2028, 2, 29),
            closes_on=date(2028, 3, 20),
            plan_year_starts_on=date(2028, 4, 1),
        )

        for policy in read(text).versions:
            window = open_enrollment(policy, plan_year(policy, "2028"))
            assert (window.opens_on, window.closes_on) == (date(2028, 2, 29), date(2028, 3, 20))
            assert window.effective_on == date(2028, 4, 1)
            assert policy.calendar.opens == MonthDay(2, 28)
            assert open_enrollment(policy, plan_year(policy, "2027")).closes_on == date(2027, 3, 20)

    def test_can_close_on_a_leap_day(self) -> None:
        text = with_open_enrollment(
            WASHINGTON.read_text(encoding="utf-8"),
            opens_on=date(2028, 2, 1),
            closes_on=date(2028, 2, 29),
            plan_year_starts_on=date(2028, 3, 1),
        )

        assert read(text).versions[0].calendar.closes == MonthDay(3, 1)

    def test_changes_nothing_else(self) -> None:
        before = read_file(WASHINGTON).versions[1]
        dates = {
            "opens_on": date(2026, 11, 1),
            "closes_on": date(2026, 12, 16),
            "plan_year_starts_on": date(2027, 1, 1),
        }

        after = read(with_open_enrollment(WASHINGTON.read_text(encoding="utf-8"), **dates)).versions[1]

        assert dataclasses.replace(after, calendar=before.calendar) == before

    def test_refuses_dates_that_break_a_rule(self) -> None:
        text = WASHINGTON.read_text(encoding="utf-8")

        with pytest.raises(BadPolicy, match="ends after the plan year began"):
            with_open_enrollment(
                text, opens_on=date(2026, 11, 1), closes_on=date(2027, 1, 2), plan_year_starts_on=date(2027, 1, 1)
            )


class TestPolicyCheck:
    def test_says_that_the_shipped_policies_have_no_problem(self) -> None:
        result = CliRunner().invoke(policy_group, ["check", str(WASHINGTON), str(NEW_YORK)])

        assert result.exit_code == 0
        assert result.output.count("no problem") == 2

    def test_prints_every_problem_of_every_file_and_exits_1(self, tmp_path: Path) -> None:
        bad, worse = tmp_path / "bad.yaml", tmp_path / "worse.yaml"
        bad.write_text(changed(WASHINGTON, "at_least: 125%", "at_least: 150%")[0], encoding="utf-8")
        worse.write_bytes(b"name: caf\xe9")

        result = CliRunner().invoke(policy_group, ["check", str(bad), str(worse), str(tmp_path / "none.yaml")])

        assert result.exit_code == 1
        lines = result.output.splitlines()
        assert re.match(rf"{re.escape(str(bad))}:\d+: versions\[0\]\.reserves\.ladder\[1\]: .*monotone", lines[0])
        assert lines[1] == f"{worse}:1: the file is not written in UTF-8"
        assert "none.yaml" in lines[2]


class TestDocumentation:
    def test_explains_every_key_that_the_shipped_policies_use(self) -> None:
        explained = (FOLDER.parent / "docs" / "policy.md").read_text(encoding="utf-8")
        keys: set[str] = set()
        for path in (WASHINGTON, NEW_YORK):
            keys |= set(re.findall(r"(?:^|[{,-])\s*([a-z_]+):(?=\s|$)", path.read_text(encoding="utf-8"), re.MULTILINE))
        policies = [policy for path in (WASHINGTON, NEW_YORK) for policy in read_file(path).versions]
        chosen = {
            thing.code
            for policy in policies
            for group in (policy.causes, policy.sectors, policy.components, policy.contributions.rules,
                          policy.qualification.criteria, policy.reserves.assets)
            for thing in group
        }  # fmt: skip

        assert {key for key in keys - chosen if f"`{key}`" not in explained} == set()
