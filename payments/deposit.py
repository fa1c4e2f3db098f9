"""A client's payment to us: announced, authorised, confirmed, settled, failed, refunded.

Notices of the provider are merged into what is known; then the difference between what the known
facts amount to and what is booked is booked. So duplicates and any order give the same books.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.chart import client_account
from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict, InvalidInput, NotFound, Refusal
from ledger.facts import EntryPosted, WalletCredited
from ledger.fx import Conversion, Quote, convert
from ledger.ids import ClientId, DepositId, DisputeId, EntityId, PayoutId
from ledger.money import Money, usable_asset
from ledger.wallet import open_wallet, record, wallet
from payments import bookings, facts
from payments.link import Merchant, link_payment
from payments.notices import BalanceLine, PaymentNotice, PaymentStatus

if TYPE_CHECKING:
    from datetime import datetime


class DepositStatus(StrEnum):
    """Where a deposit stands."""

    NONE = "none"
    INITIATED = "initiated"
    AUTHORISED = "authorised"
    FAILED = "failed"
    CONFIRMED = "confirmed"
    SUSPENDED = "suspended"


TRANSITIONS: dict[DepositStatus, frozenset[DepositStatus]] = {
    DepositStatus.NONE: frozenset({DepositStatus.INITIATED}),
    DepositStatus.INITIATED: frozenset(
        {
            DepositStatus.AUTHORISED,
            DepositStatus.FAILED,
            DepositStatus.CONFIRMED,
            DepositStatus.SUSPENDED,
        }
    ),
    DepositStatus.AUTHORISED: frozenset(
        {DepositStatus.FAILED, DepositStatus.CONFIRMED, DepositStatus.SUSPENDED}
    ),
    # A declined card may be tried again on the same payment.
    DepositStatus.FAILED: frozenset({DepositStatus.CONFIRMED, DepositStatus.SUSPENDED}),
    DepositStatus.CONFIRMED: frozenset(),
    DepositStatus.SUSPENDED: frozenset(),
}
"""The allowed transitions. Refunds, disputes and settlement are amounts beside the status."""


class DepositState(msgspec.Struct, frozen=True):
    """What is known and what is booked of one deposit. Integers are minor units of `amount`."""

    status: DepositStatus = DepositStatus.NONE
    client: ClientId = ClientId(UUID(int=0))
    entity: EntityId = EntityId("")
    provider: str = ""
    merchant_account: str = ""
    amount: Money = Money(0, "EUR")
    into: str = ""
    markup_bps: Decimal = Decimal(0)
    quote: Quote | None = None
    attempts: int = 0
    reference: str | None = None
    charge: str | None = None
    conversion: Conversion | None = None
    settlement: facts.DepositSettled | None = None
    refunds: dict[str, int] = {}
    reserved: dict[PayoutId, int] = {}
    is_warned: bool = False
    disputes: tuple[DisputeId, ...] = ()
    clawed: dict[UUID, int] = {}

    @property
    def is_received(self) -> bool:
        """Whether the provider has collected the money for us."""
        return self.status in {DepositStatus.CONFIRMED, DepositStatus.SUSPENDED}

    @property
    def is_credited(self) -> bool:
        """Whether the client has the money (not waiting for a rate, not in suspense)."""
        return self.status is DepositStatus.CONFIRMED and (
            self.amount.currency == self.into or self.conversion is not None
        )

    @property
    def waits_for_rate(self) -> bool:
        """Whether the money is received and stands in `client:unconverted`."""
        return self.status is DepositStatus.CONFIRMED and not self.is_credited

    @property
    def clawed_total(self) -> int:
        """How much of it has been taken back from the client: never more than there was."""
        return min(self.amount.minor, sum(self.clawed.values()))

    @property
    def refundable(self) -> int:
        """Captured − refunds; nothing of a charge that is disputed or warned of fraud."""
        if self.status is not DepositStatus.CONFIRMED or self.disputes or self.is_warned:
            return 0
        return self.amount.minor - sum(self.refunds.values()) - sum(self.reserved.values())


def evolve(state: DepositState, fact: Fact) -> DepositState:
    """Fold one fact into the deposit."""
    replace = msgspec.structs.replace
    match fact:
        case facts.DepositInitiated():
            return DepositState(
                DepositStatus.INITIATED,
                fact.client,
                fact.entity,
                fact.provider,
                fact.merchant_account,
                fact.amount,
                fact.into,
                fact.markup_bps,
                fact.quote,
            )
        case facts.PaymentClaimed():
            return replace(state, attempts=fact.attempt)
        case facts.PaymentSubmitted():
            return replace(state, reference=fact.reference)
        case facts.DepositAuthorised():
            return replace(state, status=DepositStatus.AUTHORISED)
        case facts.DepositFailed():
            return replace(state, status=DepositStatus.FAILED)
        case facts.DepositConfirmed():
            return replace(
                state,
                status=DepositStatus.CONFIRMED,
                charge=fact.charge,
                conversion=fact.conversion,
            )
        case facts.DepositSuspended():
            return replace(state, status=DepositStatus.SUSPENDED, amount=fact.amount)
        case facts.DepositConverted():
            return replace(state, conversion=fact.conversion)
        case facts.DepositSettled():
            return replace(state, settlement=fact)
        case _:
            return _evolve_returns(state, fact)


def _evolve_returns(state: DepositState, fact: Fact) -> DepositState:
    replace = msgspec.structs.replace
    match fact:
        case facts.DepositRefunded():
            return replace(state, refunds=state.refunds | {fact.refund: fact.amount.minor})
        case facts.DepositRefundFailed():
            return replace(state, refunds=state.refunds | {fact.refund: 0})
        case facts.RefundReserved():
            return replace(state, reserved=state.reserved | {fact.payout: fact.amount.minor})
        case facts.RefundRestored():
            return replace(state, reserved=state.reserved | {fact.payout: 0})
        case facts.ChargeWarned():
            return replace(state, is_warned=True)
        case facts.DisputeAttached():
            return replace(state, disputes=(*state.disputes, fact.dispute))
        case facts.DepositChargedBack():
            return replace(state, clawed=state.clawed | {fact.cause: fact.total.minor})
        case _:
            return state


DEPOSIT: Kind[DepositState] = Kind("deposit", DepositState(), evolve)


def deposit_stream(deposit: DepositId) -> Stream[DepositState]:
    """Name a deposit."""
    return DEPOSIT(deposit)


def require_deposit(decision: Decision, deposit: DepositId) -> DepositState:
    """Return the deposit, or refuse."""
    state = decision.get(deposit_stream(deposit))
    if state.status is DepositStatus.NONE:
        raise NotFound("no such deposit", code="no_such_deposit")
    return state


# --- what the client and our own worker do ---


def initiate(decision: Decision, announced: facts.DepositInitiated) -> None:
    """Announce a deposit; the wallet it will credit is opened with it.

    Raises:
        InvalidInput: the amount is not positive, or a currency takes no new amounts.
        QuoteRefused: the accepted quote is of another pair (`quote_pair`).
    """
    if not announced.amount.is_positive:
        raise InvalidInput("a deposit is more than zero", code="amount_not_positive")
    today = decision.at.date()
    usable_asset(announced.amount.currency, today)
    usable_asset(announced.into, today)
    if announced.quote is not None:
        convert(announced.amount, announced.into, announced.quote, announced.markup_bps)
    stream = deposit_stream(announced.deposit)
    if decision.get(stream).status is not DepositStatus.NONE:
        raise Conflict("the deposit exists already", code="deposit_exists")
    open_wallet(decision, announced.entity, announced.client, announced.into)
    decision.record(stream, announced)


def claim(decision: Decision, deposit: DepositId, attempt: int) -> None:
    """Claim the next attempt to create the payment at the provider; only the claimant may call."""
    state = require_deposit(decision, deposit)
    if state.reference is not None or state.status is not DepositStatus.INITIATED:
        raise Conflict("the payment exists already", code="payment_exists")
    if attempt != state.attempts + 1:
        raise Conflict("another worker has this attempt", code="attempt_taken")
    decision.record(deposit_stream(deposit), facts.PaymentClaimed(attempt=attempt))


def answer_uncertain(decision: Decision, deposit: DepositId, attempt: int, detail: str) -> None:
    """Record that nobody knows whether the provider made the payment."""
    if require_deposit(decision, deposit).reference is None:
        decision.record(
            deposit_stream(deposit), facts.PaymentUncertain(attempt=attempt, detail=detail)
        )


def answer_declined(decision: Decision, deposit: DepositId, reason: str) -> None:
    """Record that the provider refused to make the payment."""
    if require_deposit(decision, deposit).status is DepositStatus.INITIATED:
        decision.record(
            deposit_stream(deposit), facts.DepositFailed(deposit=deposit, reason=reason)
        )


# --- what the provider reports ---


def quote_needed(state: DepositState, notice: PaymentNotice) -> bool:
    """Whether confirming this payment needs a rate beyond the accepted quote."""
    return state.amount.currency != state.into and not _quote_holds(state, notice.happened_at)


def merge_payment(
    decision: Decision,
    deposit: DepositId,
    merchant: Merchant,
    notice: PaymentNotice,
    rate: Quote | None,
) -> None:
    """Merge a payment notice into the deposit and book the difference.

    Args:
        rate: a quote that passes policy at the provider's time, where the accepted one does not.
    """
    state = require_deposit(decision, deposit)
    _link(decision, deposit, merchant, notice)
    match notice.status:
        case PaymentStatus.SUCCEEDED:
            _merge_success(decision, deposit, notice, rate)
        case PaymentStatus.AUTHORISED:
            if state.status is DepositStatus.INITIATED:
                decision.record(
                    deposit_stream(deposit),
                    facts.DepositAuthorised(deposit=deposit),
                    at=notice.happened_at,
                )
        case PaymentStatus.FAILED | PaymentStatus.CANCELLED:
            if DepositStatus.FAILED in TRANSITIONS[state.status]:
                reason = notice.failure_code or notice.raw_status
                decision.record(
                    deposit_stream(deposit),
                    facts.DepositFailed(deposit=deposit, reason=reason),
                    at=notice.happened_at,
                )
        case (
            PaymentStatus.INITIATED
            | PaymentStatus.REQUIRES_ACTION
            | PaymentStatus.PROCESSING
            | PaymentStatus.UNKNOWN
        ):
            pass
    if notice.settlement is not None:
        merge_settlement(decision, deposit, notice.settlement)


def _link(
    decision: Decision, deposit: DepositId, merchant: Merchant, notice: PaymentNotice
) -> None:
    known, stream = require_deposit(decision, deposit).reference, deposit_stream(deposit)
    is_news = link_payment(decision, merchant, notice.reference, deposit)
    if notice.charge is not None:
        link_payment(decision, merchant, notice.charge, deposit)
    if known is None:
        decision.record(stream, facts.PaymentSubmitted(reference=notice.reference))
    elif is_news and notice.reference != known:
        reason = f"a second payment of one deposit: {notice.reference}"
        decision.record(stream, facts.ReviewOpened(subject=deposit, reason=reason))


def merge_warning(decision: Decision, deposit: DepositId, warning: str) -> None:
    """Record that the issuer suspects fraud: no plan refunds the charge any more."""
    if not require_deposit(decision, deposit).is_warned:
        decision.record(
            deposit_stream(deposit), facts.ChargeWarned(deposit=deposit, warning=warning)
        )


def convert_waiting(
    decision: Decision, deposit: DepositId, rate: Quote, *, at: datetime | None = None
) -> None:
    """Convert money that waits in `client:unconverted`, at a rate that passes policy."""
    state = require_deposit(decision, deposit)
    if not state.waits_for_rate:
        return
    left = state.amount - Money(state.clawed_total, state.amount.currency)
    if left.is_zero:
        return
    conversion = convert(left, state.into, rate, state.markup_bps)
    waiting = client_account(state.entity, "client:unconverted", state.client)
    stream = deposit_stream(deposit)
    decision.record(stream, facts.DepositConverted(deposit=deposit, conversion=conversion), at=at)
    purse = open_wallet(decision, state.entity, state.client, state.into)
    moved = bookings.deposit_credited(purse, waiting, left, conversion, "deposit converted")
    record(decision, purse, WalletCredited(cause=deposit, entry=moved), at=at)


def merge_settlement(decision: Decision, deposit: DepositId, line: BalanceLine) -> None:
    """Keep the settlement line of a deposit, once, and book what it says.

    A line may be seen before the payment is: it is booked when the money is.
    """
    if require_deposit(decision, deposit).settlement is not None:
        return
    decision.record(
        deposit_stream(deposit),
        facts.DepositSettled(
            deposit=deposit,
            line=line.reference,
            line_at=line.created_at,
            gross=Money(line.amount, line.currency),
            fee=Money(line.fee, line.currency),
            exchange_rate=line.exchange_rate,
        ),
        at=line.created_at,
    )
    if require_deposit(decision, deposit).is_received:
        _book_settlement(decision, deposit)


def _book_settlement(decision: Decision, deposit: DepositId) -> None:
    """Book the provider's own conversion and its fee."""
    state = require_deposit(decision, deposit)
    line, stream = state.settlement, deposit_stream(deposit)
    if line is None:
        return
    entity, merchant = state.entity, state.merchant_account
    if line.gross.currency != state.amount.currency:
        moved = bookings.provider_converted(entity, merchant, state.amount, line.gross)
        decision.record(stream, EntryPosted(cause=deposit, entry=moved), at=line.line_at)
    if line.fee.is_positive:
        moved = bookings.provider_fee(entity, merchant, line.fee)
        decision.record(stream, EntryPosted(cause=deposit, entry=moved), at=line.line_at)


