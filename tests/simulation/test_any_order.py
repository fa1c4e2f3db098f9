"""One day of provider events, in twenty orders between the same client commands: the same books.

The simulated Stripe is real HTTP; the book is in memory. Every order also doubles some messages.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from adapters.psp.stripe.client import StripeApi
from adapters.psp.stripe.provider import Stripe
from adapters.psp.stripe.simulator.clock import ManualClock
from adapters.psp.stripe.simulator.simulator import StripeSimulator
from adapters.psp.stripe.translate import Translator
from adapters.psp.stripe.webhook import Webhook
from adapters.rates.ecb import EcbRates
from adapters.sealing import AesSealer
from api import vocabulary
from api.bootstrap import not_barred
from clients.client import register
from clients.facts import Category
from compliance.kyc import approve, kyc_gate
from ledger.chart import client_account
from ledger.decision import Command
from ledger.ids import ClientId, DepositId, EntityId, WithdrawalId
from ledger.journal import credit
from ledger.money import parse_amount
from ledger.store.memory import MemoryBook
from payments import bookings, withdrawal
from payments.deposit import deposit_stream, initiate
from payments.facts import DepositInitiated, Route, RouteKind
from payments.payout import payout_stream
from payments.ports import Accepted
from payments.reactors import deposits, notices, payouts
from payments.reactors.desk import Desk
from payments.reactors.outstanding import Outstanding
from payments.withdrawal import WithdrawalStatus, withdrawal_stream
from projections.replay import fold_balances

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.decision import Decision, Event
    from ledger.journal import Posting
    from ledger.money import Money
    from ledger.wallet import WalletState
    from payments.ports import Delivery

ENTITY = EntityId("acme-cy")
MERCHANT = "stripe-eu"
CLIENT = ClientId(UUID("66000000-0000-8000-8000-00000000000a"))
ORDERS = 20


def _id(number: int) -> UUID:
    return UUID(int=(0x66000000 << 96) | (0x8000 << 64) | (0x8 << 60) | number)


@dataclass
class Play:
    """The same script, with the provider's events in the order of a seed."""

    sim: StripeSimulator
    clock: ManualClock
    order: int
    see: Outstanding = field(default_factory=Outstanding)
    cursor: str | None = None

    def __post_init__(self) -> None:
        self.book = MemoryBook(ENTITY, vocabulary.BOOK, clock=self.clock)
        api = StripeApi("sk_test_order", address=self.sim.url)
        webhook = Webhook(Translator(MERCHANT, live=False), ("whsec_order",))
        self.stripe = Stripe(api, webhook, "fa_order")
        self.desk = Desk(
            book=self.book,
            providers={("stripe", MERCHANT): self.stripe},
            banks={MERCHANT: "eurobank"},
            rates=EcbRates(dealing=True, half_spread_bps=Decimal(2)),
            gates=(kyc_gate(1),),
            credit_gates=(not_barred,),
            four_eyes_above={"USD": 10_000_000},
            sealer=AesSealer(b"k" * 32),
            clock=self.clock,
        )
        self.chance = random.Random(self.order)
        self.position = 0

    def command(self, decide: Callable[[Decision], None]) -> None:
        self.book.submit(Command(decide, by="service:test", at=self.clock()))
        self.clock.advance(timedelta(minutes=1))

    def deposit(self, number: int, amount: str, currency: str) -> str:
        """Announce a deposit, open the payment; returns the provider's reference."""
        deposit = DepositId(_id(number))
        announced = DepositInitiated(
            deposit=deposit,
            client=CLIENT,
            entity=ENTITY,
            provider="stripe",
            merchant_account=MERCHANT,
            method="card",
            amount=parse_amount(amount, currency),
            into="USD",
            markup_bps=Decimal(100),
        )
        self.command(lambda decision: initiate(decision, announced))
        deposits.open_payment(self.desk, deposit, 1)
        reference = self.book.state(deposit_stream(deposit)).reference
        assert reference is not None
        return reference

    def withdraw(self, number: int, amount: str, route: Route) -> str:
        """Ask for money, let it clear and be sent; returns the provider's reference."""
        asked = WithdrawalId(_id(number))

        def decide(decision: Decision) -> None:
            withdrawal.request(
                decision,
                asked,
                client=CLIENT,
                entity=ENTITY,
                amount=parse_amount(amount, "USD"),
                route=route,
            )
            withdrawal.judge(decision, asked, self.desk.gates, self.desk.four_eyes_above)

        self.command(decide)
        assert self.book.state(withdrawal_stream(asked)).status is WithdrawalStatus.CLEARED
        payouts.submit(self.desk, asked, self.book.head())
        payout = self.book.state(withdrawal_stream(asked)).payout
        assert payout is not None
        payouts.call(self.desk, payout, 1)
        reference = self.book.state(payout_stream(payout)).reference
        assert reference is not None
        return reference

    def segment(self) -> None:
        """Deliver what the provider told since the last time: shuffled, some of it twice."""
        told: list[Delivery] = []
        more = True
        while more:
            answer = self.stripe.events_after(self.cursor)
            assert isinstance(answer, Accepted)
            told += answer.notice.deliveries
            self.cursor, more = answer.notice.cursor, answer.notice.more
        if self.order:
            told += self.chance.sample(told, len(told) // 3)
            self.chance.shuffle(told)
        for delivery in told:
            notices.keep(self.desk, self.stripe, delivery)
            self._merge_what_waits()
        self._merge_what_waits()
        for payout in list(self.see.returned):
            payouts.credit_return(self.desk, payout)

    def _merge_what_waits(self) -> None:
        while events := self.book.events_after(self.position, 1_000):
            for event in events:
                self.see.see(event)
            self.position = events[-1].position
            for received, position in list(self.see.notices.values()):
                notices.merge(self.desk, received, position)


def play(order: int) -> Play:
    """Play the day in one order."""
    clock = ManualClock(datetime(2026, 10, 20, 8, tzinfo=UTC))
    with StripeSimulator(7, clock) as sim:
        day = Play(sim, clock, order)
        try:
            _script(day, sim)
        finally:
            day.stripe.api.close()
        return day


def _script(day: Play, sim: StripeSimulator) -> None:
    day.command(
        lambda decision: register(
            decision,
            CLIENT,
            ENTITY,
            residence="DE",
            category=Category.RETAIL,
            account_currency="USD",
            name_ref="crm:1",
        )
    )
    until = day.clock() + timedelta(days=365)
    day.command(
        lambda decision: approve(decision, CLIENT, level=1, valid_until=until, evidence_ref="kyc:1")
    )
    euro = day.deposit(1, "1000.00", "EUR")
    dollar = day.deposit(2, "400.00", "USD")
    yen = day.deposit(3, "50000", "JPY")
    sim.pay(euro, "declined")
    for intent in (euro, dollar):
        sim.pay(intent)
        day.clock.advance(timedelta(seconds=7))
    day.segment()

    back = Route(RouteKind.REFUND, "stripe", MERCHANT, "EUR", deposit=DepositId(_id(1)))
    refund = day.withdraw(110, "500.00", back)
    recipient, method = sim.add_recipient()
    bank = Route(RouteKind.BANK, "stripe", MERCHANT, "EUR", recipient=recipient, method=method)
    outbound = day.withdraw(111, "900.00", bank)

    # The dollars are disputed and lost with the wallet nearly empty; the yen come at any moment.
    charge = _charge(day, 2)
    dispute = sim.open_dispute(charge)
    day.clock.advance(timedelta(seconds=9))
    sim.close_dispute(dispute["id"], "lost")
    day.clock.advance(timedelta(seconds=9))
    sim.pay(yen)
    sim.refund_by_hand(yen, 20_000)
    day.clock.advance(timedelta(seconds=9))
    sim.fail_refund(refund)
    sim.post_outbound(outbound)
    day.clock.advance(timedelta(seconds=9))
    sim.return_outbound(outbound)
    other = sim.open_dispute(_charge(day, 1), amount=30_000)
    day.clock.advance(timedelta(seconds=9))
    sim.close_dispute(other["id"], "won")
    for payout in sim.settle(early=True):
        sim.pay_settlement(payout["id"])
    day.segment()


def _charge(day: Play, number: int) -> str:
    charge = day.book.state(deposit_stream(DepositId(_id(number)))).charge
    assert charge is not None
    return charge


def _books(day: Play) -> dict[tuple[str, str], int]:
    events: list[Event] = day.book.events_after(0, 100_000)
    return {key: minor for key, minor in fold_balances(events).items() if minor}


def test_twenty_orders_of_a_days_events_give_the_same_books() -> None:
    first = play(0)
    expected = _books(first)
    assert len(expected) > 6
    for order in range(1, ORDERS + 1):
        day = play(order)
        assert _books(day) == expected, f"order {order}"
        assert not day.see.parked
        assert not day.see.notices
        assert day.book.verify().problem is None


def test_every_currency_sums_to_zero_in_any_order() -> None:
    sums: dict[str, int] = {}
    for (_, currency), minor in _books(play(3)).items():
        sums[currency] = sums.get(currency, 0) + minor
    assert not any(sums.values())


def test_control_without_set_off_the_orders_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(state: WalletState, amount: Money) -> list[Posting]:
        return [credit(client_account(state.entity, "client:wallet", state.client), amount)]

    monkeypatch.setattr(bookings, "credit_legs", naive)
    with pytest.raises(AssertionError):
        test_twenty_orders_of_a_days_events_give_the_same_books()
