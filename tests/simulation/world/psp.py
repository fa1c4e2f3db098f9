"""The provider's own world: what clients, banks and schemes do there, and its books of it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from ledger.money import Money
from payments.notices import (
    BalanceLine,
    CaseStatus,
    Delivery,
    Mention,
    ObjectKind,
    PaymentStatus,
    PayoutStatus,
    RefundStatus,
    Report,
    SettlementStatus,
)
from tests.simulation.world.objects import (
    MERCHANT,
    PROVIDER,
    Dispute,
    Outbound,
    Payment,
    Refund,
    Settlement,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from tests.simulation.world.schedule import Schedule

SETTLES_IN: Final = {"JPY": ("EUR", 3, 5), "KWD": ("USD", 8, 25)}
"""Collected → paid out to us, at so many minor units for so many: the provider's own rate."""
DISPUTE_FEE: Final = 1_500


class Psp:
    """Payments, refunds, payouts, disputes and settlements, with every line that moved money."""

    def __init__(self, schedule: Schedule, chance: random.Random) -> None:
        self.schedule, self.chance = schedule, chance
        self.converts = chance.random() < 0.5
        self.payments: dict[str, Payment] = {}
        self.refunds: dict[str, Refund] = {}
        self.outbounds: dict[str, Outbound] = {}
        self.disputes: dict[str, Dispute] = {}
        self.settlements: dict[str, Settlement] = {}
        self.events: list[Delivery] = []
        self.by_event: dict[bytes, Delivery] = {}
        self.on_event: Callable[[Delivery], None] = lambda delivery: None
        self.lines: list[BalanceLine] = []
        self.unsettled: dict[str, BalanceLine] = {}
        self.sent_out: Counter[str] = Counter()
        self._made = 0

    # --- its books

    @property
    def at(self) -> datetime:
        """The provider's clock knows whole seconds."""
        return self.schedule.now.replace(microsecond=0)

    def holds(self) -> Counter[str]:
        """What it holds for us by currency: its lines, less what it sent out and settled."""
        held: Counter[str] = Counter()
        for line in self.lines:
            held[line.currency] += line.net
        held.subtract(self.sent_out)
        held.subtract(self.banked())
        return held

    def banked(self) -> Counter[str]:
        """What reached our bank."""
        found: Counter[str] = Counter()
        for settlement in self.settlements.values():
            if settlement.status is SettlementStatus.PAID:
                found[settlement.amount.currency] += settlement.amount.minor
        return found

    def fees(self, *types: str) -> Counter[str]:
        """What it kept, of lines of these types."""
        kept: Counter[str] = Counter()
        for line in self.lines:
            if line.type in types:
                kept[line.currency] += line.fee
        return kept

    def book(self, kind: str, amount: Money, source: str, *, fee: int = 0) -> BalanceLine:
        """Book a line, in the currency in which it settles."""
        currency, minor = amount.currency, amount.minor
        if self.converts and currency in SETTLES_IN:
            currency, of, per = SETTLES_IN[currency]
            minor = minor * of // per
        line = BalanceLine(
            reference=self.name("txn"),
            type=kind,
            category={"adjustment": "dispute"}.get(kind, kind),
            currency=currency,
            amount=minor,
            fee=fee,
            net=minor - fee,
            created_at=self.at,
            available_on=self.at,
            source=source,
        )
        self.lines.append(line)
        self.unsettled[line.reference] = line
        return line

    def name(self, kind: str) -> str:
        """A new reference."""
        self._made += 1
        return f"{kind}_{self._made:04d}"

    def emit(self, kind: str, report: Report) -> None:
        """Tell of something, once; what becomes of the message is the network's."""
        event = self.name("evt")
        delivery = Delivery(
            provider=PROVIDER,
            merchant_account=MERCHANT,
            event=event,
            type=kind,
            live=False,
            created_at=self.at,
            report=report,
            raw=event.encode(),
        )
        self.events.append(delivery)
        self.by_event[delivery.raw] = delivery
        self.on_event(delivery)

    def _soon(self, most_s: int, name: str, act: Callable[[], object]) -> None:
        self.schedule.after(self.chance.randrange(most_s), f"psp: {name}", act)

    def _while(self) -> int:
        """Before anybody has heard of the last step, or long after."""
        return self.chance.choice((2, 60, 3_600))

    # --- payments

    def open_payment(self, deposit: UUID, amount: Money) -> Payment:
        """A payment exists; its client will do something with it, or not."""
        payment = Payment(self.name("pi"), deposit, amount, self.at, self.at)
        self.payments[payment.reference] = payment
        if self.chance.random() < 0.3:
            self.emit("payment.created", payment.notice())
        self._soon(900, f"client at {payment.reference}", lambda: self._attend(payment))
        return payment

    def _attend(self, payment: Payment) -> None:
        will = self.chance.random()
        if will < 0.05:
            return
        if will < 0.15 and payment.status is PaymentStatus.INITIATED:
            self._payment(payment, PaymentStatus.FAILED)
            self._soon(300, f"client again at {payment.reference}", lambda: self._attend(payment))
        elif will < 0.20:
            self._payment(payment, PaymentStatus.CANCELLED)
        elif will < 0.25:
            self.pay(payment, payment.amount.minor - payment.amount.minor // 10)
        else:
            self.pay(payment, payment.amount.minor)

    def _payment(self, payment: Payment, status: PaymentStatus) -> None:
        payment.status, payment.happened_at = status, self.at
        self.emit(f"payment.{status}", payment.notice())

    def pay(self, payment: Payment, minor: int) -> None:
        """The money is collected."""
        payment.received, payment.charge = minor, self.name("ch")
        payment.line = self.book(
            "charge",
            Money(minor, payment.amount.currency),
            payment.charge,
            fee=self.chance.choice((0, 1, 29)) if minor > 100 else 0,
        )
        payment.status, payment.happened_at = PaymentStatus.SUCCEEDED, self.at
        self.emit("payment.succeeded", payment.notice(with_line=self.chance.random() < 0.5))
        if self.chance.random() < 0.15:
            self._soon(
                self._while(), f"by hand: {payment.reference}", lambda: self._by_hand(payment)
            )
        if self.chance.random() < 0.25:
            self._soon(
                self._while(), f"dispute {payment.reference}", lambda: self._disputed(payment)
            )

    # --- refunds

    def refund(self, payment: Payment, amount: Money, payout: UUID | None) -> Refund:
        """Give a part back: the money leaves what it holds for us at once."""
        name = self.name("re")
        line = self.book("refund", -amount, name)
        refund = Refund(name, payment, payout, amount, self.at, self.at, line)
        payment.refunded += amount.minor
        self.refunds[name] = refund
        if self.chance.random() < 0.5:
            refund.status = RefundStatus.SUCCEEDED
        self.emit("refund.created", refund.notice())
        if self.chance.random() < 0.5:
            self._soon(self._while(), f"refund {name} goes on", lambda: self._refund_on(refund))
        return refund

    def left_of(self, payment: Payment) -> int:
        """How much of a payment can be given back."""
        is_open = payment.status is PaymentStatus.SUCCEEDED and not payment.disputed
        return payment.received - payment.refunded if is_open else 0

    def _by_hand(self, payment: Payment) -> None:
        if (left := self.left_of(payment)) > 0:
            minor = self.chance.randint(1, left)
            self.refund(payment, Money(minor, payment.amount.currency), None)

    def _refund_on(self, refund: Refund) -> None:
        if self.chance.random() < 0.5 and refund.status is not RefundStatus.FAILED:
            self._refund_fails(refund)
        elif refund.status is RefundStatus.PENDING:
            self._refund(refund, RefundStatus.SUCCEEDED)

    def _refund_fails(self, refund: Refund) -> None:
        refund.failure_line = self.book("refund_failure", refund.amount, refund.reference)
        refund.payment.refunded -= refund.amount.minor
        self._refund(refund, RefundStatus.FAILED)

    def _refund(self, refund: Refund, status: RefundStatus) -> None:
        refund.status, refund.happened_at = status, self.at
        self.emit(f"refund.{status}", refund.notice())

    # --- payouts to banks

    def send_out(self, payout: UUID, amount: Money) -> Outbound:
        """Send money to a client's bank."""
        outbound = Outbound(self.name("obp"), payout, amount, self.at, self.at)
        self.outbounds[outbound.reference] = outbound
        self.sent_out[amount.currency] += amount.minor
        self._mention(outbound)
        self._soon(
            self._while(), f"{outbound.reference} goes on", lambda: self._outbound_on(outbound)
        )
        return outbound

    def _outbound_on(self, outbound: Outbound) -> None:
        will = self.chance.random()
        if outbound.status is PayoutStatus.PROCESSING and will < 0.7:
            self._outbound(outbound, PayoutStatus.POSTED)
            self._soon(
                self._while(), f"{outbound.reference} on", lambda: self._outbound_on(outbound)
            )
        elif outbound.status is PayoutStatus.PROCESSING:
            failed = self.chance.choice((PayoutStatus.FAILED, PayoutStatus.CANCELLED))
            self._outbound(outbound, failed)
        elif outbound.status is PayoutStatus.POSTED and will < 0.4:
            self._outbound(outbound, PayoutStatus.RETURNED)

    def _outbound(self, outbound: Outbound, status: PayoutStatus) -> None:
        if status is not PayoutStatus.POSTED:
            self.sent_out[outbound.amount.currency] -= outbound.amount.minor
        outbound.status, outbound.happened_at = status, self.at
        self._mention(outbound)

    def _mention(self, outbound: Outbound) -> None:
        mention = Mention(kind=ObjectKind.PAYOUT, reference=outbound.reference, happened_at=self.at)
        self.emit(f"outbound.{outbound.status}", mention)

    # --- disputes

    def _disputed(self, payment: Payment) -> None:
        if payment.disputed:
            return
        part = self.chance.choice((1, 1, 2)) if payment.received > 1 else 1
        amount = Money(payment.received // part, payment.amount.currency)
        inquiry = self.chance.random() < 0.3
        status = CaseStatus.WARNING_NEEDS_RESPONSE if inquiry else CaseStatus.NEEDS_RESPONSE
        dispute = Dispute(self.name("dp"), payment, amount, self.at, self.at, status)
        self.disputes[dispute.reference] = dispute
        if self.chance.random() < 0.3:
            self.emit("warning", dispute.warning())
        self._dispute(dispute, status)
        if not inquiry:
            self._withdraw(dispute)
        self._soon(7_200, f"{dispute.reference} goes on", lambda: self._dispute_on(dispute))

    def _withdraw(self, dispute: Dispute) -> None:
        dispute.payment.disputed = True
        amount = -dispute.amount
        dispute.lines.append(self.book("adjustment", amount, dispute.reference, fee=DISPUTE_FEE))
        self._dispute(dispute, dispute.status)

    def _dispute_on(self, dispute: Dispute) -> None:
        """Most cases go on; one that was won may be opened again."""
        will, again = self.chance.random(), True
        match dispute.status:
            case CaseStatus.WARNING_NEEDS_RESPONSE if will < 0.5:
                self._dispute(dispute, CaseStatus.WARNING_CLOSED)
            case CaseStatus.WARNING_NEEDS_RESPONSE | CaseStatus.WARNING_CLOSED if will < 0.8:
                dispute.status = CaseStatus.NEEDS_RESPONSE
                self._withdraw(dispute)
            case CaseStatus.NEEDS_RESPONSE if will < 0.4:
                self._dispute(dispute, CaseStatus.UNDER_REVIEW)
            case CaseStatus.NEEDS_RESPONSE | CaseStatus.UNDER_REVIEW:
                self._close(dispute, won=will < 0.7)
            case CaseStatus.WON if will < 0.3:
                dispute.status = CaseStatus.NEEDS_RESPONSE
                self._withdraw(dispute)
            case _:
                again = False
        if again:
            self._soon(7_200, f"{dispute.reference} on", lambda: self._dispute_on(dispute))

    def _close(self, dispute: Dispute, *, won: bool) -> None:
        if won:
            back = self.chance.choice((0, -DISPUTE_FEE))
            line = self.book("adjustment", dispute.amount, dispute.reference, fee=back)
            dispute.lines.append(line)
            dispute.payment.disputed = False
        self._dispute(dispute, CaseStatus.WON if won else CaseStatus.LOST)

    def _dispute(self, dispute: Dispute, status: CaseStatus) -> None:
        dispute.status, dispute.happened_at = status, self.at
        self.emit(f"dispute.{status}", dispute.notice())

    # --- settlements

    def settle(self) -> None:
        """Pay what is there to our bank; a balance that is not positive waits."""
        for currency in sorted({line.currency for line in self.unsettled.values()}):
            lines = [line for line in self.unsettled.values() if line.currency == currency]
            net = sum(line.net for line in lines)
            if net <= 0:
                continue
            for line in lines:
                del self.unsettled[line.reference]
            name = self.name("po")
            paid = Settlement(name, Money(net, currency), self.at, self.at, tuple(lines))
            self.settlements[name] = paid
            self._settlement(paid, SettlementStatus.IN_TRANSIT)
            self._soon(3_600, f"{name} arrives", partial(self._arrive, paid))

    def _arrive(self, paid: Settlement) -> None:
        self._settlement(paid, SettlementStatus.PAID)
        if self.chance.random() < 0.2:
            self._soon(3_600, f"{paid.reference} fails", lambda: self._settlement_fails(paid))

    def _settlement_fails(self, paid: Settlement) -> None:
        self.unsettled |= {line.reference: line for line in paid.lines}
        self._settlement(paid, SettlementStatus.FAILED)

    def _settlement(self, paid: Settlement, status: SettlementStatus) -> None:
        paid.status, paid.happened_at = status, self.at
        self.emit(f"settlement.{status}", paid.notice())

    # --- the end

    def finish(self) -> bool:
        """Let everything that is pending come to its end. True when there was something."""
        refunds = [r for r in self.refunds.values() if r.status is RefundStatus.PENDING]
        payouts = [o for o in self.outbounds.values() if o.status is PayoutStatus.PROCESSING]
        for refund in refunds:
            self._refund(refund, RefundStatus.SUCCEEDED)
        for outbound in payouts:
            self._outbound(outbound, PayoutStatus.POSTED)
        return bool(refunds or payouts)

    def reveal(self) -> None:
        """List every line that is left once: our bank gets what there is, or a token of it."""
        self.settle()
        for currency in sorted({line.currency for line in self.unsettled.values()}):
            lines = tuple(li for li in self.unsettled.values() if li.currency == currency)
            paid = Settlement(self.name("po"), Money(1, currency), self.at, self.at, lines)
            self.settlements[paid.reference] = paid
            self._settlement(paid, SettlementStatus.PAID)
        self.unsettled.clear()
