"""A client, a merchant account, and what its provider may tell: the stage of the payment tests."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from compliance.kyc import approve, kyc_gate
from ledger.fx import Quote
from ledger.ids import ClientId, DepositId, EntityId, PayoutId, WithdrawalId
from ledger.money import Money, asset
from ledger.wallet import WalletState, wallet
from payments import deposit as deposits
from payments import inbox
from payments import payout as payouts
from payments import withdrawal as withdrawals
from payments.deposit import DepositState, deposit_stream
from payments.facts import DepositInitiated, NoticeParked, PaymentLinked, Route, RouteKind
from payments.link import LINK, Merchant
from payments.notices import (
    BalanceLine,
    CaseStatus,
    DisputeNotice,
    Notice,
    PaymentNotice,
    PaymentStatus,
    PayoutNotice,
    PayoutStatus,
    RefundNotice,
    RefundStatus,
    SettlementNotice,
    SettlementStatus,
)
from payments.payout import PayoutState, payout_stream
from payments.withdrawal import payout_id
from tests.support import NOON, Books

if TYPE_CHECKING:
    from ledger.decision import Fact

ENTITY = EntityId("acme-cy")
CLIENT = ClientId(UUID(int=0xC11E47))
OTHER = ClientId(UUID(int=0x07E4))
MERCHANT = Merchant(ENTITY, "stripe", "stripe-eu", live=False)
BANK = "bank-one"
GATES = (kyc_gate(1),)
FREELY = {"EUR": 10**12, "USD": 10**12, "JPY": 10**12, "KWD": 10**12, "GBP": 10**12}


def money(text: str) -> Money:
    """Read `EUR 1000.00`."""
    currency, amount = text.split(" ")
    return Money(int(Decimal(amount).scaleb(asset(currency).exponent)), currency)


def quoted(pair: str, bid: str, ask: str) -> Quote:
    base, quote = pair.split("/")
    until = NOON + timedelta(days=30)
    return Quote(base, quote, Decimal(bid), Decimal(ask), "lp-one", NOON, until, f"q-{pair}")


RATES = {
    ("EUR", "USD"): quoted("EUR/USD", "1.09980", "1.10020"),
    ("EUR", "JPY"): quoted("EUR/JPY", "164.985", "165.015"),
    ("EUR", "KWD"): quoted("EUR/KWD", "0.33690", "0.33710"),
    ("JPY", "USD"): quoted("USD/JPY", "149.985", "150.015"),
    ("KWD", "USD"): quoted("USD/KWD", "0.30690", "0.30710"),
    ("USD", "EUR"): quoted("EUR/USD", "1.1498", "1.1502"),
}


def seconds(n: int) -> datetime:
    return NOON + timedelta(seconds=n)


def line(
    reference: str, amount: str, fee: str | None = None, *, at: int = 0, **changes: Any
) -> BalanceLine:
    moved = money(amount)
    kept = money(fee).minor if fee else 0
    said: dict[str, Any] = {
        "reference": reference,
        "type": "adjustment",
        "category": "dispute",
        "currency": moved.currency,
        "amount": moved.minor,
        "fee": kept,
        "net": moved.minor - kept,
        "created_at": seconds(at),
        "available_on": seconds(at),
    } | changes
    return BalanceLine(**said)


class World(Books):
    """The books, and a provider that tells things about them."""

    def __init__(self) -> None:
        super().__init__()
        self.told_notices: dict[UUID, Notice] = {}

    # --- what we do ---

    def deposit(
        self,
        name: str,
        amount: str,
        into: str,
        *,
        markup_bps: str = "100",
        quote: Quote | None = None,
        quote_until: datetime | None = None,
        client: ClientId = CLIENT,
    ) -> DepositId:
        deposit = deposit_of(name)
        announced = DepositInitiated(
            deposit=deposit,
            client=client,
            entity=ENTITY,
            provider=MERCHANT.provider,
            merchant_account=MERCHANT.name,
            method="card",
            amount=money(amount),
            into=into,
            markup_bps=Decimal(markup_bps),
            quote=quote,
            quote_until=quote_until,
        )
        self.do(deposits.initiate, announced)
        return deposit

    def funded(self, name: str, amount: str, into: str, **named: Any) -> DepositId:
        """A deposit that was paid."""
        deposit = self.deposit(name, amount, into, **named)
        self.tell(paid(name, amount))
        return deposit

    def verified(self, level: int = 1, days: int = 365, client: ClientId = CLIENT) -> None:
        until = NOON + timedelta(days=days)
        self.do(approve, client, level=level, valid_until=until, evidence_ref="case-1")

    def withdrawal(
        self, name: str, amount: str, *, back_to: str | None = None, currency: str | None = None
    ) -> WithdrawalId:
        withdrawal = withdrawal_of(name)
        asked = money(amount)
        if back_to is None:
            route = Route(
                RouteKind.BANK,
                MERCHANT.provider,
                MERCHANT.name,
                currency or asked.currency,
                recipient="rcp_1",
            )
        else:
            deposit = deposit_of(back_to)
            kept = self.state(deposit_stream(deposit)).amount.currency
            route = Route(RouteKind.REFUND, MERCHANT.provider, MERCHANT.name, kept, deposit=deposit)
        self.do(
            withdrawals.request,
            withdrawal,
            client=CLIENT,
            entity=ENTITY,
            amount=asked,
            route=route,
        )
        return withdrawal

    def judge(self, withdrawal: WithdrawalId, *, at: datetime = NOON) -> bool:
        self.do(withdrawals.judge, withdrawal, GATES, FREELY, at=at)
        return self.state(withdrawals.withdrawal_stream(withdrawal)).status is (
            withdrawals.WithdrawalStatus.CLEARED
        )

    def submit(
        self, withdrawal: WithdrawalId, rate: Quote | None = None, *, at: datetime = NOON
    ) -> PayoutId:
        self.do(payouts.submit, withdrawal, GATES, FREELY, rate, at=at)
        return payout_id(withdrawal)

    def paying_out(self, name: str, amount: str, **named: Any) -> PayoutId:
        """A withdrawal that was cleared and submitted."""
        withdrawal = self.withdrawal(name, amount, **named)
        assert self.judge(withdrawal)
        asked = self.state(withdrawals.withdrawal_stream(withdrawal))
        pair = (asked.amount.currency, asked.route.currency)
        return self.submit(withdrawal, RATES.get(pair))

    # --- what the provider tells ---

    def tell(self, notice: Notice, *, rate: bool = True) -> list[Fact]:
        """Apply a notice, and what waited for the payment that it links."""
        notice_id = UUID(bytes=hashlib.sha256(repr(notice).encode()).digest()[:16])
        self.told_notices[notice_id] = notice
        return self._apply(notice_id, rate=rate)

    def _apply(self, notice_id: UUID, *, rate: bool) -> list[Fact]:
        notice = self.told_notices[notice_id]
        before = len(self.told)
        quote = None
        if rate and isinstance(notice, PaymentNotice) and notice.deposit is not None:
            state = self.state(deposit_stream(DepositId(notice.deposit)))
            quote = RATES.get((state.amount.currency, state.into))
        recorded = self.do(
            inbox.apply, MERCHANT, notice, notice_id, rate=quote, bank=BANK, at=notice.happened_at
        )
        for told in self.told[before:]:
            if isinstance(told.fact, PaymentLinked):
                for parked in self.state(LINK(told.stream)).parked:
                    recorded += self._apply(parked, rate=rate)
        return recorded

    def tell_all(self, *notices: Notice) -> None:
        for notice in notices:
            self.tell(notice)

    @property
    def parked(self) -> int:
        """How many notices still wait for a payment."""
        waiting = {told.stream for told in self.told if isinstance(told.fact, NoticeParked)}
        links = [self.state(LINK(stream)) for stream in waiting]
        return sum(len(link.parked) for link in links if link.deposit is None)

    # --- what is seen ---

    def wallet(self, currency: str, client: ClientId = CLIENT) -> WalletState:
        return self.state(wallet(ENTITY, client, currency))

    def deposit_state(self, name: str) -> DepositState:
        return self.state(deposit_stream(deposit_of(name)))

    def payout_state(self, payout: PayoutId) -> PayoutState:
        return self.state(payout_stream(payout))

    def check(self) -> None:
        """The chart's rules, and that the wallets say what their accounts say."""
        super().check()
        for state in self.states.values():
            if isinstance(state, WalletState) and state.is_open:
                for kind, minor in (
                    ("client:wallet", -state.available),
                    ("client:held", -state.held),
                    ("client:receivable", state.owed),
                ):
                    account = f"{kind}:{state.client}", state.currency
                    assert self.balances().get(account, 0) == minor, (account, state)


