"""Is the tax office's register brought in as it is, and asked as the policy says?"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from exchange.audit import AuditEvent
from exchange.database import db, unit_of_work
from exchange.identity.actors import system_actor
from exchange.intake import BadFile
from exchange.upsert import Written
from providers.commands import irs_eo_command
from providers.irs_register import (
    BadEin,
    IrsOrganization,
    RegisterImport,
    format_ein,
    import_register,
    nonprofit_standing,
    parse_ein,
    section_words,
)
from tests.support.real_data import real_files

AT = datetime(2026, 11, 1, tzinfo=UTC)
HEAD = "EIN,NAME,STATE,SUBSECTION,STATUS,RULING,TAX_PERIOD,ASSET_AMT,INCOME_AMT,REVENUE_AMT,SORT_NAME\n"
UNION = "010000001,COOKS UNION,NV,05,01,196811,202012,1500,900,-20,\n"
CHURCH = "010000002,OLD CHURCH,NV,03,01,000000,,,,,\n"
TRUST = "010000003,A TRUST,NV,92,12,200101,201912,0,0,,\n"


def file_of(folder: Path, *lines: str, name: str = "eo_nv.csv") -> Path:
    path = folder / name
    path.write_text(HEAD + "".join(lines), encoding="utf-8")
    return path


def imported(path: Path, at: datetime = AT) -> RegisterImport:
    with unit_of_work():
        return import_register(path, by=system_actor("test"), at=at)


def count() -> int:
    return db.session.execute(select(func.count()).select_from(IrsOrganization)).scalar_one()


class TestParseEin:
    @pytest.mark.parametrize("text", ["01-2345678", "012345678", " 012345678 "])
    def test_takes_both_ways_of_writing_it_and_keeps_leading_zeros(self, text: str) -> None:
        assert parse_ein(text) == "012345678"

    @pytest.mark.parametrize("text", ["", "12345678", "1-23456789", "０１２３４５６７８", "12-345678a", "12--3456789"])
    def test_refuses_anything_else(self, text: str) -> None:
        with pytest.raises(BadEin):
            parse_ein(text)

    def test_is_written_with_its_hyphen(self) -> None:
        assert format_ein("012345678") == "01-2345678"


class TestImportRegister:
    def test_keeps_leading_zeros_losses_and_what_was_never_filed(self, app: Flask, tmp_path: Path) -> None:
        found = imported(file_of(tmp_path, UNION, CHURCH))

        union, church = (db.session.get_one(IrsOrganization, ein) for ein in ("010000001", "010000002"))
        assert found.written == Written(added=2)
        assert (union.assets_cents, union.income_cents, union.revenue_cents) == (150_000, 90_000, -2_000)
        assert (union.ruling, union.tax_period, union.source) == ("196811", "202012", "eo_nv.csv")
        assert (church.assets_cents, church.revenue_cents, church.ruling, church.tax_period) == (None, None, None, None)

    def test_done_twice_is_done_once_and_only_when_it_was_seen_moves(self, app: Flask, tmp_path: Path) -> None:
        path = file_of(tmp_path, UNION, CHURCH)
        imported(path)

        found = imported(path, AT + timedelta(days=30))

        assert found.written == Written(unchanged=2)
        assert count() == 2
        assert db.session.get_one(IrsOrganization, "010000001").imported_at == AT + timedelta(days=30)

    def test_takes_over_what_has_changed(self, app: Flask, tmp_path: Path) -> None:
        imported(file_of(tmp_path, UNION, CHURCH))

        found = imported(file_of(tmp_path, UNION.replace(",05,01,", ",05,25,"), CHURCH, TRUST))

        assert found.written == Written(added=1, changed=1, unchanged=1)
        assert db.session.get_one(IrsOrganization, "010000001").status == "25"

    def test_the_later_of_two_lines_about_one_organization_stands(self, app: Flask, tmp_path: Path) -> None:
        imported(file_of(tmp_path, UNION, UNION.replace("COOKS", "BAKERS")))

        assert db.session.get_one(IrsOrganization, "010000001").name == "BAKERS UNION"

    @pytest.mark.parametrize(
        ("line", "column"),
        [
            (UNION.replace("010000001", "10000001"), "EIN"),
            (UNION.replace("010000001", "=1"), "EIN"),
            (UNION.replace("COOKS UNION", ""), "NAME"),
            (UNION.replace(",05,", ",5,"), "SUBSECTION"),
            (UNION.replace(",01,1", ",XX,1"), "STATUS"),
            (UNION.replace("196811", "196813"), "RULING"),
            (UNION.replace("202012", "2020"), "TAX_PERIOD"),
            (UNION.replace("1500", "1e3"), "ASSET_AMT"),
            (UNION.replace("-20", "１２"), "REVENUE_AMT"),
        ],
    )
    def test_leaves_out_and_reports_a_row_that_it_cannot_read(
        self, app: Flask, tmp_path: Path, line: str, column: str
    ) -> None:
        found = imported(file_of(tmp_path, CHURCH, line, TRUST))

        assert found.rows == 3
        assert [(problem.line, problem.column) for problem in found.problems.kept] == [(3, column)]
        assert count() == 2

    def test_brings_in_nothing_of_a_file_that_is_broken_further_down(self, app: Flask, tmp_path: Path) -> None:
        path = file_of(tmp_path, *(UNION.replace("010000001", f"{n:09}") for n in range(3_000)))
        path.write_bytes(path.read_bytes() + b"\xff\n")

        with pytest.raises(BadFile, match="Line 3002 is not UTF-8"):
            imported(path)

        assert count() == 0

    def test_is_written_down_in_the_audit_log(self, app: Flask, tmp_path: Path) -> None:
        imported(file_of(tmp_path, UNION))

        event = db.session.execute(select(AuditEvent)).scalar_one()
        assert (event.action, event.subject) == ("irs_register.import", "file:eo_nv.csv")


class TestNonprofitStanding:
    ALLOWED = {"allowed_subsections": {"03", "05"}, "allowed_statuses": {"01"}}  # noqa: RUF012 - never changed

    def test_is_allowed_when_subsection_and_status_are(self, app: Flask, tmp_path: Path) -> None:
        imported(file_of(tmp_path, UNION))

        standing = nonprofit_standing("01-0000001", **self.ALLOWED)

        assert standing.is_allowed and standing.found
        assert (standing.name, standing.seen_at, standing.reasons) == ("COOKS UNION", AT, ())

    def test_says_everything_that_speaks_against_it(self, app: Flask, tmp_path: Path) -> None:
        imported(file_of(tmp_path, TRUST))

        standing = nonprofit_standing("010000003", **self.ALLOWED)

        assert not standing.is_allowed and standing.found
        assert [str(reason) for reason in standing.reasons] == [
            "It is exempt under 4947(a)(1); this program allows 501(c)(3), 501(c)(5).",
            "Its exemption has status code 12; this program allows 01.",
        ]

    def test_says_that_the_register_has_no_such_number(self, app: Flask) -> None:
        standing = nonprofit_standing("99-9999999", **self.ALLOWED)

        assert not standing.is_allowed and not standing.found
        assert [str(reason) for reason in standing.reasons] == [
            "The IRS register of exempt organizations has no EIN 99-9999999."
        ]

    def test_is_no_for_a_right_subsection_with_a_wrong_status(self, app: Flask, tmp_path: Path) -> None:
        imported(file_of(tmp_path, UNION.replace(",05,01,", ",05,25,")))

        standing = nonprofit_standing("010000001", **self.ALLOWED)

        assert (standing.subsection_allowed, standing.status_allowed, standing.is_allowed) == (True, False, False)

    @pytest.mark.parametrize(
        ("code", "words"),
        [("03", "501(c)(3)"), ("29", "501(c)(29)"), ("92", "4947(a)(1)"), ("82", "subsection code 82")],
    )
    def test_names_sections_as_the_law_does(self, code: str, words: str) -> None:
        assert section_words(code) == words


class TestIrsEoCommand:
    def test_tells_rows_rate_and_each_row_left_out(self, app: Flask, tmp_path: Path) -> None:
        path = file_of(tmp_path, UNION, CHURCH, TRUST.replace("92", "x2"))

        result = app.test_cli_runner().invoke(irs_eo_command, [str(path)])

        assert result.exit_code == 0
        assert "eo_nv.csv: 3 rows in" in result.output and "a second)" in result.output
        assert "2 added, 0 changed, 0 unchanged; 1 left out" in result.output
        assert "line 4, SUBSECTION: is not what the register's description says." in result.output

    def test_refuses_a_file_of_another_kind_and_keeps_the_one_before(self, app: Flask, tmp_path: Path) -> None:
        other = tmp_path / "other.csv"
        other.write_text("EIN,NAME\n", encoding="utf-8")

        result = app.test_cli_runner().invoke(irs_eo_command, [str(file_of(tmp_path, UNION)), str(other)])

        assert result.exit_code == 1
        assert "other.csv: These columns are missing: STATE, SUBSECTION" in result.output
        assert count() == 1

    def test_brings_in_two_whole_states_in_seconds_and_twice_is_once(self, app: Flask) -> None:
        files = real_files("irs_eo_bmf", "eo_dc.csv.gz", "eo_nv.csv.gz")

        first = app.test_cli_runner().invoke(irs_eo_command, files)
        assert count() == 27_396
        second = app.test_cli_runner().invoke(irs_eo_command, files)

        assert count() == 27_396
        assert "13,731 added, 0 changed, 0 unchanged; 0 left out" in first.output
        assert "13,665 added, 0 changed, 0 unchanged; 0 left out" in first.output
        assert "0 added, 0 changed, 13,731 unchanged; 0 left out" in second.output
        red_cross = nonprofit_standing("53-0196605", allowed_subsections={"03"}, allowed_statuses={"01"})
        assert red_cross.is_allowed


class TestGzip:
    def test_reads_a_packed_file_as_the_plain_one(self, app: Flask, tmp_path: Path) -> None:
        path = tmp_path / "eo.csv.gz"
        path.write_bytes(gzip.compress((HEAD + UNION).encode()))

        assert imported(path).written == Written(added=1)
