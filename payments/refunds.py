"""Refunds that we did not start: made in the provider's dashboard, booked, shown to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.money import Money
from payments import bookings
from payments.clawback import can_claw_back, claw_back
from payments.deposit import deposit_stream, require_deposit
from payments.facts import DepositRefunded, DepositRefundFailed, ReviewOpened
from payments.link import link_refund
from payments.notices import RefundNotice, RefundStatus

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.decision import Decision
    from ledger.ids import DepositId
    from payments.link import Merchant

_TAKEN = frozenset(
    {
        RefundStatus.PENDING,
        RefundStatus.REQUIRES_ACTION,
        RefundStatus.SUCCEEDED,
        RefundStatus.UNKNOWN,
    }
)
"""The provider takes the money when the refund is made; only a certain failure gives it back."""


def merge_refund(
    decision: Decision, deposit: DepositId, merchant: Merchant, notice: RefundNotice
) -> None:
    """Merge a refund into what is known of the deposit. A failed refund stays failed."""
    link_refund(decision, merchant, notice.reference, notice.amount, deposit=deposit)
    state = require_deposit(decision, deposit)
    stream, at = deposit_stream(deposit), notice.happened_at
    known = state.refunds.get(notice.reference)
    if notice.status in _TAKEN and known is None:
        decision.record(
            stream,
            DepositRefunded(deposit=deposit, refund=notice.reference, amount=notice.amount),
            at=at,
        )
        reason = f"a refund that we did not start: {notice.reference}"
        decision.record(stream, ReviewOpened(subject=deposit, reason=reason), at=at)
    elif notice.status not in _TAKEN and known != 0:
        decision.record(
            stream,
            DepositRefundFailed(deposit=deposit, refund=notice.reference, amount=notice.amount),
            at=at,
        )


def rebalance(decision: Decision, deposit: DepositId, *, at: datetime) -> None:
    """Make what is clawed back for refunds equal to what the provider gave back."""
    state = require_deposit(decision, deposit)
    if not can_claw_back(state):
        return
    wanted = sum(state.refunds.values())
    moved = wanted - state.clawed.get(deposit, 0)
    if moved == 0:
        return
    claw_back(
        decision,
        deposit,
        cause=deposit,
        total=wanted,
        counter=bookings.clearing(state.entity, state.merchant_account),
        taken=Money(moved, state.amount.currency),
        dispute=None,
        at=at,
    )
