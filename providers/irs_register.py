"""Is this organization a nonprofit of a kind that the program allows, by the tax office's own register?

The register is the Exempt Organizations Business Master File of the Internal Revenue Service, read
from the CSV files that it publishes by state. It lists organizations that are exempt today: one that
lost its exemption is no longer in the next file, so each row tells when it was last seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, Table
from sqlalchemy.orm import Mapped, mapped_column

from exchange import audit
from exchange.database import Base, db
from exchange.errors import Refusal
from exchange.identity.actors import Actor
from exchange.intake import IMPORT, Column, Problems, Row, open_for_import, read_csv
from exchange.upsert import Written, upsert

_EIN: Final = re.compile(r"[0-9]{2}-?[0-9]{7}", re.ASCII)
_NINE: Final = re.compile(r"[0-9]{9}", re.ASCII)
_CODE: Final = re.compile(r"[0-9]{2}", re.ASCII)
_MONTH: Final = re.compile(r"[0-9]{4}(?:0[1-9]|1[0-2])", re.ASCII)
_DOLLARS: Final = re.compile(r"-?[0-9]{1,15}", re.ASCII)
_NO_RULING: Final = "000000"

# The file's money columns may be negative (a loss), so they are no identifiers; a pattern reads them.
COLUMNS: Final = (
    Column("EIN", max_length=9),
    Column("NAME", identifier=False),
    Column("STATE", max_length=2),
    Column("SUBSECTION", max_length=2),
    Column("STATUS", max_length=2),
    Column("RULING", max_length=6),
    Column("TAX_PERIOD", max_length=6),
    Column("ASSET_AMT", identifier=False, max_length=20),
    Column("INCOME_AMT", identifier=False, max_length=20),
    Column("REVENUE_AMT", identifier=False, max_length=20),
)


class IrsOrganization(Base):
    """One organization that is exempt from income tax, as its register's latest file says."""

    __tablename__ = "irs_organization"
    __table_args__ = (CheckConstraint("length(ein) = 9", name="ein_has_nine_digits"),)

    # Nine digits with their leading zeros, without the hyphen.
    ein: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    state: Mapped[str]
    # Two digits: 03 is section 501(c)(3), 05 is 501(c)(5); from 40 on other sections.
    subsection: Mapped[str]
    # Two digits: 01 unconditional exemption, 02 conditional, 12 and 25 trusts and terminating foundations.
    status: Mapped[str]
    # YYYYMM of the ruling that granted the exemption; NULL where the register says 000000.
    ruling: Mapped[str | None]
    # YYYYMM of the latest return on file, and its money; NULL where none was filed, which is not zero.
    tax_period: Mapped[str | None]
    assets_cents: Mapped[int | None]
    income_cents: Mapped[int | None]
    revenue_cents: Mapped[int | None]
    # The name of the file that the row was last seen in, and when that file was imported.
    source: Mapped[str]
    imported_at: Mapped[datetime]


class BadEin(Refusal):
    """Text that is no employer identification number."""

    code = "bad_ein"


@dataclass(frozen=True, slots=True)
class RegisterImport:
    """What one file brought: ``rows`` in it, those ``written``, and the ``problems`` with those left out."""

    source: str
    rows: int
    written: Written
    problems: Problems


@dataclass(frozen=True, slots=True)
class NonprofitStanding:
    """What the register says about one EIN, measured by a program's policy.

    ``reasons`` are sentences on everything that speaks against it; none when ``is_allowed``.
    """

    ein: str
    found: bool
    name: str | None
    subsection: str | None
    subsection_allowed: bool
    status: str | None
    status_allowed: bool
    seen_at: datetime | None
    reasons: tuple[LazyString, ...]

    @property
    def is_allowed(self) -> bool:
        """Whether the register shows a nonprofit that the policy allows."""
        return self.found and self.subsection_allowed and self.status_allowed


def parse_ein(text: str) -> str:
    """``"12-3456789"`` or ``"123456789"`` → ``"123456789"``. ASCII digits only; raises ``BadEin``."""
    trimmed = text.strip(" ")
    if _EIN.fullmatch(trimmed) is None:
        raise BadEin(_l("An EIN has nine digits, written like 12-3456789."))
    return trimmed.replace("-", "")


def format_ein(ein: str) -> str:
    """``"123456789"`` → ``"12-3456789"``."""
    return f"{ein[:2]}-{ein[2:]}"


