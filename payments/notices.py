"""What a payment provider reports, in no provider's words.

A report speaks of *one object of the provider* with its cumulative facts: repeated, late and out
of order are all the same to whoever merges it. Deliveries carry reports:

Report
├── PaymentNotice        a payment of a client to us
├── RefundNotice         a refund of such a payment
├── PayoutNotice         money we sent to a client's own bank account or card
├── DisputeNotice        a dispute of a payment: the case, and the provider's balance lines
├── SettlementNotice     the provider's own payment to *our* bank
├── FraudWarningNotice   an early warning: moves no money
├── Mention              the delivery names an object and does not show it: retrieve it
└── Unrecognised         a type, or contents, that we do not know: kept, acknowledged, not acted on
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

import msgspec

from ledger.money import Money


class PaymentStatus(StrEnum):
    """Where a payment stands. `unknown` is a word we do not know: treat as pending."""

    INITIATED = "initiated"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    AUTHORISED = "authorised"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class RefundStatus(StrEnum):
    """Where a refund stands. A refund that succeeded may fail days later."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class PayoutStatus(StrEnum):
    """Where a payout to a client stands. One that was posted may be returned."""

    PROCESSING = "processing"
    POSTED = "posted"
    FAILED = "failed"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class SettlementStatus(StrEnum):
    """Where the provider's payment to our bank stands. One that was paid may fail."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class CaseStatus(StrEnum):
    """Where a dispute's case stands. It never moves money: only the balance lines do."""

    WARNING_NEEDS_RESPONSE = "warning_needs_response"
    WARNING_UNDER_REVIEW = "warning_under_review"
    WARNING_CLOSED = "warning_closed"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    APPEAL_NEEDS_RESPONSE = "appeal_needs_response"
    APPEAL_UNDER_REVIEW = "appeal_under_review"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"


class MatchResult(StrEnum):
    """Whether the account's holder is who we think. Only `match` may be paid unasked."""

    MATCH = "match"
    CLOSE_MATCH = "close_match"
    NO_MATCH = "no_match"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


class ObjectKind(StrEnum):
    """What a `Mention` names."""

    PAYMENT = "payment"
    REFUND = "refund"
    PAYOUT = "payout"
    DISPUTE = "dispute"
    SETTLEMENT = "settlement"


class BalanceLine(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One line of the provider's account of what it owes us: the only thing that moves money there.

    Amounts are signed minor units of the asset's own exponent, in our favour positive.

    Attributes:
        reference: the provider's id of the line.
        type: the provider's word, e.g. `charge`, `refund`, `adjustment`, `payout`.
        category: the provider's coarser word, e.g. `dispute`, `dispute_reversal`, `fee`.
        net: what the balance moved by: always `amount - fee`.
        source: the provider's object that caused the line.
        exchange_rate: the provider's own rate, when it converted before it booked.
    """

    reference: str
    type: str
    category: str
    currency: str
    amount: int
    fee: int
    net: int
    created_at: datetime
    available_on: datetime
    source: str | None = None
    exchange_rate: Decimal | None = None

    @property
    def gives_back(self) -> bool:
        """Whether it is in our favour, also where the provider's rounding left nothing of it."""
        return self.amount > 0 or self.category == "refund_failure"


class PaymentNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as it stands.

    Attributes:
        deposit: our id, out of the provider's metadata; None for a payment we did not start.
        amount: what was asked for.
        received: what was captured so far, in the same currency.
        instrument: the provider's fingerprint of the card or account; no personal data.
        created_at: creation time of the payment, None where the delivery does not state it (it
            then shows another object of the payment, and `deposit` is never None).
        happened_at: the world's time of what is reported.
        settlement: the balance line of the capture, where the report shows it.
    """

    provider: str
    merchant_account: str
    reference: str
    deposit: UUID | None
    status: PaymentStatus
    raw_status: str
    amount: Money
    received: Money
    created_at: datetime | None
    happened_at: datetime
    charge: str | None = None
    instrument: str | None = None
    failure_code: str | None = None
    settlement: BalanceLine | None = None


class RefundNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as it stands. `payout` is our id; None for a refund somebody made by hand."""

    provider: str
    merchant_account: str
    reference: str
    payment: str | None
    charge: str | None
    payout: UUID | None
    status: RefundStatus
    raw_status: str
    amount: Money
    created_at: datetime
    happened_at: datetime
    failure_code: str | None = None
    line: BalanceLine | None = None
    failure_line: BalanceLine | None = None


class PayoutNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A payout to a client as it stands. `reason` is the provider's word for why it is not paid."""

    provider: str
    merchant_account: str
    reference: str
    payout: UUID | None
    status: PayoutStatus
    raw_status: str
    amount: Money
    created_at: datetime
    happened_at: datetime
    recipient: str | None = None
    reason: str | None = None


class DisputeNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute as it stands: the case track, and all balance lines so far as the money track."""

    provider: str
    merchant_account: str
    reference: str
    payment: str | None
    charge: str
    status: CaseStatus
    raw_status: str
    amount: Money
    reason: str
    created_at: datetime
    happened_at: datetime
    network_reason_code: str | None = None
    due_by: datetime | None = None
    past_due: bool = False
    lines: tuple[BalanceLine, ...] = ()


class SettlementNotice(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's own payment to our bank. What it pays: `balance_lines(settlement=...)`."""

    provider: str
    merchant_account: str
    reference: str
    status: SettlementStatus
    raw_status: str
    amount: Money
    arrives_on: date
    automatic: bool
    created_at: datetime
    happened_at: datetime
    failure_code: str | None = None
    lines: tuple[BalanceLine, ...] = ()


class FraudWarningNotice(msgspec.Struct, frozen=True, kw_only=True):
    """The issuer suspects fraud on a charge. Moves no money; the charge is refunded no more."""

    provider: str
    merchant_account: str
    reference: str
    payment: str | None
    charge: str
    kind: str
    actionable: bool
    created_at: datetime
    happened_at: datetime


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that names an object without showing it: retrieve the object, then act."""

    kind: ObjectKind
    reference: str
    happened_at: datetime


class Unrecognised(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery we cannot act on. `detail` says why, where the type is one that we know."""

    type: str
    detail: str = ""


Notice: TypeAlias = (
    PaymentNotice
    | RefundNotice
    | PayoutNotice
    | DisputeNotice
    | SettlementNotice
    | FraudWarningNotice
)
Report: TypeAlias = Notice | Mention | Unrecognised


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the provider, pushed or listed. `raw` are the bytes to keep."""

    provider: str
    merchant_account: str
    event: str
    type: str
    live: bool
    created_at: datetime
    report: Report
    raw: bytes
