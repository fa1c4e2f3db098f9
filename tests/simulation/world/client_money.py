"""An oracle for clients' money: from the provider's objects and the rates alone, not from entries.

What a client has is what was paid in and not taken back, exchanged and not paid out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING

from ledger.chart import Account, kind_of, owner_of
from ledger.errors import InvalidInput
from ledger.fx import convert, rederive
from ledger.money import Money
from payments.deposit import DepositState, DepositStatus
from payments.facts import FundsConverted
from payments.notices import PaymentStatus, PayoutStatus, RefundStatus
from payments.payout import PayoutPhase, PayoutState
from tests.simulation.world.view import same

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.fx import Conversion
    from tests.simulation.world.objects import Payment
    from tests.simulation.world.psp import Psp
    from tests.simulation.world.view import View

WALLET = ("client:wallet", "client:held", "client:receivable")
APART = ("client:unconverted", "client:suspense", "client:returned", "payout:in-transit")
_OUTBOUND = {
    PayoutStatus.POSTED: PayoutPhase.SETTLED,
    PayoutStatus.FAILED: PayoutPhase.FAILED,
    PayoutStatus.CANCELLED: PayoutPhase.FAILED,
    PayoutStatus.RETURNED: PayoutPhase.RETURNED,
}
_REFUND = {
    RefundStatus.SUCCEEDED: PayoutPhase.SETTLED,
    RefundStatus.FAILED: PayoutPhase.FAILED,
}


class Expected:
    """What every client should have, and what the house earned on it."""

    def __init__(self) -> None:
        self.due: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.markup: Counter[str] = Counter()

    def give(self, client: UUID, kind: str, amount: Money) -> None:
        """The client should have this much more, in an account of this kind."""
        self.due[str(client), kind][amount.currency] += amount.minor

    def exchange(self, client: UUID, conversion: Conversion) -> None:
        """The client exchanged money between wallets."""
        assert rederive(conversion) == conversion, "I8 not the rate that was promised"
        self.give(client, "wallet", -conversion.sold)
        self.give(client, "wallet", conversion.bought)
        self.markup[conversion.markup.currency] += conversion.markup.minor


def check_client_money(view: View) -> None:
    """I8: every client's money, kind by kind and currency by currency."""
    expected, psp = Expected(), view.sim.psp
    payments = {payment.deposit: payment for payment in psp.payments.values()}
    for stream, deposit in view.of(DepositState):
        _deposit(expected, psp, deposit, payments.get(stream))
        _check_reserved(view, stream, deposit)
    for stream, payout in view.of(PayoutState):
        _payout(expected, psp, stream, payout)
    for event in view.events:
        if isinstance(event.fact, FundsConverted):
            expected.exchange(event.fact.client, event.fact.conversion)
    booked: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (account, currency), minor in view.balances.items():
        kind, owner = kind_of(account).name, owner_of(Account(account))
        if kind in WALLET or kind in APART:
            booked[str(owner), "wallet" if kind in WALLET else kind][currency] -= minor
    for name in booked.keys() | expected.due.keys():
        same(f"I8 {name}", booked[name], expected.due[name])
    earned = view.sums("income:fx-markup")
    same("I8 markup", Counter({c: -minor for c, minor in earned.items()}), expected.markup)


def _gone(psp: Psp, payment: Payment, whole: int) -> int:
    """How much of a payment went back to the cardholder without us."""
    by_hand = sum(
        refund.amount.minor
        for refund in psp.refunds.values()
        if refund.payment is payment
        and refund.payout is None
        and refund.status is not RefundStatus.FAILED
    )
    lost = sum(
        min(whole, dispute.amount.minor)
        for dispute in psp.disputes.values()
        if dispute.payment is payment and dispute.is_lost
    )
    return min(whole, by_hand + lost)


