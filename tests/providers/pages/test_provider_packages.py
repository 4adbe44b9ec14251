"""Do a provider's pages take a package to the shelf, and say every no beside its field?"""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from exchange.database import db, unit_of_work
from exchange.identity.actors import Actor, Audience
from providers import packages, publication
from providers.models import Package, PackageVersion, Provider, ProviderState, VersionState
from tests.support.signing_in import make_login, post, sign_in
from tests.support.worker_makers import OFFERINGS, Market

HOSTILE_SHARES = [
    "１２",
    "1_000",
    "1e3",
    "NaN",
    "-1",
    "0.001",
    "9223372036854775808",
    "100.01",
    "12,5",
    "+5",
    "12.",
    ".5",
]
HOSTILE_NUMBERS = ["１２", "1_000", "1e3", "NaN", "-1", "1.0", "9223372036854775808"]
SHARES = {
    "share_paid_leave": "25", "accrual_paid_leave": "30", "share_retirement": "15", "share_health": "40",
    "waiting_health": "30", "vendor_health": "Blue Harbor", "share_disability": "7", "share_workers_compensation": "8",
    "fee": "5",
}  # fmt: skip


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


@pytest.fixture
def staff(market: Market, client: FlaskClient) -> FlaskClient:
    """Somebody who acts for the first provider."""
    sign_in(client, market.staff(0))
    return client


def begin(staff: FlaskClient, market: Market, name: str = "Winter") -> int:
    """A new package with an empty draft for the next plan year; the version's id."""
    answer = post(staff, "/provider/packages/new", {"name": name, "plan_year": market.next_year.id, "base": ""})
    assert answer.status_code == 303, answer.text
    return int(str(answer.location).split("/")[-2])


def draft(**changes: str) -> dict[str, Any]:
    """A whole and lawful draft, but for the changes."""
    return {"summary": "For the cold months.", "service_area": "US-WA", "withdrawal_terms": "", **SHARES, **changes}


def save(staff: FlaskClient, version_id: int, data: dict[str, Any], then: str = "keep") -> Any:
    return post(staff, f"/provider/packages/versions/{version_id}/edit", {**data, "then": then})


def version(id_: int) -> PackageVersion:
    return db.session.get_one(PackageVersion, id_, populate_existing=True)


def versions() -> list[tuple[object, ...]]:
    rows = select(PackageVersion.id, PackageVersion.plan_year, PackageVersion.state).order_by(PackageVersion.id)
    return [tuple(row) for row in db.session.execute(rows)]


class TestNewPackage:
    def test_begins_with_an_empty_draft(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)

        assert version(id_).state is VersionState.DRAFT
        assert packages.terms_of(version(id_)).components == ()

    def test_begins_with_a_copy_of_another_version(self, staff: FlaskClient, market: Market) -> None:
        like = market.version_of(0)

        answer = post(
            staff, "/provider/packages/new",
            {"name": "Like it", "plan_year": market.next_year.id, "base": str(like.id)},
        )  # fmt: skip

        made = version(int(str(answer.location).split("/")[-2]))
        assert packages.terms_of(made) == packages.terms_of(market.version_of(0))

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"name": ""}, "Fill this in."),
            ({"name": "\u202eevil"}, "a character that cannot be seen"),
            ({"name": "x" * 121}, "between 1 and 120"),
            ({"name": "harbor complete"}, "Another of your packages has this name."),
            ({"plan_year": "1999"}, "Not a valid choice"),
            ({"base": "987654"}, "Not a valid choice"),
        ],
    )
    def test_refuses_at_the_field(
        self, staff: FlaskClient, market: Market, changes: dict[str, str], sentence: str
    ) -> None:
        before = versions()

        answer = post(
            staff, "/provider/packages/new", {"name": "New", "plan_year": market.next_year.id, "base": "", **changes}
        )

        assert answer.status_code == 422
        assert sentence in answer.text
        assert versions() == before

    def test_copies_nobody_elses_version(self, staff: FlaskClient, market: Market) -> None:
        other = market.version_of(1).id

        answer = post(
            staff, "/provider/packages/new", {"name": "X", "plan_year": market.next_year.id, "base": str(other)}
        )

        assert answer.status_code == 422


