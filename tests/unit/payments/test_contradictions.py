"""A provider that contradicts itself, or speaks of other money than ours: a person looks."""

from __future__ import annotations

from ledger.ids import PayoutId
from payments.deposit import DepositStatus
from payments.facts import ReviewOpened
from payments.lines import book_line
from payments.notices import PaymentStatus, PayoutStatus, SettlementStatus
from payments.payout import PayoutPhase
from tests.support import NOON
from tests.unit.payments.world import (
    MERCHANT,
    World,
    deposit_of,
    line,
    outbound,
    paid,
    settled,
    withdrawal_of,
)


def paying() -> tuple[World, PayoutId]:
    world = World()
    world.funded("d1", "USD 100.00", "USD")
    world.verified()
    world.withdrawal("w1", "USD 40.00")
    return world, world.submit(withdrawal_of("w1"))


def test_paid_after_it_failed_is_for_a_person_and_moves_nothing() -> None:
    world, payout = paying()
    world.tell(outbound(payout, "USD 40.00", PayoutStatus.FAILED, at=30))
    before = world.balances()
    world.tell(outbound(payout, "USD 40.00", PayoutStatus.POSTED, at=860))
    assert len(world.all(ReviewOpened)) == 1
    assert world.balances() == before


def test_control_paid_before_it_failed_is_old_news() -> None:
    world, payout = paying()
    world.tell(outbound(payout, "USD 40.00", PayoutStatus.FAILED, at=860))
    world.tell(outbound(payout, "USD 40.00", PayoutStatus.POSTED, at=30))
    assert world.all(ReviewOpened) == []


def test_another_amount_than_we_sent_settles_nothing() -> None:
    world, payout = paying()
    before = world.balances()
    world.tell(outbound(payout, "USD 30.00", PayoutStatus.POSTED))
    assert world.payout_state(payout).phase is PayoutPhase.SUBMITTED
    assert world.balances() == before
    assert len(world.all(ReviewOpened)) == 1


def test_a_payment_that_fails_after_it_was_received_is_for_a_person() -> None:
    world = World()
    world.funded("d1", "USD 100.00", "USD")
    world.tell(paid("d1", "USD 100.00", PaymentStatus.CANCELLED, at=500))
    assert world.deposit_state("d1").status is DepositStatus.CONFIRMED
    assert len(world.all(ReviewOpened)) == 1


def test_control_a_first_attempt_that_failed_before_is_old_news() -> None:
    world = World()
    world.funded("d1", "USD 100.00", "USD")
    world.tell(paid("d1", "USD 100.00", PaymentStatus.FAILED, at=1))
    assert world.all(ReviewOpened) == []


def test_a_settlement_that_failed_and_is_paid_later_is_for_a_person() -> None:
    world = World()
    world.tell(settled("po_1", "USD 95.00", SettlementStatus.FAILED, at=40))
    world.tell(settled("po_1", "USD 95.00", SettlementStatus.PAID, at=90))
    assert len(world.all(ReviewOpened)) == 1
    assert world.balance("bank:client", "USD") == 0


def test_the_providers_own_fee_is_booked_once_and_shown_to_a_person() -> None:
    world = World()
    fee = line("txn_fee", "USD -5.00", type="stripe_fee", category="fee", source=None)
    for _ in range(2):
        world.do(book_line, MERCHANT, fee, deposit_of("none"), at=NOON)
    assert world.balance("psp:clearing", "USD") == -5_00
    assert world.balance("expense:psp-fees", "USD") == 5_00
    assert len(world.all(ReviewOpened)) == 1


def test_an_adjustment_that_nobody_explains_stands_on_its_own_account() -> None:
    world = World()
    moved = line("txn_adj", "USD 7.00", type="adjustment", category="other", source=None)
    world.do(book_line, MERCHANT, moved, deposit_of("none"), at=NOON)
    assert world.balance("expense:psp-adjustments", "USD") == -7_00
    assert len(world.all(ReviewOpened)) == 1
