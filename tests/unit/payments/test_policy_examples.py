"""Every worked example of the books' policies, with its very numbers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from ledger.facts import EntryPosted
from ledger.fx import convert_to_receive
from ledger.wallet import freeze, wallet
from payments import bookings
from payments.deposit import deposit_stream
from payments.deposit_conversion import convert_waiting
from payments.dispute import DISPUTE
from payments.facts import DepositConfirmed, DisputeLinked
from payments.notices import CaseStatus, PayoutStatus, RefundStatus, SettlementStatus
from payments.payout_return import credit_return
from tests.support import NOON
from tests.unit.payments.world import (
    CLIENT,
    ENTITY,
    GATES,
    MERCHANT,
    RATES,
    World,
    deposit_of,
    disputed,
    line,
    money,
    outbound,
    paid,
    quoted,
    refunded,
    settled,
)

EUR_1000 = "EUR 1000.00"


def test_the_fx_example_cent_by_cent() -> None:
    world = World()
    world.funded("d1", EUR_1000, "USD")
    assert world.balances() == {
        ("psp:clearing:stripe-eu", "EUR"): 1000_00,
        ("fx:position", "EUR"): -1000_00,
        ("fx:position", "USD"): 1099_80,
        (f"client:wallet:{CLIENT}", "USD"): -1088_80,
        ("income:fx-markup", "USD"): -11_00,
    }
    (confirmed,) = world.all(DepositConfirmed)
    assert confirmed.conversion is not None
    assert confirmed.conversion.residue == Decimal("0.002")

    # Fee at settlement, the provider's own conversion at 0.84, then our bank.
    for booked in (
        bookings.provider_fee(ENTITY, MERCHANT.name, money("EUR 15.00")),
        bookings.provider_converted(
            ENTITY, MERCHANT.name, money("EUR 985.00"), money("GBP 827.40")
        ),
        bookings.settled_to_bank(ENTITY, MERCHANT.name, "bank-one", money("GBP 827.40")),
    ):
        posted = EntryPosted(cause=deposit_of("d1"), entry=booked)
        world.do(lambda d, fact=posted: d.record(deposit_stream(deposit_of("d1")), fact))
    assert world.balances() == {
        ("bank:client:bank-one", "GBP"): 827_40,
        ("expense:psp-fees", "EUR"): 15_00,
        ("fx:position", "EUR"): -15_00,
        ("fx:position", "USD"): 1099_80,
        ("fx:position", "GBP"): -827_40,
        (f"client:wallet:{CLIENT}", "USD"): -1088_80,
        ("income:fx-markup", "USD"): -11_00,
    }
    world.check()


def test_the_same_day_from_the_providers_line_and_payout() -> None:
    """Stripe tells gross and fee in its settlement currency: 1,000 at 0.84, less GBP 12.60."""
    world = World()
    world.deposit("d1", EUR_1000, "USD")
    charge = line("txn_1", "GBP 840.00", "GBP 12.60", type="charge", category="charge")
    world.tell(paid("d1", EUR_1000, settlement=charge))
    world.tell(settled("po_1", "GBP 827.40", SettlementStatus.PAID))
    assert world.balance("psp:clearing", "EUR") == 0
    assert world.balance("psp:clearing", "GBP") == 0
    assert world.balance("bank:client", "GBP") == 827_40
    assert world.balance("expense:psp-fees", "GBP") == 12_60
    world.check()


def test_exposure_is_the_negative_of_the_position() -> None:
    """The house bought 1,000 EUR and owes 1,099.80 USD: long euro, short dollar."""
    world = World()
    world.funded("d1", EUR_1000, "USD")
    exposure = {c: -_debit(world, "fx:position", c) for c in ("EUR", "USD")}
    assert exposure == {"EUR": 1000_00, "USD": -1099_80}
    hedged = world.balances()[("fx:position", "EUR")] + 1000_00
    assert hedged == 0, "selling the euro away closes the exposure"


def _debit(world: World, account: str, currency: str) -> int:
    return world.balances().get((account, currency), 0)


# --- disputes ---

WITHDRAWN = line("txn_w", "EUR -1000.00", "EUR 15.00")
REINSTATED = line("txn_r", EUR_1000)


def test_an_open_dispute_takes_nothing_from_the_client_and_holds_what_was_credited() -> None:
    world = World()
    world.funded("d1", EUR_1000, "USD")
    world.tell(disputed("d1", "dp_1", EUR_1000, CaseStatus.NEEDS_RESPONSE, WITHDRAWN, at=60))
    assert world.balance("dispute:contested", "EUR") == 1000_00
    assert world.balance("expense:dispute-fees", "EUR") == 15_00
    assert world.balance("psp:clearing", "EUR") == -15_00
    assert (world.wallet("USD").available, world.wallet("USD").held) == (0, 1088_80)
    world.check()


def test_a_lost_dispute_is_charged_at_the_original_conversion() -> None:
    """Dr held 1,088.80 and Dr markup 11.00 · Cr position 1,099.80 USD; the euro leg likewise."""
    world = World()
    world.funded("d1", EUR_1000, "USD")
    world.tell(disputed("d1", "dp_1", EUR_1000, CaseStatus.NEEDS_RESPONSE, WITHDRAWN, at=60))
    world.tell(disputed("d1", "dp_1", EUR_1000, CaseStatus.LOST, WITHDRAWN, at=90))
    assert world.balances() == {
        ("psp:clearing:stripe-eu", "EUR"): -15_00,
        ("expense:dispute-fees", "EUR"): 15_00,
    }
    assert world.wallet("USD").held == 0
    world.check()


def test_the_fx_difference_of_a_loss_stays_with_the_house() -> None:
    """The provider takes GBP 850.00 for what it had settled as GBP 840.00."""
    world = World()
    world.deposit("d1", EUR_1000, "USD")
    charge = line("txn_1", "GBP 840.00", type="charge", category="charge")
    world.tell(paid("d1", EUR_1000, settlement=charge))
    taken = line("txn_w", "GBP -850.00")
    world.tell(disputed("d1", "dp_1", EUR_1000, CaseStatus.LOST, taken, at=90))
    assert world.balance("dispute:contested", "GBP") == 0
    assert world.balance("psp:clearing", "GBP") == -10_00
    # 1,000 EUR bought, sold again by the provider for 840; 850 GBP paid for the loss.
    assert _debit(world, "fx:position", "GBP") == 10_00
    assert _debit(world, "fx:position", "EUR") == 0
    assert _debit(world, "fx:position", "USD") == 0
    assert world.wallet("USD") == world.wallet("USD").__class__(ENTITY, CLIENT, "USD")
    world.check()


def test_a_loss_beyond_what_is_there_becomes_a_receivable() -> None:
    world = World()
    world.verified()
    world.funded("d1", EUR_1000, "USD")
    world.paying_out("w1", "USD 1000.00")
    world.tell(disputed("d1", "dp_1", EUR_1000, CaseStatus.LOST, WITHDRAWN, at=90))
    assert world.balance("client:receivable", "USD") == 1000_00
    assert world.balance("income:fx-markup", "USD") == 0
    world.funded("d2", "USD 1200.00", "USD")
    assert world.balance("client:receivable", "USD") == 0, "a credit repays the debt first"
    assert world.wallet("USD").available == 200_00
    world.check()


def test_a_won_dispute_costs_the_client_nothing() -> None:
    world = World()
    world.funded("d1", EUR_1000, "USD")
    before = world.balances()
    world.tell(disputed("d1", "dp_1", EUR_1000, CaseStatus.UNDER_REVIEW, WITHDRAWN, at=60))
    world.tell(disputed("d1", "dp_1", EUR_1000, CaseStatus.WON, WITHDRAWN, REINSTATED, at=90))
    after = world.balances()
    assert after.pop(("expense:dispute-fees", "EUR")) == 15_00
    assert after.pop(("psp:clearing:stripe-eu", "EUR")) == 985_00
    assert before.pop(("psp:clearing:stripe-eu", "EUR")) == 1000_00
    assert after == before
    world.check()


def test_an_inquiry_debits_and_holds_nothing() -> None:
    world = World()
    world.funded("d1", EUR_1000, "USD")
    before = world.balances()
    status = CaseStatus.WARNING_NEEDS_RESPONSE
    world.tell(disputed("d1", "dp_1", EUR_1000, status, at=60))
    assert world.balances() == before
    assert world.wallet("USD").contests == {}


def test_a_dispute_before_its_deposit_waits_and_is_applied() -> None:
    world = World()
    world.deposit("d1", EUR_1000, "USD")
    world.tell(disputed("d1", "dp_1", EUR_1000, CaseStatus.LOST, WITHDRAWN, at=90))
    assert world.parked == 1
    assert world.all(DisputeLinked) == []
    world.tell(paid("d1", EUR_1000))
    assert world.parked == 0
    (linked,) = world.all(DisputeLinked)
    assert world.state(DISPUTE(linked.dispute)).deposit == deposit_of("d1")
    assert world.wallet("USD").available == 0
    world.check()


# --- return to source ---


def test_the_return_to_source_example() -> None:
    """USD 1,500.00, EUR ask 1.1502: EUR 1,000.00 to the card costs 1,150.20; the rest to a bank."""
    card = convert_to_receive(
        money(EUR_1000), "USD", quoted("EUR/USD", "1.1498", "1.1502"), Decimal(0)
    )
    assert card.sold == money("USD 1150.20")
    rest = money("USD 1500.00") - card.sold
    assert rest == money("USD 349.80")

    world = World()
    world.verified()
    world.funded("d1", "EUR 1000.00", "EUR")
    world.funded("d2", "USD 1500.00", "USD")
    to_card = world.paying_out("w1", "USD 1150.20", back_to="d1")
    to_bank = world.paying_out("w2", "USD 349.80", currency="EUR")
    assert world.payout_state(to_card).amount == money(EUR_1000)
    assert world.payout_state(to_bank).amount == money("EUR 304.12")
    assert world.wallet("USD").available == 0
    assert world.deposit_state("d1").refundable == 0
    assert world.balance("income:fx-markup", "USD") == 0, "no markup on what goes back"
    assert world.balance("income:fx-markup", "EUR") == 0
    world.check()


# --- payouts that come back ---


def test_a_returned_payout_reaches_the_wallet_only_if_the_client_may_be_credited() -> None:
    world = World()
    world.verified(days=1)
    world.funded("d1", "USD 500.00", "USD")
    payout = world.paying_out("w1", "USD 500.00")
    world.tell(outbound(payout, "USD 500.00", PayoutStatus.POSTED))
    assert world.balance("payout:in-transit", "USD") == 0
    assert world.balance("psp:clearing", "USD") == 0
    world.tell(outbound(payout, "USD 500.00", PayoutStatus.RETURNED, at=40))
    assert world.balance("client:returned", "USD") == 500_00
    assert world.balance("psp:clearing", "USD") == 500_00
    world.do(credit_return, payout, GATES, at=NOON + timedelta(days=2))
    assert world.wallet("USD").available == 0, "the verification has run out"
    world.do(credit_return, payout, GATES)
    assert world.wallet("USD").available == 500_00
    assert world.balance("client:returned", "USD") == 0
    world.do(credit_return, payout, GATES)
    assert world.wallet("USD").available == 500_00, "once"
    world.check()


def test_without_gates_nothing_that_came_back_is_credited() -> None:
    """The control of the gates: an empty list lets nothing pass."""
    world = World()
    world.verified()
    world.funded("d1", "USD 500.00", "USD")
    payout = world.paying_out("w1", "USD 500.00")
    world.tell(outbound(payout, "USD 500.00", PayoutStatus.RETURNED))
    world.do(credit_return, payout, ())
    assert world.balance("client:returned", "USD") == 500_00


def test_a_refund_that_fails_after_it_succeeded_restores_the_cap() -> None:
    world = World()
    world.verified()
    world.funded("d1", EUR_1000, "USD")
    payout = world.paying_out("w1", "USD 575.10", back_to="d1")
    ours = world.payout_state(payout).amount
    assert ours == money("EUR 500.00")
    held = world.wallet("USD").available
    world.tell(refunded("d1", "re_1", "EUR 500.00", RefundStatus.SUCCEEDED, payout=payout))
    assert world.deposit_state("d1").refundable == 500_00
    assert world.balance("psp:clearing", "EUR") == 500_00
    failed = refunded("d1", "re_1", "EUR 500.00", RefundStatus.FAILED, payout=payout, at=9000)
    world.tell(failed)
    assert world.deposit_state("d1").refundable == 1000_00
    assert world.balance("client:returned", "EUR") == 500_00
    world.do(credit_return, payout, GATES)
    assert world.wallet("USD").available == held + 575_10, "at the conversion with which it left"
    assert _debit(world, "fx:position", "EUR") == -1000_00
    assert _debit(world, "fx:position", "USD") == 1099_80
    world.check()


# --- money without a rate, and money that is not what was announced ---


def test_received_money_without_a_rate_waits_and_is_converted_later() -> None:
    world = World()
    world.deposit("d1", EUR_1000, "USD")
    world.tell(paid("d1", EUR_1000), rate=False)
    assert world.balance("client:unconverted", "EUR") == 1000_00
    assert world.balances().get(("fx:position", "EUR")) is None, "no exposure before the rate"
    world.do(convert_waiting, deposit_of("d1"), RATES["EUR", "USD"])
    world.do(convert_waiting, deposit_of("d1"), RATES["EUR", "USD"])
    other = World()
    other.funded("d1", EUR_1000, "USD")
    assert world.balances() == other.balances(), "and stands as if it had never waited"
    world.check()


def test_another_amount_or_currency_than_announced_goes_to_suspense() -> None:
    for received in ("EUR 999.99", "USD 1000.00", "EUR 1000.01"):
        world = World()
        world.deposit("d1", EUR_1000, "USD")
        world.tell(paid("d1", EUR_1000, received=money(received)))
        got = money(received)
        assert world.balances() == {
            ("psp:clearing:stripe-eu", got.currency): got.minor,
            (f"client:suspense:{CLIENT}", got.currency): -got.minor,
        }
        assert world.wallet("USD").available == 0


def test_exactly_what_was_announced_is_no_suspense() -> None:
    """The control."""
    world = World()
    world.funded("d1", EUR_1000, "USD")
    assert world.balance("client:suspense", "EUR") == 0


# --- a credit repays first, and a frozen wallet still receives ---


def test_a_credit_first_repays_the_receivable_in_the_same_entry() -> None:
    world = World()
    world.verified()
    world.funded("d1", "USD 100.00", "USD")
    world.paying_out("w1", "USD 100.00")
    world.tell(refunded("d1", "re_1", "USD 60.00"))
    assert world.wallet("USD").owed == 60_00
    world.funded("d2", "USD 100.00", "USD")
    last = world.entries[-1]
    accounts = {p.account.split(":", 1)[1].rsplit(":", 1)[0]: p.minor for p in last.postings}
    assert accounts == {
        "psp:clearing": 100_00,
        "client:receivable": -60_00,
        "client:wallet": -40_00,
    }
    assert (world.wallet("USD").available, world.wallet("USD").owed) == (40_00, 0)
    world.check()


def test_credits_still_arrive_in_a_frozen_wallet() -> None:
    world = World()
    world.deposit("d1", "USD 100.00", "USD")
    world.do(freeze, ENTITY, CLIENT, "USD", "court order")
    world.tell(paid("d1", "USD 100.00"))
    assert world.wallet("USD").available == 100_00
    assert world.state(wallet(ENTITY, CLIENT, "USD")).frozen


def test_a_negative_settlement_takes_from_our_bank() -> None:
    world = World()
    world.tell(settled("po_1", "EUR 50.00", SettlementStatus.PAID))
    world.tell(settled("po_2", "EUR -20.00", SettlementStatus.PAID))
    assert world.balance("bank:client", "EUR") == 30_00
    assert world.balance("psp:clearing", "EUR") == -30_00
