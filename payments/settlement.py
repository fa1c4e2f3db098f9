"""The provider pays what it holds for us to our bank: clearing → bank. It never pays a client."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.decision import Decision, Fact, Kind, Stream
from ledger.facts import EntryPosted
from ledger.journal import Entry
from payments import bookings
from payments.facts import ReviewOpened, SettlementFailed, SettlementPaid
from payments.notices import SettlementNotice, SettlementStatus

if TYPE_CHECKING:
    from payments.link import Merchant


class SettlementState(msgspec.Struct, frozen=True):
    """Whether the money is shown as paid, and whether it failed after that."""

    paid: bool = False
    failed: bool = False
    failed_at: datetime | None = None


def evolve(state: SettlementState, fact: Fact) -> SettlementState:
    """Fold one fact into the settlement."""
    match fact:
        case SettlementPaid():
            return SettlementState(paid=True)
        case SettlementFailed():
            return SettlementState(paid=state.paid, failed=True, failed_at=fact.seen_at)
        case _:
            return state


SETTLEMENT: Kind[SettlementState] = Kind("settlement", SettlementState(), evolve)


def settlement_stream(settlement: UUID) -> Stream[SettlementState]:
    """Name a settlement."""
    return SETTLEMENT(settlement)


def merge_settlement(
    decision: Decision, merchant: Merchant, notice: SettlementNotice, bank: str
) -> None:
    """Book the payment to our bank once, and take it back if it failed. Failed is the end."""
    settlement = merchant.id_of(notice.created_at, "settlement", notice.reference)
    stream = settlement_stream(settlement)
    state, at = decision.get(stream), notice.happened_at
    late = state.failed_at is not None and at > state.failed_at
    if notice.status is SettlementStatus.PAID and late:
        reason = f"settlement {notice.reference} failed, and is now said to be paid"
        decision.record(stream, ReviewOpened(subject=settlement, reason=reason), at=at)
    moved = bookings.settled_to_bank(merchant.entity, merchant.name, bank, notice.amount)
    if notice.status is SettlementStatus.PAID and not state.paid and not state.failed:
        decision.record(
            stream,
            SettlementPaid(
                settlement=settlement,
                provider=merchant.provider,
                merchant_account=merchant.name,
                reference=notice.reference,
                amount=notice.amount,
            ),
            at=at,
        )
        decision.record(stream, EntryPosted(cause=settlement, entry=moved), at=at)
    if notice.status in {SettlementStatus.FAILED, SettlementStatus.CANCELLED} and not state.failed:
        decision.record(
            stream,
            SettlementFailed(
                settlement=settlement,
                reference=notice.reference,
                amount=notice.amount,
                seen_at=at,
            ),
            at=at,
        )
        if state.paid:
            back = Entry("settlement failed", tuple(bookings.reversed_legs(moved.postings)))
            decision.record(stream, EntryPosted(cause=settlement, entry=back), at=at)
