"""What the provider answers and reports of a payout: merged into what is known, then booked.

Duplicates and any order give the same books; what is older than what is known changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.facts import EntryPosted
from ledger.money import Money
from payments import bookings, facts
from payments.notices import BalanceLine, PayoutNotice, PayoutStatus, RefundNotice, RefundStatus
from payments.payout import TRANSITIONS, PayoutPhase, payout_stream, require_payout
from payments.payout_return import came_back, credit, fail

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.decision import Decision
    from ledger.ids import PayoutId

REFUND_PHASE: dict[RefundStatus, PayoutPhase] = {
    RefundStatus.PENDING: PayoutPhase.SENT,
    RefundStatus.REQUIRES_ACTION: PayoutPhase.SENT,
    RefundStatus.UNKNOWN: PayoutPhase.SENT,
    RefundStatus.SUCCEEDED: PayoutPhase.SETTLED,
    RefundStatus.FAILED: PayoutPhase.FAILED,
    RefundStatus.CANCELLED: PayoutPhase.FAILED,
}
OUTBOUND_PHASE: dict[PayoutStatus, PayoutPhase] = {
    PayoutStatus.PROCESSING: PayoutPhase.SENT,
    PayoutStatus.UNKNOWN: PayoutPhase.SENT,
    PayoutStatus.POSTED: PayoutPhase.SETTLED,
    PayoutStatus.FAILED: PayoutPhase.FAILED,
    PayoutStatus.CANCELLED: PayoutPhase.FAILED,
    PayoutStatus.RETURNED: PayoutPhase.RETURNED,
}


def merge_refund(decision: Decision, payout: PayoutId, notice: RefundNotice) -> None:
    """Merge a refund that we started."""
    reason = notice.failure_code or notice.raw_status
    if not _is_our_amount(decision, payout, notice.amount, at=notice.happened_at):
        return
    phase = REFUND_PHASE[notice.status]
    _merge(decision, payout, phase, notice.reference, reason, at=notice.happened_at)
    for line in (notice.line, notice.failure_line):
        if line is not None:
            book_line(decision, payout, line)


def merge_outbound(decision: Decision, payout: PayoutId, notice: PayoutNotice) -> None:
    """Merge a payout to the client's own bank."""
    reason = notice.reason or notice.raw_status
    if not _is_our_amount(decision, payout, notice.amount, at=notice.happened_at):
        return
    phase = OUTBOUND_PHASE[notice.status]
    _merge(decision, payout, phase, notice.reference, reason, at=notice.happened_at)


def _is_our_amount(decision: Decision, payout: PayoutId, told: Money, *, at: datetime) -> bool:
    """Whether the provider speaks of what we sent; anything else is for a person."""
    sent = require_payout(decision, payout).amount
    if told != sent:
        _review(decision, payout, f"sent {sent}, and the provider tells of {told}", at=at)
    return told == sent


def _merge(
    decision: Decision,
    payout: PayoutId,
    phase: PayoutPhase,
    reference: str,
    reason: str,
    *,
    at: datetime,
) -> None:
    state = require_payout(decision, payout)
    stream = payout_stream(payout)
    if phase not in TRANSITIONS[state.phase]:
        _mistrust(decision, payout, phase, at=at)
        return
    if state.reference is None:
        decision.record(
            stream, facts.PayoutSent(payout=payout, reference=reference, seen_at=at), at=at
        )
    match phase:
        case PayoutPhase.SENT:
            pass
        case PayoutPhase.SETTLED:
            _settle(decision, payout, reference, at=at)
        case PayoutPhase.FAILED if state.phase is PayoutPhase.SETTLED:
            decision.record(
                stream, facts.PayoutFailed(payout=payout, reason=reason, seen_at=at), at=at
            )
            came_back(decision, payout, at=at)
        case PayoutPhase.FAILED:
            fail(decision, payout, reason, at=at)
        case PayoutPhase.RETURNED:
            if state.phase is not PayoutPhase.SETTLED:
                _settle(decision, payout, reference, at=at)
            decision.record(
                stream, facts.PayoutReturned(payout=payout, reason=reason, seen_at=at), at=at
            )
            came_back(decision, payout, at=at)
        case PayoutPhase.NONE | PayoutPhase.SUBMITTED:
            raise AssertionError("the provider reports no such phase")


def _settle(decision: Decision, payout: PayoutId, reference: str, *, at: datetime) -> None:
    state = require_payout(decision, payout)
    stream = payout_stream(payout)
    decision.record(
        stream, facts.PayoutSettled(payout=payout, reference=reference, seen_at=at), at=at
    )
    moved = bookings.payout_settled(
        state.entity, state.client, state.route.merchant_account, state.amount
    )
    decision.record(stream, EntryPosted(cause=payout, entry=moved), at=at)


def _mistrust(decision: Decision, payout: PayoutId, phase: PayoutPhase, *, at: datetime) -> None:
    """Ask a person where later news contradicts what is known; older news is nothing.

    Paid after it failed, came back or was declined: the client may have the money twice.
    """
    state = require_payout(decision, payout)
    ended = state.phase in {PayoutPhase.FAILED, PayoutPhase.RETURNED}
    later = state.seen_at is None or at > state.seen_at
    paid = phase in {PayoutPhase.SENT, PayoutPhase.SETTLED}
    if ended and paid and (state.was_declined or (later and phase is PayoutPhase.SETTLED)):
        _review(decision, payout, f"{state.phase}, and the provider now says {phase}", at=at)


def _review(decision: Decision, payout: PayoutId, reason: str, *, at: datetime) -> None:
    fact = facts.ReviewOpened(subject=payout, reason=reason)
    decision.record(payout_stream(payout), fact, at=at)


def book_line(decision: Decision, payout: PayoutId, line: BalanceLine) -> None:
    """Book what the provider's balance line adds to the payout: its conversion and its fee."""
    state = require_payout(decision, payout)
    if line.reference in state.lines:
        return
    stream, entity, merchant = payout_stream(payout), state.entity, state.route.merchant_account
    decision.record(
        stream, facts.PayoutLineBooked(payout=payout, line=line.reference), at=line.created_at
    )
    if line.currency != state.amount.currency:
        sign = 1 if line.gives_back else -1
        ours = Money(sign * state.amount.minor, state.amount.currency)
        moved = bookings.provider_converted(
            entity, merchant, ours, Money(line.amount, line.currency)
        )
        decision.record(stream, EntryPosted(cause=payout, entry=moved), at=line.created_at)
    if line.fee > 0:
        moved = bookings.provider_fee(entity, merchant, Money(line.fee, line.currency))
        decision.record(stream, EntryPosted(cause=payout, entry=moved), at=line.created_at)


def answer_uncertain(decision: Decision, payout: PayoutId, attempt: int, detail: str) -> None:
    """Record that nobody knows whether the provider has the payout."""
    if require_payout(decision, payout).phase is PayoutPhase.SUBMITTED:
        decision.record(
            payout_stream(payout),
            facts.PayoutUncertain(payout=payout, attempt=attempt, detail=detail),
        )


def answer_declined(decision: Decision, payout: PayoutId, reason: str) -> None:
    """Record that the provider refused the payout, with certainty; the money goes back at once."""
    if require_payout(decision, payout).phase is PayoutPhase.SUBMITTED:
        fail(decision, payout, reason, at=decision.at)
        credit(decision, payout)
