"""Does the catalogue of health cover say what the published files say, and nothing more?"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from exchange.database import db, unit_of_work
from exchange.identity.actors import system_actor
from exchange.intake import BadFile
from exchange.upsert import Written
from providers.commands import qhp_landscape_command
from providers.health_plans import (
    CHILD,
    DrugDeductible,
    HealthPlan,
    HealthPlanNotFound,
    HealthPlanPremium,
    Metal,
    PlanFilter,
    PublishedPremium,
    counties_of,
    find_plans,
    health_plan,
    issuers,
    issuers_gone,
    plan_years,
    premium_of,
)
from providers.qhp_landscape import LandscapeImport, NoPlanYear, import_landscape, plan_year_of
from tests.support.real_data import real_files

AT = datetime(2026, 11, 1, tzinfo=UTC)
PREMIUMS = {
    "Premium Child": "$100.00",
    **{f"Premium Adult Individual Age {age} ": f"${200 + n * 50}.25" for n, age in enumerate((21, 27, 30, 40, 50, 60))},
}
ROW = {
    "State": "NV",
    "County": "Clark",
    "Metal Level": "Silver",
    "Issuer Name": "Desert Health",
    "Plan ID (standard component)": "12345NV0010001",
    "Plan Marketing Name": "Desert Silver",
    "Plan Type": "HMO",
    "Rating Area": "Rating Area 1",
    **PREMIUMS,
    "Medical Deductible-individual-standard": "$2,250",
    "Drug Deductible-individual-standard": "Included in Medical",
    "Medical Deductible-family-standard": "$8600.00",
    "Medical Maximum Out Of Pocket - individual - standard": "$6,350",
    "Medical Maximum Out of Pocket - family - standard": "",
    "Primary Care Physician  - standard": "$40",
    "Specialist  - standard": "20% Coinsurance after deductible",
    "Emergency Room  - standard": "$400",
    "Generic Drugs - standard": "No Charge",
    "A column that nobody reads": "=1+1",
}
GOLD = {**ROW, "Metal Level": "Gold", "Plan ID (standard component)": "12345NV0010002", "Plan Marketing Name": "Gold"}
RIVAL = {**ROW, "Issuer Name": "Rival", "Plan ID (standard component)": "99999NV0010001", "Premium Child": "$90.00"}
YEAR_FILES = tuple(
    f"{year}_QHP_Landscape_{state}_Individual_Market_Medical.csv.gz" for year in (2015, 2016) for state in ("NV", "OR")
)


def file_of(folder: Path, *rows: Mapping[str, str], name: str = "2015_QHP_NV.csv") -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    path = folder / name
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def imported(folder: Path, *rows: Mapping[str, str], year: int = 2015) -> LandscapeImport:
    with unit_of_work():
        return import_landscape(file_of(folder, *rows), plan_year=year, by=system_actor("test"), at=AT)


def only_plan() -> HealthPlan:
    return db.session.execute(select(HealthPlan)).scalar_one()


def premiums() -> int:
    return db.session.execute(select(func.count()).select_from(HealthPlanPremium)).scalar_one()


class TestImportLandscape:
    def test_reads_every_way_in_which_the_files_write_money(self, app: Flask, tmp_path: Path) -> None:
        imported(tmp_path, ROW)

        plan = only_plan()
        assert (plan.plan_year, plan.state, plan.issuer_id, plan.metal) == (2015, "NV", "12345", Metal.SILVER)
        assert (plan.deductible_cents, plan.family_deductible_cents, plan.oop_max_cents) == (225_000, 860_000, 635_000)
        assert (plan.family_oop_max_cents, plan.ehb_share_bp) == (None, None)
        assert plan.specialist == "20% Coinsurance after deductible"

    @pytest.mark.parametrize(
        ("text", "kind", "cents"),
        [
            ("Included in Medical", DrugDeductible.INCLUDED, None),
            ("$250", DrugDeductible.AMOUNT, 25_000),
            ("$0", DrugDeductible.AMOUNT, 0),
            ("Not Applicable", DrugDeductible.NOT_STATED, None),
            ("", DrugDeductible.NOT_STATED, None),
        ],
    )
    def test_tells_a_deductible_for_drugs_from_one_that_is_included(
        self, app: Flask, tmp_path: Path, text: str, kind: DrugDeductible, cents: int | None
    ) -> None:
        imported(tmp_path, {**ROW, "Drug Deductible-individual-standard": text})

        assert (only_plan().drug_deductible, only_plan().drug_deductible_cents) == (kind, cents)

    def test_keeps_a_premium_once_for_all_counties_of_a_rating_area(self, app: Flask, tmp_path: Path) -> None:
        found = imported(
            tmp_path, ROW, {**ROW, "County": "Nye"}, {**ROW, "County": "Elko", "Rating Area": "Rating Area 4"}
        )

        assert (found.rows, found.plans, found.premiums, found.counties) == (3, Written(1), Written(14), Written(3))
        assert counties_of(only_plan().id) == {"Clark": 1, "Elko": 4, "Nye": 1}

    def test_done_twice_is_done_once(self, app: Flask, tmp_path: Path) -> None:
        imported(tmp_path, ROW, GOLD)

        found = imported(tmp_path, ROW, GOLD)

        assert found.plans == Written(unchanged=2)
        assert found.premiums == Written(unchanged=14)
        assert premiums() == 14

    def test_corrects_what_a_later_file_says_otherwise(self, app: Flask, tmp_path: Path) -> None:
        imported(tmp_path, ROW, GOLD)

        found = imported(tmp_path, {**ROW, "Premium Child": "$101.00", "Plan Type": "PPO"})

        assert (found.plans, found.premiums) == (Written(changed=1), Written(changed=1, unchanged=6))

    def test_keeps_the_same_plan_of_another_year_apart(self, app: Flask, tmp_path: Path) -> None:
        imported(tmp_path, ROW)

        imported(tmp_path, ROW, year=2016)

        assert plan_years() == (2016, 2015)

    @pytest.mark.parametrize(
        ("change", "column"),
        [
            ({"Plan ID (standard component)": "12345OR0010001"}, "Plan ID"),
            ({"Plan ID (standard component)": "1234NV0010001"}, "Plan ID"),
            ({"Metal Level": "Tin"}, "Metal Level"),
            ({"Issuer Name": ""}, "Issuer Name"),
            ({"County": ""}, "County"),
            ({"Rating Area": "North"}, "Rating Area"),
            ({"Premium Child": ""}, "Premium Child"),
            ({"Premium Child": "$0"}, "Premium Child"),
            ({"Premium Child": "１２"}, "Premium Child"),
            ({"Medical Deductible-individual-standard": "ask us"}, "Medical Deductible - Individual - Standard"),
            ({"Metal Level": "=Silver"}, "Metal Level"),
            ({"County": "Clark"}, "County"),
            ({"Plan Type": "PPO"}, "Plan ID"),
            ({"Premium Child": "$1.00"}, "Rating Area"),
        ],
    )
    def test_leaves_out_and_reports_a_row_that_it_cannot_read(
        self, app: Flask, tmp_path: Path, change: Mapping[str, str], column: str
    ) -> None:
        found = imported(tmp_path, ROW, {**ROW, "County": "Nye", **change}, GOLD)

        assert found.rows == 3
        assert [(problem.line, problem.column) for problem in found.problems.kept] == [(3, column)]
        assert (found.plans, found.counties) == (Written(added=2), Written(added=2))

    @pytest.mark.parametrize(("text", "share"), [("99.8%", 9_980), ("100%", 10_000), ("", None)])
    def test_reads_percentages_of_the_later_files(
        self, app: Flask, tmp_path: Path, text: str, share: int | None
    ) -> None:
        imported(tmp_path, {**ROW, "EHB Percent of Total Premium": text})

        assert only_plan().ehb_share_bp == share

    def test_reports_a_percentage_that_is_none(self, app: Flask, tmp_path: Path) -> None:
        found = imported(tmp_path, {**ROW, "EHB Percent of Total Premium": "most"})

        assert [problem.column for problem in found.problems.kept] == ["EHB Percent of Total Premium"]

    def test_brings_in_nothing_of_a_file_without_a_column(self, app: Flask, tmp_path: Path) -> None:
        with pytest.raises(BadFile, match="columns are missing: Premium Child"):
            imported(tmp_path, {name: text for name, text in ROW.items() if name != "Premium Child"})

        assert plan_years() == ()


class TestTheDatabase:
    def test_refuses_an_amount_for_drugs_that_are_included(self, app: Flask, tmp_path: Path) -> None:
        imported(tmp_path, ROW)

        with pytest.raises(IntegrityError), unit_of_work():
            only_plan().drug_deductible_cents = 100

        assert only_plan().drug_deductible_cents is None


class TestPlanYearOf:
    def test_reads_the_year_from_the_name(self) -> None:
        assert plan_year_of(Path("2016_QHP_Landscape_NV.csv.gz")) == 2016

    @pytest.mark.parametrize("name", ["plans.csv", "2015_2016.csv", "120160.csv"])
    def test_refuses_a_name_that_does_not_say_one(self, name: str) -> None:
        with pytest.raises(NoPlanYear):
            plan_year_of(Path(name))


class TestPremiumOf:
    @pytest.mark.parametrize(
        ("age", "cents", "published", "exact"),
        [
            (0, 10_000, CHILD, True),
            (20, 10_000, CHILD, True),
            (21, 20_025, 21, True),
            (26, 20_025, 21, False),
            (27, 25_025, 27, True),
            (39, 30_025, 30, False),
            (40, 35_025, 40, True),
            (64, 45_025, 60, False),
        ],
    )
    def test_is_the_published_one_and_says_when_it_is_of_a_lower_age(
        self, app: Flask, tmp_path: Path, age: int, cents: int, published: int, exact: bool
    ) -> None:
        imported(tmp_path, ROW)

        assert premium_of(only_plan().id, rating_area=1, age=age) == PublishedPremium(cents, published, exact)

    def test_is_none_where_the_plan_is_not_sold(self, app: Flask, tmp_path: Path) -> None:
        imported(tmp_path, ROW)

        assert premium_of(only_plan().id, rating_area=2, age=40) is None


class TestFindPlans:
    def test_lists_by_metal_then_price_and_by_pages(self, app: Flask, tmp_path: Path) -> None:
        imported(tmp_path, GOLD, ROW, RIVAL)

        first = find_plans(PlanFilter(2015, age=10), per_page=2)
        second = find_plans(PlanFilter(2015, age=10), page=2, per_page=2)

        assert [(plan.issuer, plan.metal) for plan in (*first.plans, *second.plans)] == [
            ("Rival", Metal.SILVER),
            ("Desert Health", Metal.SILVER),
            ("Desert Health", Metal.GOLD),
        ]
        assert (first.total, second.total, second.page) == (3, 3, 2)
        assert (first.plans[0].premium_from_cents, first.plans[0].premium_to_cents) == (9_000, 9_000)

    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            (PlanFilter(2015, state="NV"), {"Desert Silver", "Gold"}),
            (PlanFilter(2015, state="OR"), set()),
            (PlanFilter(2016), set()),
            (PlanFilter(2015, metals=(Metal.GOLD, Metal.BRONZE)), {"Gold"}),
            (PlanFilter(2015, issuer_id="99999"), set()),
            (PlanFilter(2015, rating_area=4), {"Gold"}),
            (PlanFilter(2015, county="Elko"), {"Gold"}),
            (PlanFilter(2015, county="Clark", rating_area=4), set()),
        ],
    )
    def test_narrows_by_whatever_is_asked(
        self, app: Flask, tmp_path: Path, wanted: PlanFilter, names: set[str]
    ) -> None:
        imported(tmp_path, ROW, GOLD, {**GOLD, "County": "Elko", "Rating Area": "Rating Area 4"})

        found = find_plans(wanted)

        assert {plan.name for plan in found.plans} == names
        assert found.total == len(names)

    def test_shows_the_lowest_and_highest_premium_of_all_areas(self, app: Flask, tmp_path: Path) -> None:
        dear = {"County": "Elko", "Rating Area": "Rating Area 4", "Premium Adult Individual Age 40 ": "$999.00"}
        imported(tmp_path, ROW, {**ROW, **dear})

        plan = find_plans(PlanFilter(2015, age=44)).plans[0]

        assert (plan.premium_from_cents, plan.premium_to_cents) == (35_025, 99_900)

    def test_gives_one_plan_by_id_or_says_there_is_none(self, app: Flask, tmp_path: Path) -> None:
        imported(tmp_path, ROW)

        assert health_plan(only_plan().id).name == "Desert Silver"
        with pytest.raises(HealthPlanNotFound):
            health_plan(999)


class TestIssuersGone:
    def test_compares_by_id_because_names_change(self, app: Flask, tmp_path: Path) -> None:
        imported(tmp_path, ROW, RIVAL)
        imported(tmp_path, {**ROW, "Issuer Name": "Desert Health, Inc."}, year=2016)

        assert [(gone.issuer, gone.plans, gone.counties) for gone in issuers_gone(2015, to_year=2016)] == [
            ("Rival", 1, 1)
        ]

    def test_says_nobody_vanished_when_the_later_year_was_not_imported(self, app: Flask, tmp_path: Path) -> None:
        imported(tmp_path, ROW, RIVAL)

        assert issuers_gone(2015, to_year=2016) == ()
        assert len(issuers(2015, state="NV")) == 2


class TestQhpLandscapeCommand:
    def test_brings_in_both_states_of_both_years_and_twice_is_once(self, app: Flask) -> None:
        files = real_files("qhp_landscape", *YEAR_FILES)

        first = app.test_cli_runner().invoke(qhp_landscape_command, files)
        stored = premiums()
        second = app.test_cli_runner().invoke(qhp_landscape_command, files)

        assert first.exit_code == second.exit_code == 0, first.output
        assert [line.split(": ")[1].split(" ")[0] for line in first.output.splitlines() if "rows in" in line] == [
            "426",
            "2,519",
            "599",
            "2,001",
        ]
        assert first.output.count("; 0 left out") == 4
        assert "premiums: 0 added, 0 changed, 4,249 unchanged" in second.output
        assert premiums() == stored == 9_758
        assert find_plans(PlanFilter(2016)).total == 176
        assert {gone.issuer for gone in issuers_gone(2015, to_year=2016)} == {"Nevada Health CO-OP", "Health Republic"}

    def test_takes_the_year_from_the_operator_where_the_name_is_silent(self, app: Flask, tmp_path: Path) -> None:
        path = str(file_of(tmp_path, ROW, name="plans.csv"))

        silent = app.test_cli_runner().invoke(qhp_landscape_command, [path])
        told = app.test_cli_runner().invoke(qhp_landscape_command, ["--year", "2017", path])

        assert silent.exit_code == 1 and "Give it with --year" in silent.output
        assert told.exit_code == 0 and plan_years() == (2017,)

    def test_tells_how_many_rows_it_left_out_beyond_those_it_shows(self, app: Flask, tmp_path: Path) -> None:
        rows = [{**ROW, "County": f"C{n}", "Metal Level": "Tin"} for n in range(250)]

        result = app.test_cli_runner().invoke(qhp_landscape_command, [str(file_of(tmp_path, *rows))])

        assert "250 left out" in result.output
        assert "line 2, Metal Level: is none of the known levels." in result.output
        assert "… and 50 more" in result.output