def _deposit(expected: Expected, psp: Psp, deposit: DepositState, payment: Payment | None) -> None:
    paid = payment is not None and payment.status is PaymentStatus.SUCCEEDED
    assert deposit.is_received == paid, f"I3 {deposit.status}, at the provider {payment}"
    if payment is None or not paid:
        return
    received = Money(payment.received, payment.amount.currency)
    assert deposit.amount == received, f"I3 received {received}, booked {deposit.amount}"
    exact = payment.received == payment.amount.minor
    assert (deposit.status is DepositStatus.CONFIRMED) == exact, f"I3 {deposit.status}"
    gone = _gone(psp, payment, received.minor)
    left = received - Money(gone, received.currency)
    if deposit.status is DepositStatus.SUSPENDED:
        expected.give(deposit.client, "client:suspense", left)
    elif received.currency == deposit.into:
        expected.give(deposit.client, "wallet", left)
    elif deposit.conversion is None:
        expected.give(deposit.client, "client:unconverted", left)
    else:
        _converted(expected, deposit, deposit.conversion, gone)


def _converted(expected: Expected, deposit: DepositState, c: Conversion, gone: int) -> None:
    """What is left of it at its own rate: what went back before the conversion was never in it."""
    assert rederive(c) == c, "I8 not the rate that was promised"
    part = Fraction(gone - (deposit.amount.minor - c.sold.minor), c.sold.minor)
    taken, at_source = round(c.bought.minor * part), round(c.at_source.minor * part)
    expected.give(deposit.client, "wallet", c.bought - Money(taken, c.bought.currency))
    expected.markup[c.bought.currency] += c.markup.minor - (at_source - taken)


def _payout(expected: Expected, psp: Psp, name: UUID, payout: PayoutState) -> None:
    outbound = next((o for o in psp.outbounds.values() if o.payout == name), None)
    refund = next((r for r in psp.refunds.values() if r.payout == name), None)
    if outbound is not None:
        assert payout.phase is _OUTBOUND[outbound.status], f"I3 {payout.phase}, {outbound}"
    elif refund is not None:
        assert payout.phase is _REFUND[refund.status], f"I3 {payout.phase}, {refund}"
    else:
        never = {PayoutPhase.SUBMITTED, PayoutPhase.FAILED}
        assert payout.phase in never, f"I3 {payout.phase}, and the provider never had it"
    match payout.phase:
        case PayoutPhase.FAILED | PayoutPhase.RETURNED if payout.waits_to_credit:
            expected.give(payout.client, "client:returned", payout.amount)
        case PayoutPhase.FAILED | PayoutPhase.RETURNED:
            return
        case PayoutPhase.SUBMITTED:
            expected.give(payout.client, "payout:in-transit", payout.amount)
        case _:
            assert payout.phase is PayoutPhase.SETTLED, f"I6 the payout is {payout.phase}"
    expected.give(payout.client, "wallet", -payout.held)
    if payout.conversion is not None:
        markup = payout.conversion.markup
        expected.markup[markup.currency] += markup.minor


def _check_reserved(view: View, name: UUID, deposit: DepositState) -> None:
    """The cap of a charge: what is reserved of it are the payouts that live."""
    live = sum(
        payout.amount.minor
        for _, payout in view.of(PayoutState)
        if payout.route.deposit == name
        and payout.phase not in {PayoutPhase.FAILED, PayoutPhase.RETURNED}
    )
    assert sum(deposit.reserved.values()) == live, f"I3 the cap of {name} does not fit"


def can_convert(view: View, deposit: DepositState) -> bool:
    """Whether something of it waits that would come to a minor unit at today's rate."""
    left = deposit.amount.minor - deposit.clawed_total
    if left == 0:
        return False
    amount, sim = Money(left, deposit.amount.currency), view.sim
    rate = sim.market.quote(amount.currency, deposit.into, sim.schedule.now)
    try:
        convert(amount, deposit.into, rate, deposit.markup_bps)
    except InvalidInput:
        return False
    return True
