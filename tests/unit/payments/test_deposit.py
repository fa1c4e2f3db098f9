"""Deposits: announced, claimed, merged, taken back; received money is never refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from ledger.errors import Conflict, InvalidInput, NotFound, QuoteRefused
from ledger.money import Money
from payments import deposit as deposits
from payments import inbox
from payments.deposit import DepositStatus
from payments.deposit_conversion import convert_waiting, quote_needed
from payments.deposit_notices import answer_declined, answer_uncertain
from payments.facts import DepositConfirmed, NoticeReceived, PaymentLinked, ReviewOpened
from payments.inbox import notice_id
from payments.notices import CaseStatus, FraudWarningNotice, PaymentStatus, RefundStatus
from tests.support import NOON
from tests.unit.payments.world import (
    ENTITY,
    MERCHANT,
    RATES,
    World,
    deposit_of,
    disputed,
    line,
    money,
    paid,
    quoted,
    refunded,
    seconds,
)

AMOUNTS = [("EUR 1000.00", "USD"), ("JPY 150000", "USD"), ("KWD 100.000", "USD")]


def test_refuses_an_amount_of_nothing_and_a_retired_currency() -> None:
    world = World()
    for amount, code in (("EUR 0.00", "amount_not_positive"), ("HRK 10.00", "currency_retired")):
        with pytest.raises(InvalidInput) as refused:
            world.deposit("d1", amount, "USD")
        assert refused.value.public_code == code
    with pytest.raises(InvalidInput):
        world.deposit("d1", "EUR 10.00", "HRK")
    assert world.told == []


def test_refuses_a_quote_of_another_pair_before_any_money_moves() -> None:
    with pytest.raises(QuoteRefused):
        World().deposit("d1", "EUR 10.00", "USD", quote=RATES["KWD", "USD"])


def test_a_rate_of_another_pair_never_refuses_received_money() -> None:
    world = World()
    world.deposit("d1", "EUR 10.00", "USD")
    notice = paid("d1", "EUR 10.00")
    wrong = RATES["KWD", "USD"]
    world.do(inbox.apply, MERCHANT, notice, UUID(int=1), rate=wrong, bank="bank-one")
    assert world.balance("client:unconverted", "EUR") == 10_00


def test_less_than_a_minor_unit_waits_and_is_not_lost() -> None:
    world = World()
    world.funded("d1", "JPY 1", "USD", markup_bps="9999")
    assert world.balance("client:unconverted", "JPY") == 1
    assert world.deposit_state("d1").waits_for_rate


def test_the_same_deposit_is_announced_once() -> None:
    world = World()
    world.deposit("d1", "EUR 10.00", "USD")
    with pytest.raises(Conflict):
        world.deposit("d1", "EUR 10.00", "USD")


def test_one_worker_has_an_attempt() -> None:
    world = World()
    deposit = world.deposit("d1", "EUR 10.00", "USD")
    world.do(deposits.claim, deposit, 1)
    with pytest.raises(Conflict):
        world.do(deposits.claim, deposit, 1)
    world.do(answer_uncertain, deposit, 1, "timeout")
    world.do(deposits.claim, deposit, 2)
    world.tell(paid("d1", "EUR 10.00", PaymentStatus.PROCESSING))
    with pytest.raises(Conflict):
        world.do(deposits.claim, deposit, 3)
    assert world.do(answer_uncertain, deposit, 2, "late") == []
    with pytest.raises(NotFound):
        world.do(deposits.claim, deposit_of("none"), 1)


def test_a_refused_payment_fails_and_a_late_refusal_changes_nothing() -> None:
    world = World()
    deposit = world.deposit("d1", "EUR 10.00", "USD")
    world.do(answer_declined, deposit, "card_declined")
    assert world.deposit_state("d1").status is DepositStatus.FAILED
    world.tell(paid("d1", "EUR 10.00"))
    assert world.do(answer_declined, deposit, "card_declined") == []
    assert world.deposit_state("d1").status is DepositStatus.CONFIRMED


# --- the rate is fixed by the accepted quote, as long as it holds ---


def test_the_accepted_quote_holds_until_its_end() -> None:
    accepted = quoted("EUR/USD", "1.2000", "1.2100")
    late = int(timedelta(days=30).total_seconds())
    for at, rate in ((late, Decimal("1.2000")), (late + 1, Decimal("1.09980"))):
        world = World()
        world.deposit("d1", "EUR 1000.00", "USD", quote=accepted)
        world.tell(paid("d1", "EUR 1000.00", at=at))
        (confirmed,) = world.all(DepositConfirmed)
        assert confirmed.conversion is not None
        assert confirmed.conversion.quote.bid == rate
    world = World()
    world.deposit("d1", "EUR 1000.00", "USD", quote=accepted)
    state = world.deposit_state("d1")
    assert not quote_needed(state, paid("d1", "EUR 1000.00", at=late))
    assert quote_needed(state, paid("d1", "EUR 1000.00", at=late + 1))


def test_what_was_promised_to_the_client_may_end_before_the_source_does() -> None:
    accepted = quoted("EUR/USD", "1.2000", "1.2100")
    cases = ((5, 5, "1.2000"), (5, 6, "1.09980"), (None, 6, "1.2000"))
    for ends, at, rate in cases:
        world = World()
        until = None if ends is None else seconds(ends)
        world.deposit("d1", "EUR 1000.00", "USD", quote=accepted, quote_until=until)
        notice = paid("d1", "EUR 1000.00", at=at)
        assert quote_needed(world.deposit_state("d1"), notice) is (rate == "1.09980")
        world.tell(notice)
        (confirmed,) = world.all(DepositConfirmed)
        assert confirmed.conversion is not None
        assert confirmed.conversion.quote.bid == Decimal(rate)


def test_a_promise_never_outlives_the_rate_of_the_source() -> None:
    accepted = quoted("EUR/USD", "1.2000", "1.2100")
    end = int(timedelta(days=30).total_seconds())
    world = World()
    world.deposit("d1", "EUR 1000.00", "USD", quote=accepted, quote_until=seconds(end + 60))
    assert quote_needed(world.deposit_state("d1"), paid("d1", "EUR 1000.00", at=end + 1))
    assert not quote_needed(world.deposit_state("d1"), paid("d1", "EUR 1000.00", at=end))


# --- whose payment it is ---


def test_trusts_our_id_only_through_the_merchant_account_of_the_deposit() -> None:
    world = World()
    world.deposit("d1", "EUR 10.00", "USD")
    elsewhere = MERCHANT.__class__(ENTITY, "stripe", "stripe-us", live=False)
    notice = paid("d1", "EUR 10.00")
    world.do(inbox.apply, elsewhere, notice, UUID(int=1), rate=None, bank="bank-one")
    assert world.deposit_state("d1").status is DepositStatus.INITIATED
    assert world.balances() == {}
    assert len(world.all(ReviewOpened)) == 1


def test_what_is_linked_stays_linked_whatever_the_metadata_say_later() -> None:
    world = World()
    world.deposit("d1", "EUR 10.00", "USD")
    world.deposit("d2", "EUR 10.00", "USD")
    world.tell(paid("d1", "EUR 10.00", PaymentStatus.PROCESSING))
    world.tell(paid("d1", "EUR 10.00", deposit=deposit_of("d2")))
    assert world.deposit_state("d1").status is DepositStatus.CONFIRMED
    assert world.deposit_state("d2").status is DepositStatus.INITIATED


def test_a_second_payment_of_one_deposit_is_for_a_person() -> None:
    world = World()
    world.funded("d1", "EUR 10.00", "USD")
    before = world.balances()
    world.tell(paid("d1", "EUR 10.00", reference="pi_again", charge="ch_again"))
    world.tell(paid("d1", "EUR 10.00", reference="pi_again", charge="ch_again", at=99))
    assert len(world.all(ReviewOpened)) == 1
    assert world.balances() == before


def test_a_payment_that_we_did_not_start_is_kept_for_a_person() -> None:
    world = World()
    world.tell(paid("foreign", "EUR 10.00", deposit=None))
    assert world.parked == 1
    assert len(world.all(ReviewOpened)) == 1
    assert world.balances() == {}


def test_a_message_is_kept_once() -> None:
    world = World()
    kept = NoticeReceived(
        notice=notice_id(MERCHANT, NOON, "evt_1"),
        provider="stripe",
        merchant_account="stripe-eu",
        event="evt_1",
        event_type="charge.refunded",
        created_at=NOON,
        sha256="00",
    )
    assert len(world.do(inbox.receive, kept)) == 1
    assert world.do(inbox.receive, kept) == []


# --- taken back ---


@pytest.mark.parametrize(("amount", "into"), AMOUNTS)
def test_parts_taken_back_add_up_to_the_whole(amount: str, into: str) -> None:
    """Seven refunds of unequal parts leave nothing: neither with the client nor with the house."""
    world = World()
    world.funded("d1", amount, into)
    whole = money(amount)
    left = whole.minor
    for number in range(1, 8):
        part = left if number == 7 else whole.minor * number // 29
        left -= part
        world.tell(refunded("d1", f"re_{number}", str(Money(part, whole.currency)), at=number))
    assert left == 0
    assert world.balances() == {}
    world.check()


def test_what_the_provider_takes_twice_stays_with_the_house_and_is_booked_once() -> None:
    """A charge that was refunded in full and lost a dispute: the client is charged once."""
    gone = line("txn_w", "EUR -1000.00")
    world = World()
    world.funded("d1", "EUR 1000.00", "EUR")
    world.tell(disputed("d1", "dp_1", "EUR 1000.00", CaseStatus.LOST, gone, at=50))
    world.tell(refunded("d1", "re_1", "EUR 300.00", at=60))
    once = world.balances()
    assert (world.wallet("EUR").available, world.wallet("EUR").owed) == (0, 0)
    assert world.balance("psp:clearing", "EUR") == -300_00
    for at in range(70, 75):
        world.tell(paid("d1", "EUR 1000.00", at=at))
        world.tell(disputed("d1", "dp_1", "EUR 1000.00", CaseStatus.LOST, gone, at=at))
    assert world.balances() == once
    world.tell(refunded("d1", "re_1", "EUR 300.00", RefundStatus.FAILED, at=90))
    assert world.balance("psp:clearing", "EUR") == 0
    assert world.balances() == {}


def test_a_refund_before_the_conversion_takes_from_what_waits() -> None:
    world = World()
    world.deposit("d1", "EUR 1000.00", "USD")
    world.tell(paid("d1", "EUR 1000.00"), rate=False)
    world.tell(refunded("d1", "re_1", "EUR 300.00"))
    assert world.balance("client:unconverted", "EUR") == 700_00
    world.do(convert_waiting, deposit_of("d1"), RATES["EUR", "USD"])
    assert world.balance("client:unconverted", "EUR") == 0
    assert world.wallet("USD").available == 762_16
    # The refund fails after that: the client gets the rest at the deposit's own conversion.
    world.tell(refunded("d1", "re_1", "EUR 300.00", RefundStatus.FAILED, at=99))
    assert world.wallet("USD").available == 1088_80
    assert world.balance("psp:clearing", "EUR") == 1000_00
    other = World()
    other.funded("d1", "EUR 1000.00", "USD")
    assert world.balances() == other.balances()
    world.check()


def test_all_of_it_refunded_before_a_rate_came_leaves_nothing_to_convert() -> None:
    world = World()
    world.deposit("d1", "EUR 1000.00", "USD")
    world.tell(paid("d1", "EUR 1000.00"), rate=False)
    world.tell(refunded("d1", "re_1", "EUR 1000.00"))
    assert world.do(convert_waiting, deposit_of("d1"), RATES["EUR", "USD"]) == []
    assert world.balances() == {}
    world.tell(refunded("d1", "re_1", "EUR 1000.00", RefundStatus.FAILED, at=99))
    assert world.balance("client:unconverted", "EUR") == 1000_00


def test_a_refund_by_hand_is_shown_to_a_person_once() -> None:
    world = World()
    world.funded("d1", "EUR 1000.00", "USD")
    for at in (20, 30):
        world.tell(refunded("d1", "re_1", "EUR 300.00", at=at))
    assert len(world.all(ReviewOpened)) == 1


def test_a_charge_with_a_fraud_warning_is_refunded_no_more() -> None:
    world = World()
    world.deposit("d1", "EUR 1000.00", "USD")
    warning = FraudWarningNotice(
        provider="stripe",
        merchant_account="stripe-eu",
        reference="issfr_1",
        payment="pi_d1",
        charge="ch_d1",
        kind="made_with_stolen_card",
        actionable=True,
        created_at=NOON,
        happened_at=seconds(5),
    )
    world.tell(warning)
    assert world.parked == 1, "it came before its payment"
    world.tell(paid("d1", "EUR 1000.00"))
    assert world.parked == 0
    assert world.deposit_state("d1").refundable == 0
    assert world.wallet("USD").held == 0, "a warning debits nothing"
    assert len(world.all(ReviewOpened)) == 1


def test_a_charge_without_a_warning_may_be_refunded() -> None:
    """The control."""
    world = World()
    world.funded("d1", "EUR 1000.00", "USD")
    assert world.deposit_state("d1").refundable == 1000_00
    world.tell(refunded("d1", "re_1", "EUR 300.00"))
    assert world.deposit_state("d1").refundable == 700_00
    assert len(world.all(PaymentLinked)) >= 1
