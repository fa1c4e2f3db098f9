"""Every event of the payments, in reading order.

Payment facts carry no postings: the entry stands in the wallet's fact or in `EntryPosted`,
recorded in the same append.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

from ledger.decision import Fact
from ledger.finding import Finding
from ledger.fx import Conversion, Quote
from ledger.ids import ClientId, DepositId, DisputeId, EntityId, PayoutId, WithdrawalId
from ledger.money import Money
from payments.notices import CaseStatus

# --- the provider's messages ---


class NoticeReceived(Fact, frozen=True):
    """A verified message of a provider is kept; its bytes lie encrypted beside the log."""

    NAME: ClassVar[str] = "payments.notice-received"
    notice: UUID
    provider: str
    merchant_account: str
    event: str
    event_type: str
    created_at: datetime
    sha256: str


class NoticeApplied(Fact, frozen=True):
    """What the message says is merged into what is known, and the difference is booked."""

    NAME: ClassVar[str] = "payments.notice-applied"
    notice: UUID


class EventsRead(Fact, frozen=True):
    """The provider's list of events is read up to this cursor: no lost message is a lost fact."""

    NAME: ClassVar[str] = "payments.events-read"
    provider: str
    merchant_account: str
    cursor: str


class NoticeParked(Fact, frozen=True):
    """A provider speaks of a payment that we do not know yet: applied when it is linked."""

    NAME: ClassVar[str] = "payments.notice-parked"
    notice: UUID


class PaymentLinked(Fact, frozen=True):
    """The provider's payment belongs to this deposit."""

    NAME: ClassVar[str] = "payments.payment-linked"
    deposit: DepositId
    reference: str


class RefundLinked(Fact, frozen=True):
    """The provider's refund is this payout of ours, or was made by hand of this deposit."""

    NAME: ClassVar[str] = "payments.refund-linked"
    reference: str
    amount: Money
    payout: PayoutId | None = None
    deposit: DepositId | None = None


class LineBooked(Fact, frozen=True):
    """A balance line is dealt with: booked, or given to a person."""

    NAME: ClassVar[str] = "payments.line-booked"
    reference: str
    line: str


class ReviewOpened(Fact, frozen=True):
    """Something a rule may not decide: a person must look."""

    NAME: ClassVar[str] = "payments.review-opened"
    subject: UUID
    reason: str


# --- deposits ---


class DepositInitiated(Fact, frozen=True):
    """The client asked to pay in. The quote, if one was accepted, is fixed here.

    `quote_until` is the end of the promise to the client, where that is before the source's own.
    """

    NAME: ClassVar[str] = "payments.deposit-initiated"
    deposit: DepositId
    client: ClientId
    entity: EntityId
    provider: str
    merchant_account: str
    method: str
    amount: Money
    into: str
    markup_bps: Decimal = Decimal(0)
    quote: Quote | None = None
    quote_until: datetime | None = None


class PaymentClaimed(Fact, frozen=True):
    """One worker may now call the provider, as attempt n."""

    NAME: ClassVar[str] = "payments.payment-claimed"
    attempt: int


class PaymentSubmitted(Fact, frozen=True):
    """The provider has the payment."""

    NAME: ClassVar[str] = "payments.payment-submitted"
    reference: str


class PaymentUncertain(Fact, frozen=True):
    """The call's outcome is unknown: ask before anything is repeated."""

    NAME: ClassVar[str] = "payments.payment-uncertain"
    attempt: int
    detail: str


class DepositAuthorised(Fact, frozen=True):
    """The payment is authorised; the money is not ours yet."""

    NAME: ClassVar[str] = "payments.deposit-authorised"
    deposit: DepositId


class DepositFailed(Fact, frozen=True):
    """The payment came to nothing."""

    NAME: ClassVar[str] = "payments.deposit-failed"
    deposit: DepositId
    reason: str


class DepositConfirmed(Fact, frozen=True):
    """The provider says that the money is ours to credit.

    Without a conversion and in another currency than `into`, it waits in `client:unconverted`.
    """

    NAME: ClassVar[str] = "payments.deposit-confirmed"
    deposit: DepositId
    client: ClientId
    amount: Money
    received_at: datetime
    charge: str | None = None
    instrument: str | None = None
    conversion: Conversion | None = None


class DepositSuspended(Fact, frozen=True):
    """Money came that is not what was announced: it waits in suspense for a person."""

    NAME: ClassVar[str] = "payments.deposit-suspended"
    deposit: DepositId
    client: ClientId
    amount: Money
    reason: str