def deposit_of(name: str) -> DepositId:
    return DepositId(UUID(bytes=hashlib.sha256(name.encode()).digest()[:16]))


def withdrawal_of(name: str) -> WithdrawalId:
    return WithdrawalId(UUID(bytes=hashlib.sha256(f"w/{name}".encode()).digest()[:16]))


_WHO: dict[str, Any] = {"provider": MERCHANT.provider, "merchant_account": MERCHANT.name}


def paid(
    name: str,
    amount: str,
    status: PaymentStatus = PaymentStatus.SUCCEEDED,
    *,
    at: int = 10,
    **changes: Any,
) -> PaymentNotice:
    received = money(amount)
    said: dict[str, Any] = {
        "reference": f"pi_{name}",
        "deposit": deposit_of(name),
        "status": status,
        "raw_status": status.value,
        "amount": received,
        "received": received,
        "created_at": NOON,
        "happened_at": seconds(at),
        "charge": f"ch_{name}",
        "instrument": "card_fp_1",
    } | changes
    return PaymentNotice(**_WHO, **said)


def refunded(
    name: str,
    refund: str,
    amount: str,
    status: RefundStatus = RefundStatus.SUCCEEDED,
    *,
    at: int = 20,
    payout: UUID | None = None,
    **changes: Any,
) -> RefundNotice:
    said: dict[str, Any] = {
        "reference": refund,
        "payment": f"pi_{name}",
        "charge": f"ch_{name}",
        "payout": payout,
        "status": status,
        "raw_status": status.value,
        "amount": money(amount),
        "created_at": NOON,
        "happened_at": seconds(at),
    } | changes
    return RefundNotice(**_WHO, **said)


