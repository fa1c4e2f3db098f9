"""A dispute on two tracks: the case moves no money, the provider's balance lines do.

Case    inquiry → open → represented → won | lost | prevented, and won → open again (reopened)
Money   withdrawn, reinstated: booked line by line, in the line's currency
Client  what the two amount to: held while the case is open, charged when it is lost (or was
        settled before it became a chargeback) *and* the money is gone, given back when it is won
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.decision import Decision, Fact, Kind, Stream
from ledger.facts import ContestReleased, EntryPosted, FundsContested
from ledger.ids import DepositId, DisputeId, EntityId
from ledger.money import Money
from ledger.wallet import open_wallet, record
from payments import bookings, facts
from payments.clawback import can_claw_back, claw_back, disputed_share
from payments.deposit import deposit_stream
from payments.link import park, payment_link
from payments.notices import BalanceLine, CaseStatus, DisputeNotice

if TYPE_CHECKING:
    from payments.link import Merchant


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
_ORDER: dict[CaseStatus, int] = {status: order for order, status in enumerate(CaseStatus)}
_CHARGED = frozenset({Phase.LOST, Phase.PREVENTED})
"""The cardholder has the money back: by the scheme, or by a settlement before the chargeback."""


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


def merge_dispute(
    decision: Decision, merchant: Merchant, notice: DisputeNotice, notice_id: UUID | None
) -> None:
    """Merge a dispute notice: the case, the lines, and what they amount to for the client.

    A dispute of a payment that we do not know yet is in the queue at once (its deadline runs),
    and waits for the payment with what concerns the client.
    """
    dispute = DisputeId(merchant.id_of(notice.created_at, "dispute", notice.reference))
    if not decision.get(dispute_stream(dispute)).is_known:
        decision.record(
            dispute_stream(dispute),
            facts.DisputeOpened(
                dispute=dispute,
                entity=merchant.entity,
                provider=merchant.provider,
                merchant_account=merchant.name,
                reference=notice.reference,
                charge=notice.charge,
                amount=notice.amount,
                reason=notice.reason,
                opened_at=notice.created_at,
            ),
            at=notice.created_at,
        )
    _link(decision, merchant, dispute, notice, notice_id)
    _move_case(decision, dispute, notice)
    for line in notice.lines:
        _book_line(decision, dispute, line)
    rebalance(decision, dispute, at=notice.happened_at)


def rebalance(decision: Decision, dispute: DisputeId, *, at: datetime) -> None:
    """Book the difference between what the dispute's facts amount to and what is booked."""
    state = decision.get(dispute_stream(dispute))
    if state.deposit is None:
        return
    deposit = decision.get(deposit_stream(state.deposit))
    if not can_claw_back(deposit):
        return
    lost = state.phase in _CHARGED and state.money_is_gone
    total = deposit.amount.minor
    if state.amount.currency == deposit.amount.currency:
        total = min(total, state.amount.minor)
    for currency, minor in sorted(state.withdrawn.items()):
        wanted = minor if lost else 0
        moved = wanted - state.taken.get(currency, 0)
        if moved == 0:
            continue
        decision.record(
            dispute_stream(dispute),
            facts.DisputeCharged(dispute=dispute, taken=Money(wanted, currency)),
            at=at,
        )
        claw_back(
            decision,
            state.deposit,
            cause=dispute,
            total=total if lost else 0,
            counter=bookings.contested(state.entity, state.merchant_account),
            taken=Money(moved, currency),
            dispute=dispute,
            at=at,
        )
    _hold(decision, state, dispute, at=at)


def _link(
    decision: Decision,
    merchant: Merchant,
    dispute: DisputeId,
    notice: DisputeNotice,
    notice_id: UUID | None,
) -> None:
    state = decision.get(dispute_stream(dispute))
    if state.deposit is not None or notice.payment is None:
        return
    deposit = decision.get(payment_link(merchant, notice.payment)).deposit
    if deposit is None:
        if notice_id is None:
            return
        park(decision, merchant, notice.payment, notice_id)
        return
    client = decision.get(deposit_stream(deposit)).client
    decision.record(
        dispute_stream(dispute),
        facts.DisputeLinked(dispute=dispute, deposit=deposit, client=client),
    )
    decision.record(
        deposit_stream(deposit), facts.DisputeAttached(deposit=deposit, dispute=dispute)
    )


def _move_case(decision: Decision, dispute: DisputeId, notice: DisputeNotice) -> None:
    state = decision.get(dispute_stream(dispute))
    phase, before = PHASE[notice.status], state.phase
    if before is not None and state.status is not None:
        said = _order(notice.status, notice.happened_at, notice.due_by)
        if said <= _order(state.status, state.seen_at, state.due_by):
            return
        if notice.status is state.status and notice.due_by == state.due_by:
            seen = facts.CaseSeen(dispute=dispute, seen_at=notice.happened_at)
            decision.record(dispute_stream(dispute), seen, at=notice.happened_at)
            return
        if phase not in TRANSITIONS[before]:
            reason = f"dispute went from {before} to {phase}"
            decision.record(
                dispute_stream(dispute),
                facts.ReviewOpened(subject=dispute, reason=reason),
                at=notice.happened_at,
            )
            return
    decision.record(
        dispute_stream(dispute),
        FACT[phase](
            dispute=dispute,
            status=notice.status,
            seen_at=notice.happened_at,
            due_by=notice.due_by,
        ),
        at=notice.happened_at,
    )


def _order(
    status: CaseStatus, seen_at: datetime, due_by: datetime | None
) -> tuple[datetime, int, int, datetime]:
    """What is newer: the provider's time, then a fixed order, so that delivery decides nothing."""
    return (seen_at, RANK[PHASE[status]], _ORDER[status], due_by or seen_at)


def _book_line(decision: Decision, dispute: DisputeId, line: BalanceLine) -> None:
    """Book a balance line once: out of our favour it is withdrawn, in our favour reinstated."""
    state = decision.get(dispute_stream(dispute))
    if line.reference in state.lines:
        return
    withdrawn = line.amount < 0
    kind = facts.DisputeFundsWithdrawn if withdrawn else facts.DisputeFundsReinstated
    amount, fee = Money(-line.amount, line.currency), Money(line.fee, line.currency)
    decision.record(
        dispute_stream(dispute),
        kind(
            dispute=dispute,
            line=line.reference,
            amount=amount if withdrawn else -amount,
            fee=fee,
        ),
        at=line.created_at,
    )
    moved = bookings.disputed_funds(state.entity, state.merchant_account, amount, fee)
    decision.record(
        dispute_stream(dispute), EntryPosted(cause=dispute, entry=moved), at=line.created_at
    )


def _hold(decision: Decision, state: DisputeState, dispute: DisputeId, *, at: datetime) -> None:
    assert state.deposit is not None
    deposit = decision.get(deposit_stream(state.deposit))
    if not deposit.is_credited:
        return
    purse = open_wallet(decision, deposit.entity, deposit.client, deposit.into)
    amount = disputed_share(deposit, state.amount)
    wanted = amount.minor if state.wants_hold else 0
    held = purse.contests.get(dispute, 0)
    if held == wanted:
        return
    if held:
        released = bookings.uncontest(purse, dispute)
        purse = record(decision, purse, ContestReleased(dispute=dispute, entry=released), at=at)
    if wanted:
        taken = bookings.contest(purse, amount)
        fact = FundsContested(dispute=dispute, minor=wanted, entry=taken)
        record(decision, purse, fact, at=at)
