"""What the provider answers and reports of a deposit: merged into what is known, then booked.

Duplicates and any order give the same books: what is booked is the difference between what the
known facts amount to and what is booked already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.facts import EntryPosted, WalletCredited
from ledger.money import Money
from ledger.wallet import record, wallet
from payments import bookings, facts
from payments.deposit import TRANSITIONS, DepositStatus, deposit_stream, require_deposit
from payments.deposit_conversion import conversion_at
from payments.link import Merchant, link_payment
from payments.notices import BalanceLine, PaymentNotice, PaymentStatus

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.decision import Decision
    from ledger.fx import Conversion, Quote
    from ledger.ids import DepositId


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
            elif state.received_at is not None and notice.happened_at > state.received_at:
                reason = f"received, and the provider now says {notice.raw_status}"
                _review(decision, deposit, reason, at=notice.happened_at)
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


def _merge_success(
    decision: Decision, deposit: DepositId, notice: PaymentNotice, rate: Quote | None
) -> None:
    state = require_deposit(decision, deposit)
    if state.is_received:
        return
    if notice.received != state.amount:
        _suspend(decision, deposit, notice)
    else:
        _confirm(decision, deposit, notice, conversion_at(state, notice, rate))
    _book_settlement(decision, deposit)


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
            received_at=notice.happened_at,
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


def merge_warning(decision: Decision, deposit: DepositId, warning: str) -> None:
    """Record that the issuer suspects fraud: no plan refunds the charge any more."""
    if not require_deposit(decision, deposit).is_warned:
        decision.record(
            deposit_stream(deposit), facts.ChargeWarned(deposit=deposit, warning=warning)
        )


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


def _review(decision: Decision, deposit: DepositId, reason: str, *, at: datetime) -> None:
    fact = facts.ReviewOpened(subject=deposit, reason=reason)
    decision.record(deposit_stream(deposit), fact, at=at)
