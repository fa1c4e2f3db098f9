"""Disputes: the case moves no money, the lines do, and the client bears what both amount to."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from ledger.wallet import WalletState
from payments import inbox
from payments.deposit_conversion import convert_waiting
from payments.dispute import DISPUTE, DisputeState
from payments.facts import CaseSeen, ChargebackOpened, DisputeOpened, ReviewOpened
from payments.notices import CaseStatus
from tests.support import NOON
from tests.unit.payments.world import (
    CLIENT,
    ENTITY,
    RATES,
    World,
    deposit_of,
    disputed,
    line,
    paid,
    refunded,
)

OPEN, WON, LOST = CaseStatus.NEEDS_RESPONSE, CaseStatus.WON, CaseStatus.LOST


def the_dispute(world: World) -> DisputeState:
    opened = world.all(DisputeOpened)[-1]
    return world.state(DISPUTE(opened.dispute))


@pytest.mark.parametrize(
    ("amount", "into", "half"),
    [
        ("EUR 1000.00", "USD", "EUR 500.00"),
        ("JPY 150000", "USD", "JPY 75000"),
        ("KWD 100.000", "USD", "KWD 50.000"),
        ("EUR 1000.00", "KWD", "EUR 500.00"),
        ("EUR 1000.00", "JPY", "EUR 500.00"),
    ],
)
def test_two_lost_halves_are_the_whole(amount: str, into: str, half: str) -> None:
    world = World()
    world.funded("d1", amount, into)
    credited = world.wallet(into).available
    currency = half[:3]
    for number in (1, 2):
        gone = line(f"txn_{number}", half.replace(" ", " -"))
        world.tell(disputed("d1", f"dp_{number}", half, OPEN, gone, at=50))
        assert 0 <= world.wallet(into).held - (credited // 2) <= 1
        world.tell(disputed("d1", f"dp_{number}", half, LOST, gone, at=60))
    assert world.balances() == {}, "nothing is left, with anybody"
    assert world.balance("dispute:contested", currency) == 0
    world.check()


def test_of_a_disputed_amount_in_another_currency_all_is_held_and_charged() -> None:
    world = World()
    world.funded("d1", "JPY 150000", "JPY")
    gone = line("txn_1", "USD -990.00")
    world.tell(disputed("d1", "dp_1", "USD 990.00", OPEN, gone, at=50))
    assert world.wallet("JPY").held == 150_000
    world.tell(disputed("d1", "dp_1", "USD 990.00", LOST, gone, at=60))
    assert world.wallet("JPY") == WalletState(ENTITY, CLIENT, "JPY")
    world.check()


def test_a_dispute_settled_before_it_became_a_chargeback_is_charged_when_money_went() -> None:
    world = World()
    world.funded("d1", "EUR 100.00", "EUR")
    world.tell(disputed("d1", "dp_1", "EUR 100.00", CaseStatus.PREVENTED, at=50))
    assert world.wallet("EUR").available == 100_00
    gone = line("txn_1", "EUR -100.00")
    world.tell(disputed("d1", "dp_1", "EUR 100.00", CaseStatus.PREVENTED, gone, at=60))
    assert world.balances() == {}


def test_a_line_is_booked_once_and_its_fee_may_come_back() -> None:
    world = World()
    world.funded("d1", "EUR 100.00", "EUR")
    gone = line("txn_w", "EUR -100.00", "EUR 15.00")
    back = line("txn_r", "EUR 100.00", "EUR -15.00")
    for at in (50, 51, 52):
        world.tell(disputed("d1", "dp_1", "EUR 100.00", OPEN, gone, at=at))
    assert world.balance("psp:clearing", "EUR") == -15_00
    assert world.balance("expense:dispute-fees", "EUR") == 15_00
    world.tell(disputed("d1", "dp_1", "EUR 100.00", WON, gone, back, at=60))
    assert world.balance("psp:clearing", "EUR") == 100_00
    assert world.balance("expense:dispute-fees", "EUR") == 0
    world.check()


def test_a_lost_case_that_is_won_on_appeal_gives_the_client_everything_back() -> None:
    world = World()
    world.funded("d1", "EUR 1000.00", "USD")
    before = world.balances()
    gone, back = line("txn_w", "EUR -1000.00"), line("txn_r", "EUR 1000.00")
    world.tell(disputed("d1", "dp_1", "EUR 1000.00", LOST, gone, at=60))
    assert world.wallet("USD").available == 0
    appeal = CaseStatus.APPEAL_UNDER_REVIEW
    world.tell(disputed("d1", "dp_1", "EUR 1000.00", appeal, gone, at=70))
    assert (world.wallet("USD").available, world.wallet("USD").held) == (0, 1088_80)
    world.tell(disputed("d1", "dp_1", "EUR 1000.00", WON, gone, back, at=80))
    assert world.balances() == before
    world.check()


def test_a_dispute_of_waiting_money_is_held_as_soon_as_it_is_converted() -> None:
    world = World()
    world.deposit("d1", "EUR 1000.00", "USD")
    world.tell(paid("d1", "EUR 1000.00"), rate=False)
    world.tell(disputed("d1", "dp_1", "EUR 400.00", OPEN, at=50))
    assert world.wallet("USD").contests == {}
    deposit = deposit_of("d1")
    world.do(convert_waiting, deposit, RATES["EUR", "USD"])
    world.do(lambda decision: inbox.rebalance(decision, deposit, at=NOON))
    assert world.wallet("USD").held == 435_52
    assert world.wallet("USD").available == 1088_80 - 435_52


def test_a_dispute_of_waiting_money_that_is_lost_takes_what_waits() -> None:
    world = World()
    world.deposit("d1", "EUR 1000.00", "USD")
    world.tell(paid("d1", "EUR 1000.00"), rate=False)
    gone = line("txn_w", "EUR -400.00")
    world.tell(disputed("d1", "dp_1", "EUR 400.00", LOST, gone, at=50))
    assert world.balance("client:unconverted", "EUR") == 600_00
    assert world.balance("dispute:contested", "EUR") == 0
    world.check()


def test_later_money_fills_up_what_a_dispute_could_not_hold() -> None:
    world = World()
    world.verified()
    world.funded("d1", "EUR 100.00", "EUR")
    world.paying_out("w1", "EUR 80.00")
    world.tell(disputed("d1", "dp_1", "EUR 100.00", OPEN, at=50))
    assert (world.wallet("EUR").available, world.wallet("EUR").held) == (0, 20_00)
    world.funded("d2", "EUR 90.00", "EUR")
    assert (world.wallet("EUR").available, world.wallet("EUR").held) == (10_00, 100_00)
    world.tell(refunded("d1", "re_1", "EUR 30.00"))
    assert world.wallet("EUR").held == 70_00, "what was refunded is disputed no more"
    world.check()


# --- the case: time decides, not delivery ---


def test_the_same_word_at_a_later_time_is_seen_and_no_second_chargeback() -> None:
    world = World()
    world.funded("d1", "EUR 100.00", "EUR")
    for at in (50, 70, 60, 70):
        world.tell(disputed("d1", "dp_1", "EUR 100.00", OPEN, at=at))
    assert len(world.all(ChargebackOpened)) == 1
    assert len(world.all(CaseSeen)) == 1
    world.tell(disputed("d1", "dp_1", "EUR 100.00", CaseStatus.UNDER_REVIEW, at=65))
    assert the_dispute(world).status is OPEN, "older than what was seen last"


def test_won_reopened_and_won_again_ends_won_in_any_order() -> None:
    steps = [(WON, 50), (OPEN, 60), (WON, 70)]
    for order in ((0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 0, 2), (1, 2, 0), (2, 0, 1)):
        world = World()
        world.funded("d1", "EUR 100.00", "EUR")
        for index in order:
            status, at = steps[index]
            world.tell(disputed("d1", "dp_1", "EUR 100.00", status, at=at))
        assert the_dispute(world).status is WON, order
        assert world.wallet("EUR").held == 0, order


@pytest.mark.parametrize("end", [LOST, WON])
def test_a_closed_inquiry_that_became_a_chargeback_ends_alike_in_any_order(end: CaseStatus) -> None:
    steps = [
        (CaseStatus.WARNING_NEEDS_RESPONSE, 50),
        (CaseStatus.WARNING_CLOSED, 60),
        (OPEN, 70),
        (CaseStatus.UNDER_REVIEW, 80),
        (end, 90),
    ]
    for order in permutations(steps):
        world = World()
        world.funded("d1", "EUR 100.00", "EUR")
        for status, at in order:
            world.tell(disputed("d1", "dp_1", "EUR 100.00", status, at=at))
        assert the_dispute(world).status is end, order
        assert world.all(ReviewOpened) == []


def test_within_one_second_the_order_of_the_words_decides() -> None:
    words = [OPEN, CaseStatus.UNDER_REVIEW, LOST, CaseStatus.ACCEPTED]
    ends = set()
    for first in range(len(words)):
        world = World()
        world.funded("d1", "EUR 100.00", "EUR")
        for status in words[first:] + words[:first]:
            world.tell(disputed("d1", "dp_1", "EUR 100.00", status, at=50))
        ends.add(the_dispute(world).status)
    assert ends == {CaseStatus.ACCEPTED}


def test_a_later_deadline_is_taken_over() -> None:
    world = World()
    world.funded("d1", "EUR 100.00", "EUR")
    later = NOON + timedelta(days=9)
    world.tell(disputed("d1", "dp_1", "EUR 100.00", OPEN, at=50))
    world.tell(disputed("d1", "dp_1", "EUR 100.00", OPEN, at=60, due_by=later))
    assert the_dispute(world).due_by == later


def test_a_step_that_the_table_does_not_have_is_for_a_person() -> None:
    world = World()
    world.funded("d1", "EUR 100.00", "EUR")
    world.tell(disputed("d1", "dp_1", "EUR 100.00", CaseStatus.PREVENTED, at=50))
    world.tell(disputed("d1", "dp_1", "EUR 100.00", WON, at=60))
    assert the_dispute(world).status is CaseStatus.PREVENTED
    assert len(world.all(ReviewOpened)) == 1


def test_a_dispute_without_a_payment_is_in_the_queue_all_the_same() -> None:
    world = World()
    world.tell(disputed("d1", "dp_1", "EUR 100.00", OPEN, at=50, payment=None))
    assert the_dispute(world).status is OPEN
    assert the_dispute(world).deposit is None
    assert world.parked == 0
