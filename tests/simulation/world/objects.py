"""The provider's own objects, and what it would report of each as it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ledger.money import Money
from payments.notices import (
    BalanceLine,
    CaseStatus,
    DisputeNotice,
    FraudWarningNotice,
    PaymentNotice,
    PaymentStatus,
    PayoutNotice,
    PayoutStatus,
    RefundNotice,
    RefundStatus,
    SettlementNotice,
    SettlementStatus,
)

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

PROVIDER: Final = "stripe"
MERCHANT: Final = "stripe-eu"


@dataclass(slots=True)
class Payment:
    """A client's payment, with what was given back and taken back of it."""

    reference: str
    deposit: UUID
    amount: Money
    created_at: datetime
    happened_at: datetime
    status: PaymentStatus = PaymentStatus.INITIATED
    received: int = 0
    charge: str | None = None
    line: BalanceLine | None = None
    refunded: int = 0
    disputed: bool = False

    def notice(self, *, with_line: bool = True) -> PaymentNotice:
        """Report it."""
        return PaymentNotice(
            provider=PROVIDER,
            merchant_account=MERCHANT,
            reference=self.reference,
            deposit=self.deposit,
            status=self.status,
            raw_status=self.status.value,
            amount=self.amount,
            received=Money(self.received, self.amount.currency),
            created_at=self.created_at,
            happened_at=self.happened_at,
            charge=self.charge,
            settlement=self.line if with_line else None,
        )


@dataclass(slots=True)
class Refund:
    """A refund of ours (with a payout) or one made by hand (without)."""

    reference: str
    payment: Payment
    payout: UUID | None
    amount: Money
    created_at: datetime
    happened_at: datetime
    line: BalanceLine
    status: RefundStatus = RefundStatus.PENDING
    failure_line: BalanceLine | None = None

    def notice(self) -> RefundNotice:
        """Report it."""
        return RefundNotice(
            provider=PROVIDER,
            merchant_account=MERCHANT,
            reference=self.reference,
            payment=self.payment.reference,
            charge=self.payment.charge,
            payout=self.payout,
            status=self.status,
            raw_status=self.status.value,
            amount=self.amount,
            created_at=self.created_at,
            happened_at=self.happened_at,
            line=self.line,
            failure_line=self.failure_line,
        )


@dataclass(slots=True)
class Outbound:
    """A payment to a client's bank."""

    reference: str
    payout: UUID
    amount: Money
    created_at: datetime
    happened_at: datetime
    status: PayoutStatus = PayoutStatus.PROCESSING

    def notice(self) -> PayoutNotice:
        """Report it."""
        return PayoutNotice(
            provider=PROVIDER,
            merchant_account=MERCHANT,
            reference=self.reference,
            payout=self.payout,
            status=self.status,
            raw_status=self.status.value,
            amount=self.amount,
            created_at=self.created_at,
            happened_at=self.happened_at,
        )


@dataclass(slots=True)
class Dispute:
    """A dispute of a payment: its case, and the lines that moved money."""

    reference: str
    payment: Payment
    amount: Money
    created_at: datetime
    happened_at: datetime
    status: CaseStatus
    lines: list[BalanceLine] = field(default_factory=list)

    @property
    def is_lost(self) -> bool:
        """Whether the cardholder keeps the money."""
        return self.status is CaseStatus.LOST and sum(line.amount for line in self.lines) < 0

    def notice(self) -> DisputeNotice:
        """Report it."""
        assert self.payment.charge is not None
        return DisputeNotice(
            provider=PROVIDER,
            merchant_account=MERCHANT,
            reference=self.reference,
            payment=self.payment.reference,
            charge=self.payment.charge,
            status=self.status,
            raw_status=self.status.value,
            amount=self.amount,
            reason="fraudulent",
            created_at=self.created_at,
            happened_at=self.happened_at,
            lines=tuple(self.lines),
        )

    def warning(self) -> FraudWarningNotice:
        """Report that the issuer suspects fraud."""
        assert self.payment.charge is not None
        return FraudWarningNotice(
            provider=PROVIDER,
            merchant_account=MERCHANT,
            reference=f"issfr_{self.reference}",
            payment=self.payment.reference,
            charge=self.payment.charge,
            kind="made_with_stolen_card",
            actionable=True,
            created_at=self.created_at,
            happened_at=self.created_at,
        )


@dataclass(slots=True)
class Settlement:
    """The provider's payment to our bank, and the lines that it pays."""

    reference: str
    amount: Money
    created_at: datetime
    happened_at: datetime
    lines: tuple[BalanceLine, ...]
    status: SettlementStatus = SettlementStatus.IN_TRANSIT

    def notice(self) -> SettlementNotice:
        """Report it."""
        return SettlementNotice(
            provider=PROVIDER,
            merchant_account=MERCHANT,
            reference=self.reference,
            status=self.status,
            raw_status=self.status.value,
            amount=self.amount,
            arrives_on=self.created_at.date(),
            automatic=True,
            created_at=self.created_at,
            happened_at=self.happened_at,
        )
