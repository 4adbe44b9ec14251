"""Is each provider checked once a day by the books themselves, and does a crossing act once?"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from exchange.database import db, in_unit_of_work, unit_of_work
from exchange.errors import NotFound
from exchange.identity import access
from exchange.identity.actors import ANONYMOUS, Actor, Audience
from exchange.ledger import invariants
from exchange.money import MAX_AMOUNT
from exchange.notices import Notice
from exchange.settlement import Gross, settle
from providers import decisions, reserve_checks, reserve_filings, reserve_standing
from providers.decisions import NotARegulator
from providers.models import (
    CheckCause,
    Finding,
    FindingKind,
    FindingState,
    Provider,
    ProviderState,
    ReserveCheck,
    ReserveFiling,
)
from providers.reserve_filings import BadFiling
from providers.reserve_notices import sentence_of
from providers.reserves import INSURED, Standing
from tests.support import provider_makers as make
from tests.support.provider_makers import AT, BY, POLICY, TODAY

pytestmark = pytest.mark.usefixtures("program")
DAY = timedelta(days=1)


@pytest.fixture
def program(app: Flask) -> None:
    with unit_of_work():
        make.open_program()


@pytest.fixture
def provider(program: None) -> Provider:
    """Owes $100.00 and holds $160.00: strong."""
    with unit_of_work():
        provider = make.qualified()
        make.owe(provider, 10_000, key="first")
        make.file_cash(provider, 16_000)
    return provider


def check(on: date = TODAY, *, late: bool = False, ids: Iterable[int] | None = None) -> list[Standing]:
    """The daily check of a date, made on the day itself, or ``late`` and today."""
    at = AT if late else AT + (on - TODAY)
    with unit_of_work():
        return reserve_checks.check(
            None if ids is None else list(ids),
            policy=POLICY,
            on=on,
            cause=CheckCause.DAILY,
            by=BY,
            at=at,
            late=late,
        )


def checks(cause: CheckCause = CheckCause.DAILY) -> int:
    return db.session.execute(
        select(func.count()).select_from(ReserveCheck).where(ReserveCheck.cause == cause)
    ).scalar_one()


def findings(provider: Provider) -> list[tuple[str | None, str]]:
    rows = select(Finding.from_tier, Finding.to_tier).where(Finding.provider_id == provider.organization_id)
    return [(before, after) for before, after in db.session.execute(rows.order_by(Finding.id))]


def notices() -> int:
    return db.session.execute(select(func.count()).select_from(Notice)).scalar_one()


def broken(*numbers: int) -> list[str]:
    return [one.finding for one in invariants.broken() if one.number in numbers]


class TestCheck:
    def test_takes_liabilities_from_the_ledger_and_holdings_from_the_filing(self, provider: Provider) -> None:
        with unit_of_work():
            make.pay_into_pool(provider, 2_600, key="pool")
            make.owe(provider, 5_000, key="second", holder_id=2)

        (made,) = check()

        assert made.position.liabilities_cents == 15_000
        # All of it came within the last week: a week's cost is $26.00, and eight of them twice are asked for.
        assert made.required.cents == 15_000 + 2 * 8 * 2_600
        assert made.held_cents == 16_000
        kept = reserve_standing.latest_checks()[provider.organization_id]
        assert (kept.required_cents, kept.held_cents, kept.ratio_bp) == (56_600, 16_000, 2_826)
        assert kept.tier == provider.tier == "run_off"

    def test_does_not_count_what_a_correction_took_back_from_a_pool(self, provider: Provider) -> None:
        with unit_of_work():
            make.pay_into_pool(provider, 2_600, key="pool")
            make.take_back_from_pool(provider, 2_000, key="correction", corrects="pool")

        (made,) = check()

        assert made.required.pooled_cents == 8 * 600

    def test_is_made_once_for_each_provider_and_date(self, provider: Provider) -> None:
        with unit_of_work():
            make.applicant("New Guild", ein="910000002")

        assert len(check()) == 2
        assert check() == []
        assert len(check(TODAY + DAY)) == 2

        assert checks() == 4
        assert broken(9, 10) == []

    def test_of_all_is_made_when_one_filed_the_largest_amount_and_got_more(self, provider: Provider) -> None:
        with unit_of_work():
            rich = make.qualified("Rich Guild", ein="910000002", cash_cents=MAX_AMOUNT)
            make.owe(rich, 10_000, key="rich", holder_id=2)
            came = Gross(provider.organization_id, rich.organization_id, "emergency", 1, workers=1)
            settle("cutover:2027", obligations=[came], effective_at=AT + DAY, by=BY, at=AT + DAY)

        made = check(TODAY + DAY)

        assert [standing.held_cents for standing in made] == [15_999, MAX_AMOUNT]

    def test_by_several_at_once_is_made_once(self, app: Flask, provider: Provider) -> None:
        def work(_: int) -> int:
            with app.app_context():
                made = in_unit_of_work(
                    lambda: reserve_checks.check(None, policy=POLICY, on=TODAY, cause=CheckCause.DAILY, by=BY, at=AT)
                )
                return len(made)

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(work, range(4))) == [0, 0, 0, 1]

        assert checks() == 1

    def test_leaves_out_who_had_not_applied_by_then(self, provider: Provider) -> None:
        assert check(TODAY - DAY, late=True) == []

        assert checks() == 0

    def test_made_up_for_is_marked_late_and_says_nothing_new_of_today(self, provider: Provider) -> None:
        with unit_of_work():
            reserve_checks.check(
                None, policy=POLICY, on=TODAY + 3 * DAY, cause=CheckCause.DAILY, by=BY, at=AT + 3 * DAY
            )
            make.owe(provider, 10_000, key="second", at=AT + 3 * DAY)

        check(TODAY + DAY, late=True)
        check(TODAY + 2 * DAY, late=True)

        kept = db.session.execute(select(ReserveCheck).where(ReserveCheck.on_date == TODAY + DAY)).scalar_one()
        assert (kept.late, kept.tier) == (True, "restricted")
        assert (provider.tier, provider.takes_new_members) == ("strong", True)

    def test_made_up_for_takes_no_hysteresis_away(self, provider: Provider) -> None:
        with unit_of_work():
            make.file_cash(provider, 11_000, at=AT + 2 * DAY, as_of=TODAY + 2 * DAY)
        assert provider.tier == "watch"

        check(TODAY + DAY, late=True)  # by the filing of that day it was strong
        assert reserve_standing.latest_checks()[provider.organization_id].tier == "watch"
        with unit_of_work():
            make.file_cash(provider, 12_600, at=AT + 3 * DAY, as_of=TODAY + 3 * DAY)

        # 126 % is adequate, but who climbs there has to reach 2 % more.
        assert provider.tier == "watch"
        with unit_of_work():
            make.file_cash(provider, 12_700, at=AT + 4 * DAY, as_of=TODAY + 4 * DAY)
        assert provider.tier == "adequate"

    def test_keeps_a_history_for_the_chart(self, provider: Provider) -> None:
        check()
        check(TODAY + DAY)

        found = reserve_standing.history(provider.organization_id)

        assert [one.cause for one in found] == [
            CheckCause.FILING,
            CheckCause.FILING,
            CheckCause.DAILY,
            CheckCause.DAILY,
        ]
        assert found[-1].ratio_bp == 16_000
        assert len(reserve_standing.history(provider.organization_id, since=TODAY + DAY)) == 1


class TestCrossing:
    def test_takes_the_provider_off_the_shelf_at_once_and_acts_once(self, provider: Provider) -> None:
        with unit_of_work():
            make.owe(provider, 10_000, key="second")
        told = notices()

        check()
        check(TODAY + DAY)

        assert (provider.tier, provider.tier_since, provider.takes_new_members) == ("restricted", TODAY, False)
        assert findings(provider) == [("strong", "restricted")]
        assert notices() == told + 2
        body = db.session.execute(
            select(Notice.body).where(Notice.organization_id == provider.organization_id)
        ).scalar_one()
        assert "now stand at “Restricted”; before, they stood at “Strong”" in body
        assert "Held: $160.00. Required: $200.00. That is 80%." in body
        assert "off the shelf" in body
        assert decisions.open_decision(provider.organization_id) is None

    def test_of_a_rung_that_asks_for_a_plan_says_by_when(self, provider: Provider) -> None:
        with unit_of_work():
            make.owe(provider, 4_000, key="second")

        check()

        (finding,) = reserve_checks.open_findings(provider.organization_id)
        assert finding.to_tier == "watch"
        assert (finding.plan_due_on, finding.answer_due_on) == (TODAY + 45 * DAY, TODAY + 60 * DAY)
        assert provider.takes_new_members

    def test_swings_about_a_border_without_acting_each_time(self, provider: Provider) -> None:
        for day, cents in enumerate((14_990, 15_100, 14_995, 15_199)):
            with unit_of_work():
                make.file_cash(provider, cents, at=AT + day * DAY, as_of=TODAY + day * DAY)

        assert findings(provider) == [("strong", "adequate")]
        with unit_of_work():
            make.file_cash(provider, 15_200, at=AT + 5 * DAY, as_of=TODAY + 5 * DAY)
        assert findings(provider) == [("strong", "adequate"), ("adequate", "strong")]

    def test_twenty_times_acts_twenty_times_however_often_it_is_checked(self, provider: Provider) -> None:
        told = notices()
        for number in range(1, 21):
            later = number * DAY
            with unit_of_work():
                make.file_cash(provider, 16_000 if number % 2 == 0 else 8_000, at=AT + later, as_of=TODAY + later)
            check(TODAY + later)
            check(TODAY + later)

            assert (len(findings(provider)), notices()) == (number, told + 2 * number)
            assert provider.takes_new_members is (number % 2 == 0)

    def test_upwards_puts_it_back_on_the_shelf_and_answers_what_was_found(self, provider: Provider) -> None:
        with unit_of_work():
            make.file_cash(provider, 8_000)
        assert provider.tier == "restricted"

        with unit_of_work():
            make.file_cash(provider, 16_000)

        assert (provider.tier, provider.takes_new_members) == ("strong", True)
        assert [one.to_tier for one in reserve_checks.open_findings(provider.organization_id)] == ["strong"]

    def test_below_the_floor_proposes_to_suspend_and_leaves_it_to_people(self, provider: Provider) -> None:
        with unit_of_work():
            make.file_cash(provider, 6_999)
        check()

        decision = decisions.open_decision(provider.organization_id)

        assert decision is not None
        assert (decision.becomes, decision.proposed_by_id, decision.voices) == (ProviderState.SUSPENDED, None, 0)
        assert provider.state is ProviderState.QUALIFIED
        with unit_of_work():
            decisions.reject(decision, reason="Money is on its way.", by=make.regulator(), at=AT + DAY)
        check(TODAY + DAY)
        assert decisions.open_decision(provider.organization_id) is None
        # Up and down again is another fall.
        with unit_of_work():
            make.file_cash(provider, 16_000, at=AT + 2 * DAY)
            make.file_cash(provider, 6_000, at=AT + 3 * DAY)
        assert decisions.open_decision(provider.organization_id) is not None

    def test_below_the_floor_proposes_nothing_for_an_applicant(self, provider: Provider) -> None:
        with unit_of_work():
            newcomer = make.applicant("New Guild", ein="910000002")
            make.owe(newcomer, 100, key="second")

        check()

        assert newcomer.tier == "run_off"
        assert decisions.open_decisions() == []

    def test_follows_an_overdue_filing(self, provider: Provider) -> None:
        """A filing as of 2 November is good for 91 days and 30 more."""
        check(TODAY + 121 * DAY)
        assert provider.tier == "strong"

        check(TODAY + 122 * DAY)

        assert provider.tier == "adequate"
        kept = reserve_standing.latest_checks()[provider.organization_id]
        assert (kept.filing_overdue, kept.ratio_tier) == (True, "strong")
        with unit_of_work():
            make.file_cash(provider, 15_001, at=AT + 123 * DAY, as_of=TODAY + 123 * DAY)
        assert provider.tier == "strong"

    def test_tells_of_a_fast_fall_even_on_the_top_rung_once(self, provider: Provider) -> None:
        check()
        with unit_of_work():
            make.file_cash(provider, 40_000)
        for day in (1, 2):
            with unit_of_work():
                make.file_cash(provider, 38_000 - day, at=AT + day * DAY, as_of=TODAY + day * DAY)

        (finding,) = reserve_checks.open_findings(provider.organization_id)

        assert (finding.kind, finding.to_tier) == (FindingKind.TREND, "strong")
        assert "falling fast" in str(sentence_of(finding, policy=POLICY))

    def test_found_is_closed_by_a_regulator(self, provider: Provider) -> None:
        with unit_of_work():
            make.file_cash(provider, 12_000)
        (finding,) = reserve_checks.open_findings()

        with pytest.raises(NotARegulator), unit_of_work():
            reserve_checks.close_finding(finding, reason="Fine.", by=make.staff_of(provider), at=AT)
        with unit_of_work():
            reserve_checks.close_finding(finding, reason="A good plan.", by=make.regulator(), at=AT)
            reserve_checks.close_finding(finding, reason="A good plan.", by=make.regulator(), at=AT)

        assert finding.state is FindingState.CLOSED

    def test_of_the_first_check_is_found_unless_it_is_the_best_rung(self) -> None:
        with unit_of_work():
            good, bad = make.applicant("Good", ein="910000001"), make.applicant("Bad", ein="910000002")
            make.owe(bad, 100, key="a")

        check()

        assert (findings(good), findings(bad)) == ([], [(None, "run_off")])
        (finding,) = reserve_checks.open_findings(bad.organization_id)
        assert str(sentence_of(finding, policy=POLICY)) == "The reserves stand at “Run-off”."


class TestFileReserves:
    @pytest.mark.parametrize(
        ("as_of", "holdings", "words"),
        [
            (TODAY + DAY, {"cash": 1}, "lies ahead"),
            (TODAY - DAY, {"cash": 1}, "that day or a later one"),
            (TODAY, {"gold": 1}, "does not know “gold”"),
            (TODAY, {"cash": -1}, "never less than nothing"),
            (TODAY, {"cash": 2**63}, "too large"),
            (TODAY, {}, "at least one amount"),
        ],
    )
    def test_refuses_what_no_filing_can_say(
        self, provider: Provider, as_of: date, holdings: dict[str, int], words: str
    ) -> None:
        before = checks(CheckCause.FILING)

        with pytest.raises(BadFiling, match=words), unit_of_work():
            reserve_filings.file_reserves(
                provider, as_of=as_of, holdings=holdings, policy=POLICY, by=make.staff_of(provider), at=AT
            )

        assert checks(CheckCause.FILING) == before
        filed = reserve_filings.latest(provider.organization_id)
        assert filed is not None and filed.total_cents == 16_000

    def test_refuses_what_is_too_old_and_from_whom_was_withdrawn(self) -> None:
        with unit_of_work():
            provider = make.applicant()
        for as_of, refused in ((TODAY - 121 * DAY, False), (TODAY - 122 * DAY, True)):
            refusal = reserve_filings.refusal_to_file(provider, as_of=as_of, holdings={"cash": 0}, policy=POLICY, at=AT)
            assert (refusal is not None) is refused
        with unit_of_work():
            make.decide(provider, ProviderState.WITHDRAWN)
        assert reserve_filings.refusal_to_file(provider, as_of=TODAY, holdings={"cash": 0}, policy=POLICY, at=AT)

    def test_is_checked_at_once_by_the_later_of_two_filings(self, provider: Provider) -> None:
        with unit_of_work():
            reserve_filings.file_reserves(
                provider,
                as_of=TODAY,
                holdings={"cash": 11_000, "shares": 1_000, INSURED: 10_000},
                policy=POLICY,
                by=make.staff_of(provider),
                at=AT,
            )

        assert provider.tier == "adequate"
        kept = reserve_standing.latest_checks()[provider.organization_id]
        assert (kept.cause, kept.held_cents) == (CheckCause.FILING, 11_000 + 600 + 2_000)
        assert [one.total_cents for one in reserve_filings.history(provider.organization_id)][:1] == [22_000]
        assert reserve_filings.latest(0) is None


class TestSettlements:
    def net(self, provider: Provider, other: Provider, *, cents: int, days: int) -> None:
        """Workers took ``cents`` from the provider to the other, in effect ``days`` after the day of its filing."""
        gone = Gross(provider.organization_id, other.organization_id, "retirement", cents, workers=1)
        settle("cutover:2027", obligations=[gone], effective_at=AT + timedelta(days=days), by=BY, at=AT)

    @pytest.mark.parametrize(("days", "counted"), [(0, 0), (1, 4_000)])
    def test_since_the_filing_count_against_who_owes_and_for_who_is_owed(
        self, provider: Provider, days: int, counted: int
    ) -> None:
        with unit_of_work():
            other = make.qualified("New Guild", ein="910000002", cash_cents=9_000)
        both = (provider, other)
        before = [reserve_standing.standings(None, policy=POLICY, on=TODAY)[p.organization_id].held_cents for p in both]

        with unit_of_work():
            self.net(provider, other, cents=4_000, days=days)

        after = reserve_standing.standings(None, policy=POLICY, on=TODAY)
        changes = [after[p.organization_id].held_cents - was for p, was in zip(both, before, strict=True)]
        assert changes == [-counted, counted]


class TestProjected:
    def test_shows_the_standing_after_switches_that_have_not_been_made(self, provider: Provider) -> None:
        with unit_of_work():
            other = make.qualified("New Guild", ein="910000002", cash_cents=1_000)
        ids = (provider.organization_id, other.organization_id)

        found = reserve_standing.projected({ids[0]: -4_000, ids[1]: 4_000, 10**6: 5}, policy=POLICY, on=TODAY)

        assert {id_: one.ratio_bp for id_, one in found.items()} == {ids[0]: 20_000, ids[1]: 12_500}
        assert reserve_standing.liabilities(ids) == {ids[0]: 10_000}

    def test_shows_what_if_without_touching_the_books(self, provider: Provider) -> None:
        with unit_of_work():
            make.pay_into_pool(provider, 100, key="pool")
        before = checks(CheckCause.FILING)

        found = reserve_standing.stress(None, leave_bp=2_000, claims_bp=5_000, policy=POLICY, on=TODAY)

        (made,) = found.values()
        assert made.required.cents == 8_000 + 2 * 8 * 120
        assert made.held_cents == 14_000
        assert checks(CheckCause.FILING) == before


class TestInvariants:
    def test_find_nothing_after_postings_that_came_later(self, provider: Provider) -> None:
        check()
        with unit_of_work():
            make.owe(provider, 777, key="later", at=AT + timedelta(hours=1))

        assert broken(9, 10) == []

    @pytest.mark.breaks_rules
    def test_find_a_check_that_the_ledger_contradicts(self, provider: Provider) -> None:
        with unit_of_work():
            add_check(provider, TODAY, liabilities_cents=9_999)

        assert broken(9) == [
            f"provider {provider.organization_id}: by the check of {TODAY} it owed 9999 cents, by the ledger 10000"
        ]

    def test_say_nothing_of_a_posting_that_may_have_been_under_way(self, provider: Provider) -> None:
        with unit_of_work():
            add_check(provider, TODAY, liabilities_cents=9_999)
            make.owe(provider, 1, key="under way", at=AT + timedelta(hours=1, seconds=-30))

        assert broken(9) == []

    def test_say_nothing_where_the_clock_was_set_back_between_a_posting_and_the_check(self, provider: Provider) -> None:
        with unit_of_work():
            make.owe(provider, 777, key="before", at=AT + DAY + timedelta(seconds=4))

        check(TODAY + DAY)

        assert broken(9) == []

    def test_find_a_day_without_a_check(self, provider: Provider) -> None:
        check()
        check(TODAY + 2 * DAY)

        assert broken(10) == [
            f"provider {provider.organization_id}: 1 days between {TODAY} and {TODAY + 2 * DAY} have no daily check"
        ]
        check(TODAY + DAY, late=True)
        assert broken(10) == []


class TestReserveScopes:
    def test_show_a_provider_its_own_and_the_overseers_all(self, provider: Provider) -> None:
        with unit_of_work():
            make.file_cash(provider, 12_000)
            other = make.applicant("New Guild", ein="910000002")
        own, theirs = (
            Actor(Audience.PROVIDER, "p", login_id=1, organization_id=one.organization_id) for one in (provider, other)
        )
        overseer = Actor(Audience.REGULATOR, "r", login_id=2, organization_id=99)

        for model in (ReserveCheck, ReserveFiling, Finding):
            seen = {
                actor.name + actor.audience: len(db.session.execute(access.selecting(model, actor)).all())
                for actor in (own, overseer)
            }
            assert all(seen.values()), model
            for stranger in (theirs, ANONYMOUS, Actor(Audience.WORKER, "w", login_id=3)):
                assert db.session.execute(access.selecting(model, stranger)).all() == []
        with pytest.raises(NotFound):
            access.one(ReserveFiling, theirs, provider_id=provider.organization_id)


def add_check(provider: Provider, on: date, *, liabilities_cents: int) -> None:
    """A check such as no operation writes: its figure is not the ledger's."""
    row = {
        "provider_id": provider.organization_id,
        "on_date": on,
        "cause": CheckCause.DAILY,
        "checked_at": AT + timedelta(hours=1),
        "late": False,
        "filing_overdue": False,
        "liabilities_cents": liabilities_cents,
        "individual_cents": liabilities_cents,
        "pooled_cents": 0,
        "contingency_cents": 0,
        "required_cents": liabilities_cents,
        "settlement_cents": 0,
        "held_cents": 0,
        "ratio_bp": 0,
        "ratio_tier": "run_off",
        "tier": "run_off",
    }
    db.session.execute(insert(ReserveCheck), [row])