def _merge_success(
    decision: Decision, deposit: DepositId, notice: PaymentNotice, rate: Quote | None
) -> None:
    state = require_deposit(decision, deposit)
    if state.is_received:
        return
    if notice.received != state.amount:
        _suspend(decision, deposit, notice)
    else:
        _confirm(decision, deposit, notice, _conversion(state, notice, rate))
    _book_settlement(decision, deposit)


def _suspend(decision: Decision, deposit: DepositId, notice: PaymentNotice) -> None:
    """Money came that is not what was announced: it waits for a person."""
    state = require_deposit(decision, deposit)
    stream, at = deposit_stream(deposit), notice.happened_at
    reason = f"announced {state.amount}, received {notice.received}"
    decision.record(
        stream,
        facts.DepositSuspended(
            deposit=deposit, client=state.client, amount=notice.received, reason=reason
        ),
        at=at,
    )
    moved = bookings.deposit_suspended(
        state.entity, state.client, state.merchant_account, notice.received
    )
    decision.record(stream, EntryPosted(cause=deposit, entry=moved), at=at)
    decision.record(stream, facts.ReviewOpened(subject=deposit, reason=reason), at=at)


def _confirm(
    decision: Decision,
    deposit: DepositId,
    notice: PaymentNotice,
    conversion: Conversion | None,
) -> None:
    """The money is ours to credit: to the wallet, or where it waits for a rate."""
    state = require_deposit(decision, deposit)
    stream, at, entity = deposit_stream(deposit), notice.happened_at, state.entity
    decision.record(
        stream,
        facts.DepositConfirmed(
            deposit=deposit,
            client=state.client,
            amount=state.amount,
            charge=notice.charge,
            instrument=notice.instrument,
            conversion=conversion,
        ),
        at=at,
    )
    clearing = bookings.clearing(entity, state.merchant_account)
    if conversion is None and state.amount.currency != state.into:
        moved = bookings.deposit_waits(entity, state.client, state.merchant_account, state.amount)
        decision.record(stream, EntryPosted(cause=deposit, entry=moved), at=at)
        return
    purse = decision.get(wallet(entity, state.client, state.into))
    moved = bookings.deposit_credited(
        purse, clearing, state.amount, conversion, "deposit confirmed"
    )
    record(decision, purse, WalletCredited(cause=deposit, entry=moved), at=at)


def _conversion(
    state: DepositState, notice: PaymentNotice, rate: Quote | None
) -> Conversion | None:
    if state.amount.currency == state.into:
        return None
    quote = state.quote if _quote_holds(state, notice.happened_at) else rate
    if quote is None:
        return None
    try:
        return convert(state.amount, state.into, quote, state.markup_bps)
    except Refusal:
        # Received money is never refused: what cannot be converted now waits (a rate of another
        # pair, or less than one minor unit of the account currency).
        return None


def _quote_holds(state: DepositState, at: datetime) -> bool:
    return state.quote is not None and at <= state.quote.valid_until