class TestDraft:
    def test_is_kept_though_it_breaks_rules(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)

        answer = save(staff, id_, draft(share_health="39.99"))

        assert answer.status_code == 303
        assert packages.terms_of(version(id_)).split["health"] == 3_999

    @pytest.mark.parametrize("text", HOSTILE_SHARES)
    @pytest.mark.parametrize("field", ["share_health", "fee"])
    def test_takes_no_share_that_can_be_read_in_two_ways(
        self, staff: FlaskClient, market: Market, field: str, text: str
    ) -> None:
        id_ = begin(staff, market)

        answer = save(staff, id_, draft(**{field: text}), "submit")

        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
        assert packages.terms_of(version(id_)).components == ()

    @pytest.mark.parametrize(
        ("field", "text"),
        [
            *((field, text) for field in ("waiting_health", "accrual_paid_leave") for text in HOSTILE_NUMBERS),
            ("waiting_health", "3651"),
            ("accrual_paid_leave", "10001"),
            ("accrual_paid_leave", "0"),
        ],
    )
    def test_takes_no_odd_number(self, staff: FlaskClient, market: Market, field: str, text: str) -> None:
        id_ = begin(staff, market)

        answer = save(staff, id_, draft(**{field: text}))

        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
        assert packages.terms_of(version(id_)).components == ()

    @pytest.mark.parametrize(
        ("field", "text"),
        [
            ("vendor_health", "Bl\u200bue"),
            ("vendor_health", "B" * 201),
            ("summary", "x" * 401),
            ("summary", ""),
            ("withdrawal_terms", "\u202e" + "x"),
            ("service_area", "US-OR"),
        ],
    )
    def test_takes_no_hidden_or_endless_text(self, staff: FlaskClient, market: Market, field: str, text: str) -> None:
        id_ = begin(staff, market)

        assert save(staff, id_, draft(**{field: text})).status_code == 422
        assert packages.terms_of(version(id_)).components == ()

    def test_shows_markup_as_text(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)
        save(staff, id_, draft(summary="<b>bold</b>", vendor_health="<script>alert(1)</script>"))

        page = staff.get(f"/provider/packages/versions/{id_}").text

        assert "<b>bold</b>" not in page and "<script>alert" not in page

    def test_asks_about_a_row_without_a_share(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)

        answer = save(staff, id_, draft(vendor_training="Docks College"))

        assert answer.status_code == 422
        assert "Give it a share, or empty the rest of its row." in answer.text

    def test_that_was_handed_in_never_changes(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)
        save(staff, id_, draft(), "submit")
        before = packages.terms_of(version(id_))

        answer = save(staff, id_, draft(fee="4", share_health="41"))

        assert answer.status_code == 303
        assert packages.terms_of(version(id_)) == before
        assert "never change" in staff.get(f"/provider/packages/versions/{id_}").text


class TestHandingIn:
    def test_takes_what_keeps_every_rule(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)

        answer = save(staff, id_, draft(), "submit")

        assert answer.status_code == 303
        assert version(id_).state is VersionState.SUBMITTED

    def test_says_every_rule_at_once_each_beside_its_field(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)

        answer = save(staff, id_, draft(fee="11", share_disability="0.99", share_health="", waiting_health="",
                                        vendor_health="", accrual_paid_leave="60"), "submit")  # fmt: skip

        assert answer.status_code == 422
        assert "4 things need your attention" in answer.text
        assert "Shares and fee come to 59.99% of each contribution; they must come to 100%." in answer.text
        for field in ("fee", "share_health", "accrual_paid_leave"):
            assert f'id="{field}-error"' in answer.text
        assert version(id_).state is VersionState.DRAFT
        assert packages.terms_of(version(id_)).fee_bp == 1_100, "the draft itself is kept"

    def test_refuses_99_99_percent(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)

        answer = save(staff, id_, draft(share_health="39.99"), "submit")

        assert "Shares and fee come to 99.99% of each contribution; they must come to 100%." in answer.text
        assert version(id_).state is VersionState.DRAFT

    def test_by_its_own_button_names_each_rule(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)
        save(staff, id_, draft(share_health="39.99", fee="11"))

        answer = post(staff, f"/provider/packages/versions/{id_}/submit")

        assert answer.status_code == 422
        assert "The cap on the fee" in answer.text
        assert "Shares and fee are the whole contribution" in answer.text

    def test_is_for_the_qualified(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)
        with unit_of_work():
            db.session.get_one(Provider, market.provider_of(market.packages[0])).state = ProviderState.SUSPENDED

        answer = save(staff, id_, draft(), "submit")

        assert "Only a qualified provider publishes packages." in answer.text
        assert version(id_).state is VersionState.DRAFT


