"""What providers tell us: kept first, acted on after.

`receive` puts the verified message into the log with its bytes beside it. `apply` merges what it
says; a notice about a payment that we do not know waits on that payment's link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.decision import Decision, Fact, Kind, Stream
from ledger.ids import DepositId, PayoutId
from payments import deposit_notices, dispute_notices, payout_notices, refunds, settlement
from payments.deposit import deposit_stream
from payments.facts import NoticeApplied, NoticeReceived, ReviewOpened
from payments.link import Merchant, link_refund, park, payment_link
from payments.notices import (
    DisputeNotice,
    FraudWarningNotice,
    Notice,
    PaymentNotice,
    PayoutNotice,
    RefundNotice,
    SettlementNotice,
)
from payments.payout import PayoutPhase, payout_stream

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.fx import Quote


class NoticeState(msgspec.Struct, frozen=True):
    """Whether the message is kept, and was merged at least once."""

    received: bool = False
    applied: bool = False


def evolve(state: NoticeState, fact: Fact) -> NoticeState:
    """Fold one fact into the notice."""
    match fact:
        case NoticeReceived():
            return NoticeState(received=True)
        case NoticeApplied():
            return NoticeState(received=True, applied=True)
        case _:
            return state


NOTICE: Kind[NoticeState] = Kind("notice", NoticeState(), evolve)


def notice_id(merchant: Merchant, created_at: datetime, event: str) -> UUID:
    """Our id of a provider's event: the same event always has the same."""
    return merchant.id_of(created_at, "event", event)


def notice_stream(notice: UUID) -> Stream[NoticeState]:
    """Name a notice."""
    return NOTICE(notice)


def receive(decision: Decision, notice: NoticeReceived) -> None:
    """Keep a verified message. Delivered again, it is kept once."""
    if not decision.get(notice_stream(notice.notice)).received:
        decision.record(notice_stream(notice.notice), notice, at=notice.created_at)


def deposit_of(decision: Decision, merchant: Merchant, notice: Notice) -> DepositId | None:
    """Whose payment a notice speaks of: by the payment's link, else by our own id in it."""
    match notice:
        case PaymentNotice():
            # What is linked stays linked, whatever somebody writes into the metadata later.
            linked = decision.get(payment_link(merchant, notice.reference)).deposit
            if linked is None and notice.deposit is not None:
                return _ours(decision, merchant, DepositId(notice.deposit))
            return linked
        case RefundNotice() | DisputeNotice() | FraudWarningNotice():
            if notice.payment is None:
                return None
            return decision.get(payment_link(merchant, notice.payment)).deposit
        case PayoutNotice() | SettlementNotice():
            return None


def apply(
    decision: Decision,
    merchant: Merchant,
    notice: Notice,
    notice_id: UUID | None,
    *,
    rate: Quote | None,
    bank: str,
) -> None:
    """Merge what a notice says into what is known, and book the difference.

    Args:
        notice_id: the kept message that says it; None for a provider's answer to our own call.
        rate: a quote that passes policy at the provider's time, where one may be needed.
        bank: the bank account that the merchant account settles to.
    """
    deposit = deposit_of(decision, merchant, notice)
    match notice:
        case PaymentNotice():
            if deposit is None:
                _unknown_payment(decision, merchant, notice.reference, notice_id)
            else:
                deposit_notices.merge_payment(decision, deposit, merchant, notice, rate)
        case RefundNotice():
            _apply_refund(decision, merchant, deposit, notice, notice_id)
        case PayoutNotice():
            _apply_payout(decision, notice, notice_id)
        case DisputeNotice():
            dispute_notices.merge_dispute(decision, merchant, notice, notice_id)
        case SettlementNotice():
            settlement.merge_settlement(decision, merchant, notice, bank)
        case FraudWarningNotice():
            _apply_warning(decision, merchant, deposit, notice, notice_id)
    if deposit is not None:
        rebalance(decision, deposit, at=notice.happened_at)
    _applied(decision, notice_id)


def set_aside(decision: Decision, notice_id: UUID, reason: str | None) -> None:
    """Finish a notice that says nothing we act on; with a reason, a person looks at it."""
    if reason is not None:
        _review(decision, notice_id, reason)
    _applied(decision, notice_id)


def _applied(decision: Decision, notice_id: UUID | None) -> None:
    # A parked notice is applied again when what it speaks of is known, and then says so again.
    if notice_id is not None:
        decision.get(notice_stream(notice_id))
        decision.record(notice_stream(notice_id), NoticeApplied(notice=notice_id))


def rebalance(decision: Decision, deposit: DepositId, *, at: datetime) -> None:
    """Book what a deposit's refunds and disputes amount to, now that it may have changed."""
    refunds.rebalance(decision, deposit, at=at)
    for dispute in decision.get(deposit_stream(deposit)).disputes:
        dispute_notices.rebalance(decision, dispute, at=at)


def _apply_payout(decision: Decision, notice: PayoutNotice, notice_id: UUID | None) -> None:
    if notice.payout is not None and _is_ours(decision, notice.payout):
        payout_notices.merge_outbound(decision, PayoutId(notice.payout), notice)
    else:
        _review(decision, notice_id, f"a payout that we did not start: {notice.reference}")


def _apply_refund(
    decision: Decision,
    merchant: Merchant,
    deposit: DepositId | None,
    notice: RefundNotice,
    notice_id: UUID | None,
) -> None:
    if notice.payout is not None and _is_ours(decision, notice.payout):
        payout = PayoutId(notice.payout)
        link_refund(decision, merchant, notice.reference, notice.amount, payout=payout)
        payout_notices.merge_refund(decision, payout, notice)
    elif deposit is not None:
        refunds.merge_refund(decision, deposit, merchant, notice)
    elif notice.payment is not None and notice_id is not None:
        park(decision, merchant, notice.payment, notice_id)
    else:
        _review(decision, notice_id, f"a refund of no payment: {notice.reference}")


def _apply_warning(
    decision: Decision,
    merchant: Merchant,
    deposit: DepositId | None,
    notice: FraudWarningNotice,
    notice_id: UUID | None,
) -> None:
    assert notice_id is not None, "a warning is no answer to a call"
    if deposit is not None:
        deposit_notices.merge_warning(decision, deposit, notice.reference)
    elif notice.payment is not None:
        park(decision, merchant, notice.payment, notice_id)
    if not decision.get(notice_stream(notice_id)).applied:
        _review(decision, notice_id, f"early fraud warning on {notice.charge}")


def _unknown_payment(
    decision: Decision, merchant: Merchant, reference: str, notice_id: UUID | None
) -> None:
    if notice_id is not None:
        park(decision, merchant, reference, notice_id)
    _review(decision, notice_id, f"a payment that we did not start: {reference}")


def _ours(decision: Decision, merchant: Merchant, deposit: DepositId) -> DepositId | None:
    """Trust the id in the metadata only where it names a deposit through this very account."""
    state = decision.get(deposit_stream(deposit))
    through = (state.entity, state.provider, state.merchant_account)
    return deposit if through == (merchant.entity, merchant.provider, merchant.name) else None


def _is_ours(decision: Decision, payout: UUID) -> bool:
    state = decision.get(payout_stream(PayoutId(payout)))
    return state.phase is not PayoutPhase.NONE


def _review(decision: Decision, notice: UUID | None, reason: str) -> None:
    assert notice is not None, f"the provider answered our call with {reason}"
    decision.record(notice_stream(notice), ReviewOpened(subject=notice, reason=reason))