def outbound(
    payout: UUID, amount: str, status: PayoutStatus, *, at: int = 30, **changes: Any
) -> PayoutNotice:
    said: dict[str, Any] = {
        "reference": f"obp_{payout.hex[:8]}",
        "payout": payout,
        "status": status,
        "raw_status": status.value,
        "amount": money(amount),
        "created_at": NOON,
        "happened_at": seconds(at),
    } | changes
    return PayoutNotice(**_WHO, **said)


def disputed(
    name: str,
    dispute: str,
    amount: str,
    status: CaseStatus,
    *lines: BalanceLine,
    at: int,
    **changes: Any,
) -> DisputeNotice:
    said: dict[str, Any] = {
        "reference": dispute,
        "payment": f"pi_{name}",
        "charge": f"ch_{name}",
        "status": status,
        "raw_status": status.value,
        "amount": money(amount),
        "reason": "fraudulent",
        "created_at": NOON,
        "happened_at": seconds(at),
        "due_by": NOON + timedelta(days=7),
        "lines": lines,
    } | changes
    return DisputeNotice(**_WHO, **said)


def settled(
    reference: str, amount: str, status: SettlementStatus, *, at: int = 40, **changes: Any
) -> SettlementNotice:
    said: dict[str, Any] = {
        "reference": reference,
        "status": status,
        "raw_status": status.value,
        "amount": money(amount),
        "arrives_on": NOON.date(),
        "automatic": True,
        "created_at": NOON,
        "happened_at": seconds(at),
    } | changes
    return SettlementNotice(**_WHO, **said)