class TestShelf:
    def certified(self, staff: FlaskClient, market: Market) -> int:
        id_ = begin(staff, market)
        save(staff, id_, draft(), "submit")
        regulator = Actor(Audience.REGULATOR, "Rita", login_id=make_login(Audience.REGULATOR, "Rita"))
        with unit_of_work():
            publication.certify(version(id_), policy=market.policy, by=regulator, at=market.window.opens_at)
        return id_

    def test_takes_a_certified_version(self, staff: FlaskClient, market: Market, app: Flask) -> None:
        id_ = self.certified(staff, market)

        answer = post(staff, f"/provider/packages/versions/{id_}/list")

        assert answer.status_code == 303
        assert version(id_).state is VersionState.LISTED
        assert "Winter" in app.test_client().get("/packages").text

    def test_takes_no_draft(self, staff: FlaskClient, market: Market) -> None:
        id_ = begin(staff, market)
        save(staff, id_, draft())

        post(staff, f"/provider/packages/versions/{id_}/list")

        assert version(id_).state is VersionState.DRAFT
        assert "cannot take that step" in staff.get(f"/provider/packages/versions/{id_}").text

    def test_gives_a_version_back_with_a_reason(self, staff: FlaskClient, market: Market) -> None:
        id_ = market.version_of(0).id

        assert post(staff, f"/provider/packages/versions/{id_}/close", {"reason": " "}).status_code == 422
        assert version(id_).state is VersionState.LISTED

        post(staff, f"/provider/packages/versions/{id_}/close", {"reason": "Sold out."})
        assert version(id_).state is VersionState.CLOSED

    def test_same_terms_are_drafted_again(self, staff: FlaskClient, market: Market) -> None:
        like = market.version_of(0)

        answer = post(staff, f"/provider/packages/versions/{like.id}/draft", {"plan_year": market.next_year.id})

        made = version(int(str(answer.location).split("/")[-2]))
        assert (made.number, made.state) == (2, VersionState.DRAFT)
        post(staff, f"/provider/packages/versions/{made.id}/draft", {"plan_year": "1999"})
        assert "The plan year 1999 is over." in staff.get(f"/provider/packages/versions/{made.id}").text


class TestEnding:
    def end(self, staff: FlaskClient, market: Market, **changes: str) -> Any:
        data = {"last_plan_year": market.next_year.id, "successor": str(market.packages[1]), **changes}
        return post(staff, f"/provider/packages/{market.packages[0]}/end", data)

    def test_names_the_package_that_members_go_to(self, staff: FlaskClient, market: Market) -> None:
        answer = self.end(staff, market)

        package = db.session.get_one(Package, market.packages[0], populate_existing=True)
        assert answer.status_code == 303
        assert (package.last_plan_year, package.successor_id) == (market.next_year.id, market.packages[1])

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"successor": ""}, "Name the package that the members go to"),
            ({"successor": "987654"}, "Not a valid choice"),
            ({"last_plan_year": "1999"}, "Not a valid choice"),
        ],
    )
    def test_refuses_at_the_field(
        self, staff: FlaskClient, market: Market, changes: dict[str, str], sentence: str
    ) -> None:
        answer = self.end(staff, market, **changes)

        assert answer.status_code == 422
        assert sentence in answer.text
        assert db.session.get_one(Package, market.packages[0], populate_existing=True).last_plan_year is None


class TestOtherProviders:
    def test_packages_cannot_be_seen_or_touched(self, staff: FlaskClient, market: Market) -> None:
        theirs = market.version_of(1).id
        before = versions()

        assert OFFERINGS[1].package not in staff.get("/provider/packages/").text
        for address in (f"versions/{theirs}", f"versions/{theirs}/edit", f"versions/{theirs}/health-plan",
                        f"versions/{theirs}/close", f"{market.packages[1]}/end"):  # fmt: skip
            assert staff.get(f"/provider/packages/{address}").status_code == 404, address
        for address in ("submit", "list", "draft", "health-plan", "edit"):
            assert post(staff, f"/provider/packages/versions/{theirs}/{address}").status_code == 404, address
        assert versions() == before
