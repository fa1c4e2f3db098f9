"""Stripe's words for where an object stands, and ours. A word that is not here is `unknown`."""

from __future__ import annotations

from typing import Final

from payments.notices import (
    CaseStatus,
    PaymentStatus,
    PayoutStatus,
    RefundStatus,
    SettlementStatus,
)
from payments.ports import MatchResult

PAYMENT: Final = {
    "requires_payment_method": PaymentStatus.INITIATED,
    "requires_confirmation": PaymentStatus.INITIATED,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "processing": PaymentStatus.PROCESSING,
    "requires_capture": PaymentStatus.AUTHORISED,
    "succeeded": PaymentStatus.SUCCEEDED,
    "canceled": PaymentStatus.CANCELLED,
}
CHARGE: Final = {
    "pending": PaymentStatus.PROCESSING,
    "succeeded": PaymentStatus.SUCCEEDED,
    "failed": PaymentStatus.FAILED,
}
REFUND: Final = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.REQUIRES_ACTION,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.CANCELLED,
}
OUTBOUND: Final = {
    "processing": PayoutStatus.PROCESSING,
    "posted": PayoutStatus.POSTED,
    "failed": PayoutStatus.FAILED,
    "returned": PayoutStatus.RETURNED,
    "canceled": PayoutStatus.CANCELLED,
}
SETTLEMENT: Final = {
    "pending": SettlementStatus.PENDING,
    "in_transit": SettlementStatus.IN_TRANSIT,
    "paid": SettlementStatus.PAID,
    "failed": SettlementStatus.FAILED,
    "canceled": SettlementStatus.CANCELLED,
}
CASE: Final = {str(status): status for status in CaseStatus}
MATCH: Final = {str(result): result for result in MatchResult}
