"""One client and one simulated Stripe: real HTTP, the book in memory, the worker's own steps."""

from __future__ import annotations

import random
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from adapters.outgoing import Listed
from adapters.psp.stripe.client import StripeApi
from adapters.psp.stripe.provider import Stripe
from adapters.psp.stripe.simulator.clock import ManualClock
from adapters.psp.stripe.simulator.faults import Faults
from adapters.psp.stripe.simulator.simulator import StripeSimulator
from adapters.psp.stripe.translate import Translator
from adapters.psp.stripe.webhook import Webhook
from adapters.rates.ecb import EcbRates
from adapters.sealing import AesSealer
from api.house import vocabulary
from api.house.bootstrap import not_barred
from clients.client import register
from clients.facts import Category
from compliance.kyc import approve, kyc_gate
from ledger.decision import Command
from ledger.ids import ClientId, DepositId, EntityId, PayoutId, WithdrawalId
from ledger.money import parse_amount
from ledger.store.memory import MemoryBook
from payments import withdrawal
from payments.deposit import DepositState, deposit_stream, initiate
from payments.facts import DepositInitiated, Route, RouteKind
from payments.payout import PayoutState, payout_stream
from payments.ports import Accepted
from payments.reactors import deposits, notices, payouts
from payments.reactors.desk import Desk
from payments.reactors.due import due
from payments.reactors.outstanding import Outstanding
from payments.withdrawal import WithdrawalState, withdrawal_stream
from projections.replay import fold_balances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ledger.decision import Decision
    from payments.ports import Delivery

ENTITY = EntityId("acme-cy")
MERCHANT = "stripe-eu"
CLIENT = ClientId(UUID("66000000-0000-8000-8000-0000000000ff"))
BEGINS = datetime(2026, 10, 20, 8, tzinfo=UTC)
TIMEOUT_S = 0.5


def an_id(number: int) -> UUID:
    return UUID(int=(0x66000000 << 96) | (0x8000 << 64) | (0x8 << 60) | number)


class Play:
    """A broker's book and its conversations with the simulated Stripe."""

    def __init__(self, sim: StripeSimulator, clock: ManualClock, order: int = 0) -> None:
        self.sim, self.clock = sim, clock
        self.order, self.chance = order, random.Random(order)
        self.book = MemoryBook(ENTITY, vocabulary.BOOK, clock=clock)
        api = StripeApi("sk_test_play", outgoing=Listed(), address=sim.url, timeout_s=TIMEOUT_S)
        webhook = Webhook(Translator(MERCHANT, live=False), ("whsec_play",))
        self.stripe = Stripe(api, webhook, "fa_play")
        self.desk = Desk(
            book=self.book,
            providers={("stripe", MERCHANT): self.stripe},
            banks={MERCHANT: "eurobank"},
            rates=EcbRates(dealing=True, half_spread_bps=Decimal(2)),
            gates=(kyc_gate(1),),
            credit_gates=(not_barred,),
            four_eyes_above={"USD": 10_000_000},
            sealer=AesSealer(b"k" * 32),
            clock=clock,
        )
        self.see, self.position = Outstanding(), 0
        self.cursor: str | None = None

    # --- what the client and compliance do

    def command(self, decide: Callable[[Decision], None]) -> None:
        self.book.submit(Command(decide, by="service:test", at=self.clock()))
        self.clock.advance(timedelta(minutes=1))

    def client_comes(self, *, verified: bool = True) -> None:
        self.command(
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
        if verified:
            until = self.clock() + timedelta(days=365)
            self.command(
                lambda decision: approve(
                    decision, CLIENT, level=1, valid_until=until, evidence_ref="kyc:1"
                )
            )

    def announce(self, number: int, amount: str, currency: str) -> DepositId:
        deposit = DepositId(an_id(number))
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
        return deposit

    def deposit(self, number: int, amount: str, currency: str) -> str:
        """Announce a deposit and open the payment; returns the provider's reference."""
        deposit = self.announce(number, amount, currency)
        deposits.open_payment(self.desk, deposit, 1)
        reference = self.deposit_state(number).reference
        assert reference is not None
        return reference

    def ask(self, number: int, amount: str, route: Route) -> WithdrawalId:
        """Ask for money; the gates are judged at once."""
        asked = WithdrawalId(an_id(number))

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
        return asked

    def submitted(self, number: int, amount: str, route: Route) -> PayoutId:
        """Ask for money and submit it; the provider is not called yet."""
        asked = self.ask(number, amount, route)
        payouts.submit(self.desk, asked, self.book.head())
        payout = self.withdrawal_state(number).payout
        assert payout is not None, self.withdrawal_state(number)
        return payout

    def withdraw(self, number: int, amount: str, route: Route) -> str:
        """Ask for money and have it sent; returns the provider's reference."""
        payout = self.submitted(number, amount, route)
        payouts.call(self.desk, payout, 1)
        reference = self.payout_state(payout).reference
        assert reference is not None
        return reference

    def to_card(self, number: int, currency: str) -> Route:
        return Route(
            RouteKind.REFUND, "stripe", MERCHANT, currency, deposit=DepositId(an_id(number))
        )

    def to_bank(self, currency: str, match: str = "match") -> Route:
        recipient, method = self.sim.add_recipient(match)
        return Route(
            RouteKind.BANK, "stripe", MERCHANT, currency, recipient=recipient, method=method
        )

    # --- what the worker does

    def catch_up(self) -> None:
        while events := self.book.events_after(self.position, 1_000):
            for event in events:
                self.see.see(event)
            self.position = events[-1].position

    def forget(self) -> None:
        """Die and start anew: what is outstanding is folded from the log again."""
        self.see, self.position = Outstanding(), 0
        self.catch_up()

    def work(self, minutes: int, *, listens: bool = True) -> None:
        """Let the worker do what is due, minute after minute."""
        for _ in range(minutes):
            self.catch_up()
            for job in list(due(self.see, self.desk)):
                if listens or job.name[0] != "events":  # type: ignore[index]
                    job.act()
                self.catch_up()
            self.clock.advance(timedelta(minutes=1))
            self.sim.run_due()

    def segment(self) -> None:
        """Merge what the provider told since the last time: shuffled, some of it twice."""
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
        self.catch_up()

    def _merge_what_waits(self) -> None:
        self.catch_up()
        while self.see.notices:
            for received, position in list(self.see.notices.values()):
                notices.merge(self.desk, received, position)
            self.catch_up()

    # --- what came of it

    def deposit_state(self, number: int) -> DepositState:
        return self.book.state(deposit_stream(DepositId(an_id(number))))

    def withdrawal_state(self, number: int) -> WithdrawalState:
        return self.book.state(withdrawal_stream(WithdrawalId(an_id(number))))

    def payout_state(self, payout: PayoutId) -> PayoutState:
        return self.book.state(payout_stream(payout))

    def books(self) -> dict[tuple[str, str], int]:
        """Every balance but zero, and proof that each currency sums to nothing."""
        balances = fold_balances(self.book.events_after(0, 100_000))
        sums: dict[str, int] = {}
        for (_, currency), minor in balances.items():
            sums[currency] = sums.get(currency, 0) + minor
        assert not any(sums.values()), sums
        return {key: minor for key, minor in balances.items() if minor}


@contextmanager
def playing(order: int = 0, faults: Faults | None = None) -> Iterator[Play]:
    """Open a play with a simulated Stripe of its own; the same seed in every one."""
    clock = ManualClock(BEGINS)
    with StripeSimulator(7, clock, faults) as sim:
        play = Play(sim, clock, order)
        try:
            yield play
        finally:
            play.stripe.api.close()