class DepositConverted(Fact, frozen=True):
    """A rate passed policy: the waiting money becomes the client's, in the account currency."""

    NAME: ClassVar[str] = "payments.deposit-converted"
    deposit: DepositId
    conversion: Conversion


class DepositSettled(Fact, frozen=True):
    """The provider's settlement line shows the deposit, its fee and its own conversion."""

    NAME: ClassVar[str] = "payments.deposit-settled"
    deposit: DepositId
    line: str
    line_at: datetime
    gross: Money
    fee: Money
    exchange_rate: Decimal | None = None


class DepositRefunded(Fact, frozen=True):
    """The provider gave money back that we did not ask it to: `amount` so far, of this refund."""

    NAME: ClassVar[str] = "payments.deposit-refunded"
    deposit: DepositId
    refund: str
    amount: Money


class DepositRefundFailed(Fact, frozen=True):
    """A refund that we did not start came to nothing after all."""

    NAME: ClassVar[str] = "payments.deposit-refund-failed"
    deposit: DepositId
    refund: str
    amount: Money


class RefundReserved(Fact, frozen=True):
    """A payout goes back to this charge: it counts against what may still be refunded."""

    NAME: ClassVar[str] = "payments.refund-reserved"
    deposit: DepositId
    payout: PayoutId
    amount: Money


class RefundRestored(Fact, frozen=True):
    """The payout came to nothing: the charge may be refunded again."""

    NAME: ClassVar[str] = "payments.refund-restored"
    deposit: DepositId
    payout: PayoutId
    amount: Money


class ChargeWarned(Fact, frozen=True):
    """The issuer suspects fraud on this deposit's charge: it is never refunded by a plan again."""

    NAME: ClassVar[str] = "payments.charge-warned"
    deposit: DepositId
    warning: str


class DisputeAttached(Fact, frozen=True):
    """A dispute names this deposit's charge: it is never refunded by a plan again."""

    NAME: ClassVar[str] = "payments.dispute-attached"
    deposit: DepositId
    dispute: DisputeId


class DepositChargedBack(Fact, frozen=True):
    """How much of the deposit one cause takes back in all: its refunds, or a lost dispute."""

    NAME: ClassVar[str] = "payments.deposit-charged-back"
    deposit: DepositId
    cause: UUID
    total: Money


# --- conversions between a client's wallets ---


class FundsConverted(Fact, frozen=True):
    """The client exchanged money between two of their wallets, at this rate."""

    NAME: ClassVar[str] = "payments.funds-converted"
    conversion_id: UUID
    client: ClientId
    entity: EntityId
    conversion: Conversion


class QuoteGiven(Fact, frozen=True):
    """A client was offered a rate, until a time, for this much."""

    NAME: ClassVar[str] = "payments.quote-given"
    quote_id: UUID
    client: ClientId
    entity: EntityId
    sold: Money
    into: str
    markup_bps: Decimal
    quote: Quote
    valid_until: datetime


class QuoteAccepted(Fact, frozen=True):
    """A quote is used once, by this deposit or conversion."""

    NAME: ClassVar[str] = "payments.quote-accepted"
    quote_id: UUID
    used_by: UUID


# --- withdrawals ---


class RouteKind(StrEnum):
    """How the money leaves."""

    REFUND = "refund"
    BANK = "bank"


