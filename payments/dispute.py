"""A dispute on two tracks: the case moves no money, the provider's balance lines do.

Case    inquiry → open → represented → won | lost | prevented, and won → open again (reopened)
Money   withdrawn, reinstated: booked line by line, in the line's currency
Client  what the two amount to: held while the case is open, charged when it is lost (or was
        settled before it became a chargeback) *and* the money is gone, given back when it is won

What the provider reports is merged in `dispute_notices`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from ledger.decision import Fact, Kind, Stream
from ledger.ids import DepositId, DisputeId, EntityId
from ledger.money import Money
from payments import facts
from payments.notices import CaseStatus


class Phase(StrEnum):
    """What a case status amounts to for us."""

    INQUIRY = "inquiry"
    CLOSED = "closed"
    OPEN = "open"
    REPRESENTED = "represented"
    PREVENTED = "prevented"
    WON = "won"
    LOST = "lost"
    UNCLEAR = "unclear"


PHASE: dict[CaseStatus, Phase] = {
    CaseStatus.WARNING_NEEDS_RESPONSE: Phase.INQUIRY,
    CaseStatus.WARNING_UNDER_REVIEW: Phase.INQUIRY,
    CaseStatus.WARNING_CLOSED: Phase.CLOSED,
    CaseStatus.NEEDS_RESPONSE: Phase.OPEN,
    CaseStatus.UNDER_REVIEW: Phase.REPRESENTED,
    CaseStatus.APPEAL_NEEDS_RESPONSE: Phase.OPEN,
    CaseStatus.APPEAL_UNDER_REVIEW: Phase.REPRESENTED,
    CaseStatus.PREVENTED: Phase.PREVENTED,
    CaseStatus.WON: Phase.WON,
    CaseStatus.LOST: Phase.LOST,
    CaseStatus.ACCEPTED: Phase.LOST,
    CaseStatus.UNKNOWN: Phase.UNCLEAR,
}

FACT: dict[Phase, type[facts.CaseFact]] = {
    Phase.INQUIRY: facts.InquiryOpened,
    Phase.CLOSED: facts.InquiryClosed,
    Phase.OPEN: facts.ChargebackOpened,
    Phase.REPRESENTED: facts.ChargebackRepresented,
    Phase.PREVENTED: facts.DisputePrevented,
    Phase.WON: facts.ChargebackWon,
    Phase.LOST: facts.ChargebackLost,
    Phase.UNCLEAR: facts.DisputeUnclear,
}

_ANY = frozenset(Phase)
TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    Phase.INQUIRY: _ANY,
    # A closed inquiry may become a chargeback, of which any later step may be told first.
    Phase.CLOSED: _ANY,
    Phase.OPEN: _ANY - {Phase.INQUIRY, Phase.CLOSED},
    Phase.REPRESENTED: _ANY - {Phase.INQUIRY, Phase.CLOSED},
    Phase.PREVENTED: frozenset({Phase.PREVENTED, Phase.UNCLEAR}),
    # Won may be reopened (second chargeback, pre-arbitration), lost may be appealed.
    Phase.WON: frozenset({Phase.WON, Phase.OPEN, Phase.REPRESENTED, Phase.LOST, Phase.UNCLEAR}),
    Phase.LOST: frozenset({Phase.LOST, Phase.OPEN, Phase.REPRESENTED, Phase.WON, Phase.UNCLEAR}),
    Phase.UNCLEAR: _ANY,
}
"""The allowed transitions of a case; any other opens a review."""

RANK: dict[Phase, int] = {phase: rank for rank, phase in enumerate(Phase)}
"""Order within one second of the provider's clock; a later second always wins."""


class DisputeState(msgspec.Struct, frozen=True):
    """What is known of a dispute. Integers are minor units, by currency."""

    dispute: DisputeId = DisputeId(UUID(int=0))
    entity: EntityId = EntityId("")
    merchant_account: str = ""
    amount: Money = Money(0, "EUR")
    deposit: DepositId | None = None
    status: CaseStatus | None = None
    seen_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    due_by: datetime | None = None
    lines: frozenset[str] = frozenset()
    withdrawn: dict[str, int] = {}
    taken: dict[str, int] = {}

    @property
    def is_known(self) -> bool:
        """Whether the dispute was ever told of."""
        return bool(self.entity)

    @property
    def phase(self) -> Phase | None:
        """Where the case stands for us."""
        return None if self.status is None else PHASE[self.status]

    @property
    def money_is_gone(self) -> bool:
        """Whether the provider has more of ours than it gave back."""
        return any(minor > 0 for minor in self.withdrawn.values())

    @property
    def wants_hold(self) -> bool:
        """Whether the client's money is to be held: the outcome is open, or money went silently."""
        match self.phase:
            case Phase.OPEN | Phase.REPRESENTED:
                return True
            case Phase.LOST:
                return not self.money_is_gone
            case None | Phase.UNCLEAR | Phase.INQUIRY | Phase.CLOSED:
                return self.money_is_gone
            case Phase.WON | Phase.PREVENTED:
                return False


def evolve(state: DisputeState, fact: Fact) -> DisputeState:
    """Fold one fact into the dispute."""
    replace = msgspec.structs.replace
    match fact:
        case facts.DisputeOpened():
            return DisputeState(fact.dispute, fact.entity, fact.merchant_account, fact.amount)
        case facts.DisputeLinked():
            return replace(state, deposit=fact.deposit)
        case facts.CaseFact():
            return replace(state, status=fact.status, seen_at=fact.seen_at, due_by=fact.due_by)
        case facts.CaseSeen():
            return replace(state, seen_at=fact.seen_at)
        case facts.DisputeFundsWithdrawn():
            return _moved(state, fact.line, fact.amount)
        case facts.DisputeFundsReinstated():
            return _moved(state, fact.line, -fact.amount)
        case facts.DisputeCharged():
            return replace(state, taken=state.taken | {fact.taken.currency: fact.taken.minor})
        case _:
            return state


def _moved(state: DisputeState, line: str, amount: Money) -> DisputeState:
    before = state.withdrawn.get(amount.currency, 0)
    return msgspec.structs.replace(
        state,
        lines=state.lines | {line},
        withdrawn=state.withdrawn | {amount.currency: before + amount.minor},
    )


DISPUTE: Kind[DisputeState] = Kind("dispute", DisputeState(), evolve)


def dispute_stream(dispute: DisputeId) -> Stream[DisputeState]:
    """Name a dispute."""
    return DISPUTE(dispute)
