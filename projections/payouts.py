"""Payouts: what became of a withdrawal after it was submitted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from payments import facts
from payments.payout import PayoutPhase
from projections.rows import Folded, Table, known, stream_of

if TYPE_CHECKING:
    from ledger.decision import Event


class PayoutRow(msgspec.Struct, frozen=True):
    """A payout; `minor` beside `currency` is what the receiver is paid.

    Attributes:
        changed_at: when the phase last changed.
        uncertain: nobody knows yet whether the provider has it.
        credited_back: the money reached the wallet again after it had been paid.
    """

    payout: UUID
    withdrawal: UUID
    phase: PayoutPhase
    minor: int
    currency: str
    attempts: int
    uncertain: bool
    reference: str | None
    reason: str | None
    credited_back: bool
    changed_at: datetime
    position: int
    changed: int


def _evolve(row: PayoutRow | None, event: Event) -> PayoutRow:
    if isinstance(event.fact, facts.PayoutSubmitted):
        return PayoutRow(
            payout=event.fact.payout,
            withdrawal=event.fact.withdrawal,
            phase=PayoutPhase.SUBMITTED,
            minor=event.fact.amount.minor,
            currency=event.fact.amount.currency,
            attempts=0,
            uncertain=False,
            reference=None,
            reason=None,
            credited_back=False,
            changed_at=event.at,
            position=event.position,
            changed=event.position,
        )
    before = known(row, event)
    after = _moved(before, event)
    changed_at = before.changed_at if before.phase is after.phase else event.at
    return msgspec.structs.replace(after, changed_at=changed_at, changed=event.position)


def _moved(row: PayoutRow, event: Event) -> PayoutRow:
    replace = msgspec.structs.replace
    match event.fact:
        case facts.PayoutClaimed(attempt=attempt):
            return replace(row, attempts=attempt)
        case facts.PayoutUncertain():
            return replace(row, uncertain=True)
        case facts.PayoutSent(reference=reference):
            return replace(row, phase=PayoutPhase.SENT, reference=reference, uncertain=False)
        case facts.PayoutSettled(reference=reference):
            return replace(row, phase=PayoutPhase.SETTLED, reference=reference, uncertain=False)
        case facts.PayoutFailed(reason=reason):
            return replace(row, phase=PayoutPhase.FAILED, reason=reason, uncertain=False)
        case facts.PayoutReturned(reason=reason):
            return replace(row, phase=PayoutPhase.RETURNED, reason=reason)
        case facts.ReturnCredited():
            return replace(row, credited_back=True)
        case _:
            return row


PAYOUTS: Final = Folded(
    Table("payout", PayoutRow, "payout"),
    dict.fromkeys(
        (
            facts.PayoutSubmitted,
            facts.PayoutClaimed,
            facts.PayoutUncertain,
            facts.PayoutSent,
            facts.PayoutSettled,
            facts.PayoutFailed,
            facts.PayoutReturned,
            facts.ReturnCredited,
        ),
        stream_of,
    ),
    _evolve,
    begins=facts.PayoutSubmitted,
)