class Route(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Where a payout goes: back to a deposit's charge, or to a verified recipient.

    Attributes:
        currency: the currency in which the receiver is paid.
        deposit: the deposit whose charge is refunded (`refund`).
        recipient: the provider's reference of a verified own-name recipient (`bank`).
        method: which account of the recipient (`bank`).
    """

    kind: RouteKind
    provider: str
    merchant_account: str
    currency: str
    deposit: DepositId | None = None
    recipient: str | None = None
    method: str | None = None


class WithdrawalRequested(Fact, frozen=True):
    """The client asked for money; it is held from here on."""

    NAME: ClassVar[str] = "payments.withdrawal-requested"
    withdrawal: WithdrawalId
    client: ClientId
    entity: EntityId
    amount: Money
    route: Route
    expires_at: datetime


class WithdrawalHeld(Fact, frozen=True):
    """At least one gate is closed: it waits, and the hold stays."""

    NAME: ClassVar[str] = "payments.withdrawal-held"
    withdrawal: WithdrawalId
    findings: tuple[Finding, ...]


class WithdrawalCleared(Fact, frozen=True):
    """Every gate is open. Clearing never frees money."""

    NAME: ClassVar[str] = "payments.withdrawal-cleared"
    withdrawal: WithdrawalId
    findings: tuple[Finding, ...]


class WithdrawalApproved(Fact, frozen=True):
    """A person approved it: the event's actor is their subject."""

    NAME: ClassVar[str] = "payments.withdrawal-approved"
    withdrawal: WithdrawalId
    subject: str


class WithdrawalCancelled(Fact, frozen=True):
    """The client took it back before submission; the hold is released."""

    NAME: ClassVar[str] = "payments.withdrawal-cancelled"
    withdrawal: WithdrawalId


class WithdrawalRejected(Fact, frozen=True):
    """It cannot be paid; the hold is released. Rejected is not confiscated."""

    NAME: ClassVar[str] = "payments.withdrawal-rejected"
    withdrawal: WithdrawalId
    reason: str


class WithdrawalExpired(Fact, frozen=True):
    """It waited too long for its gates; the hold is released."""

    NAME: ClassVar[str] = "payments.withdrawal-expired"
    withdrawal: WithdrawalId


class WithdrawalSubmitted(Fact, frozen=True):
    """The intent to pay exists: from here neither cancellation nor expiry can release."""

    NAME: ClassVar[str] = "payments.withdrawal-submitted"
    withdrawal: WithdrawalId
    payout: PayoutId


# --- payouts ---


class PayoutSubmitted(Fact, frozen=True):
    """The held money is in transit; the provider is to be called."""

    NAME: ClassVar[str] = "payments.payout-submitted"
    payout: PayoutId
    withdrawal: WithdrawalId
    client: ClientId
    entity: EntityId
    route: Route
    held: Money
    amount: Money
    conversion: Conversion | None = None


class PayoutClaimed(Fact, frozen=True):
    """One worker may now call the provider, as attempt n."""

    NAME: ClassVar[str] = "payments.payout-claimed"
    payout: PayoutId
    attempt: int


class PayoutUncertain(Fact, frozen=True):
    """The call's outcome is unknown: ask before anything is repeated."""

    NAME: ClassVar[str] = "payments.payout-uncertain"
    payout: PayoutId
    attempt: int
    detail: str


class PayoutSent(Fact, frozen=True):
    """The provider has the payout."""

    NAME: ClassVar[str] = "payments.payout-sent"
    payout: PayoutId
    reference: str
    seen_at: datetime | None = None


class PayoutSettled(Fact, frozen=True):
    """The provider shows the money as paid."""

    NAME: ClassVar[str] = "payments.payout-settled"
    payout: PayoutId
    reference: str
    seen_at: datetime | None = None


class PayoutFailed(Fact, frozen=True):
    """The payout came to nothing; the money is the client's, not yet in the wallet."""

    NAME: ClassVar[str] = "payments.payout-failed"
    payout: PayoutId
    reason: str
    seen_at: datetime | None = None


class PayoutReturned(Fact, frozen=True):
    """Paid, and sent back by the receiver's bank."""

    NAME: ClassVar[str] = "payments.payout-returned"
    payout: PayoutId
    reason: str
    seen_at: datetime | None = None


class PayoutLineBooked(Fact, frozen=True):
    """A balance line of the payout is in the books: the provider's conversion and fee."""

    NAME: ClassVar[str] = "payments.payout-line-booked"
    payout: PayoutId
    line: str


class ReturnCredited(Fact, frozen=True):
    """Returned money reaches the wallet, at the conversion with which it left."""

    NAME: ClassVar[str] = "payments.return-credited"
    payout: PayoutId


# --- disputes: the case moves no money, the provider's balance lines do ---


class DisputeOpened(Fact, frozen=True):
    """A provider tells of a dispute for the first time."""

    NAME: ClassVar[str] = "payments.dispute-opened"
    dispute: DisputeId
    entity: EntityId
    provider: str
    merchant_account: str
    reference: str
    charge: str | None
    amount: Money
    reason: str
    opened_at: datetime


class DisputeLinked(Fact, frozen=True):
    """The dispute's charge is this client's deposit."""

    NAME: ClassVar[str] = "payments.dispute-linked"
    dispute: DisputeId
    deposit: DepositId
    client: ClientId


class CaseFact(Fact, frozen=True):
    """A step of the case: the status in neutral words, and the provider's time of it."""

    NAME: ClassVar[str] = ""
    dispute: DisputeId
    status: CaseStatus
    seen_at: datetime
    due_by: datetime | None = None


class InquiryOpened(CaseFact, frozen=True):
    """The scheme asks before it disputes. Nothing is debited."""

    NAME: ClassVar[str] = "payments.inquiry-opened"


class InquiryClosed(CaseFact, frozen=True):
    """The inquiry ended without a chargeback."""

    NAME: ClassVar[str] = "payments.inquiry-closed"


class ChargebackOpened(CaseFact, frozen=True):
    """The cardholder's bank disputes the charge; evidence is due by the provider's deadline."""

    NAME: ClassVar[str] = "payments.chargeback-opened"


class ChargebackRepresented(CaseFact, frozen=True):
    """Our evidence is with the scheme."""

    NAME: ClassVar[str] = "payments.chargeback-represented"


class ChargebackWon(CaseFact, frozen=True):
    """The dispute ended for us. Money comes back by its own balance line."""

    NAME: ClassVar[str] = "payments.chargeback-won"


class ChargebackLost(CaseFact, frozen=True):
    """The dispute ended against us: what was withdrawn is charged to the client."""

    NAME: ClassVar[str] = "payments.chargeback-lost"


class DisputePrevented(CaseFact, frozen=True):
    """The dispute was settled before it became a chargeback."""

    NAME: ClassVar[str] = "payments.dispute-prevented"


class DisputeUnclear(CaseFact, frozen=True):
    """The provider's status is none that we know: a person must look."""

    NAME: ClassVar[str] = "payments.dispute-unclear"


class CaseSeen(Fact, frozen=True):
    """The case still stands as it did, at this later time: what is older changes nothing."""

    NAME: ClassVar[str] = "payments.case-seen"
    dispute: DisputeId
    seen_at: datetime


class DisputeCharged(Fact, frozen=True):
    """How much of the withdrawn money is charged to the client in all, in this currency."""

    NAME: ClassVar[str] = "payments.dispute-charged"
    dispute: DisputeId
    taken: Money


class DisputeFundsWithdrawn(Fact, frozen=True):
    """A balance line took the disputed money (and a fee) from us."""

    NAME: ClassVar[str] = "payments.dispute-funds-withdrawn"
    dispute: DisputeId
    line: str
    amount: Money
    fee: Money


class DisputeFundsReinstated(Fact, frozen=True):
    """A balance line gave the disputed money (and perhaps the fee) back to us."""

    NAME: ClassVar[str] = "payments.dispute-funds-reinstated"
    dispute: DisputeId
    line: str
    amount: Money
    fee: Money


# --- the provider settles to our bank ---


class SettlementPaid(Fact, frozen=True):
    """The provider paid out to our bank account."""

    NAME: ClassVar[str] = "payments.settlement-paid"
    settlement: UUID
    provider: str
    merchant_account: str
    reference: str
    amount: Money


class SettlementFailed(Fact, frozen=True):
    """The provider's payment to our bank did not arrive after all."""

    NAME: ClassVar[str] = "payments.settlement-failed"
    settlement: UUID
    reference: str
    amount: Money
    seen_at: datetime | None = None


FACTS: tuple[type[Fact], ...] = (
    NoticeReceived,
    NoticeApplied,
    EventsRead,
    NoticeParked,
    PaymentLinked,
    RefundLinked,
    LineBooked,
    ReviewOpened,
    DepositInitiated,
    PaymentClaimed,
    PaymentSubmitted,
    PaymentUncertain,
    DepositAuthorised,
    DepositFailed,
    DepositConfirmed,
    DepositSuspended,
    DepositConverted,
    DepositSettled,
    DepositRefunded,
    DepositRefundFailed,
    RefundReserved,
    RefundRestored,
    ChargeWarned,
    DisputeAttached,
    DepositChargedBack,
    FundsConverted,
    QuoteGiven,
    QuoteAccepted,
    WithdrawalRequested,
    WithdrawalHeld,
    WithdrawalCleared,
    WithdrawalApproved,
    WithdrawalCancelled,
    WithdrawalRejected,
    WithdrawalExpired,
    WithdrawalSubmitted,
    PayoutSubmitted,
    PayoutClaimed,
    PayoutUncertain,
    PayoutSent,
    PayoutSettled,
    PayoutFailed,
    PayoutReturned,
    PayoutLineBooked,
    ReturnCredited,
    DisputeOpened,
    DisputeLinked,
    InquiryOpened,
    ChargebackOpened,
    ChargebackRepresented,
    ChargebackWon,
    ChargebackLost,
    DisputePrevented,
    InquiryClosed,
    DisputeUnclear,
    CaseSeen,
    DisputeCharged,
    DisputeFundsWithdrawn,
    DisputeFundsReinstated,
    SettlementPaid,
    SettlementFailed,
)