def nonprofit_standing(
    ein: str, *, allowed_subsections: Collection[str], allowed_statuses: Collection[str]
) -> NonprofitStanding:
    """What the register says about ``ein``; the codes allowed are policy, two digits each (``"03"``).

    Raises ``BadEin`` for text that is no EIN.
    """
    digits = parse_ein(ein)
    row = db.session.get(IrsOrganization, digits)
    if row is None:
        reason = _l("The IRS register of exempt organizations has no EIN %(ein)s.", ein=format_ein(digits))
        return NonprofitStanding(digits, False, None, None, False, None, False, None, (reason,))
    reasons = []
    if row.subsection not in allowed_subsections:
        reasons.append(
            _l(
                "It is exempt under %(section)s; this program allows %(allowed)s.",
                section=section_words(row.subsection),
                allowed=", ".join(section_words(code) for code in sorted(allowed_subsections)),
            )
        )
    if row.status not in allowed_statuses:
        reasons.append(
            _l(
                "Its exemption has status code %(status)s; this program allows %(allowed)s.",
                status=row.status,
                allowed=", ".join(sorted(allowed_statuses)),
            )
        )
    return NonprofitStanding(
        ein=digits,
        found=True,
        name=row.name,
        subsection=row.subsection,
        subsection_allowed=row.subsection in allowed_subsections,
        status=row.status,
        status_allowed=row.status in allowed_statuses,
        seen_at=row.imported_at,
        reasons=tuple(reasons),
    )


def section_words(subsection: str) -> str:
    """``"05"`` → ``501(c)(5)``. Codes above 29 name other sections and stay codes, except the common 92."""
    if subsection == "92":
        return "4947(a)(1)"
    return f"501(c)({int(subsection)})" if int(subsection) <= 29 else f"subsection code {subsection}"


def import_register(
    path: Path, *, by: Actor, at: datetime, progress: Callable[[int], None] | None = None
) -> RegisterImport:
    """Bring one file of the register in, ``.csv`` or ``.csv.gz``; all of it in the caller's unit of work.

    The same file twice is once: rows are recognized by EIN, and only when they were last seen moves.
    Rows that cannot be read are left out and reported. ``progress`` is told the rows read so far.
    Raises ``BadFile`` for a file that cannot be read as a whole.
    """
    problems = Problems()
    taken = 0

    def read() -> Iterator[dict[str, Any]]:
        nonlocal taken
        with open_for_import(path) as stream:
            for row in read_csv(stream, COLUMNS, problems=problems, limits=IMPORT):
                values = _values(row, problems)
                if values is None:
                    continue
                taken += 1
                if progress is not None:
                    progress(taken)
                yield values

    stamp = {"source": path.name, "imported_at": at}
    written = upsert(cast("Table", IrsOrganization.__table__), read(), key=("ein",), stamp=stamp)
    facts = (
        f"added {written.added}, changed {written.changed}, unchanged {written.unchanged}, left out {problems.count}"
    )
    audit.record("irs_register.import", f"file:{path.name}", by=by, at=at, facts=facts)
    return RegisterImport(path.name, taken + problems.count, written, problems)


def _values(row: Row, problems: Problems) -> dict[str, Any] | None:
    """The columns of ``IrsOrganization`` for one line, or a problem."""
    cells = row.cells
    wrong = [
        column
        for column, is_right in (
            ("EIN", _NINE.fullmatch(cells["EIN"])),
            ("NAME", cells["NAME"]),
            ("SUBSECTION", _CODE.fullmatch(cells["SUBSECTION"])),
            ("STATUS", _CODE.fullmatch(cells["STATUS"])),
            ("RULING", cells["RULING"] in {"", _NO_RULING} or _MONTH.fullmatch(cells["RULING"])),
            ("TAX_PERIOD", not cells["TAX_PERIOD"] or _MONTH.fullmatch(cells["TAX_PERIOD"])),
            *(
                (name, not cells[name] or _DOLLARS.fullmatch(cells[name]))
                for name in ("ASSET_AMT", "INCOME_AMT", "REVENUE_AMT")
            ),
        )
        if not is_right
    ]
    if wrong:
        problems.add(row.line, _l("is not what the register's description says."), wrong[0])
        return None
    return {
        "ein": cells["EIN"],
        "name": cells["NAME"],
        "state": cells["STATE"],
        "subsection": cells["SUBSECTION"],
        "status": cells["STATUS"],
        "ruling": None if cells["RULING"] in {"", _NO_RULING} else cells["RULING"],
        "tax_period": cells["TAX_PERIOD"] or None,
        "assets_cents": _cents(cells["ASSET_AMT"]),
        "income_cents": _cents(cells["INCOME_AMT"]),
        "revenue_cents": _cents(cells["REVENUE_AMT"]),
    }


def _cents(whole_dollars: str) -> int | None:
    return int(whole_dollars) * 100 if whole_dollars else None
