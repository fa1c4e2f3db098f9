"""What the provider reports of a dispute: the case, the money, and what they mean for the client.

Merged into what is known; then the difference to what is booked is booked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.facts import ContestReleased, EntryPosted, FundsContested
from ledger.ids import DisputeId
from ledger.money import Money
from ledger.wallet import open_wallet, record
from payments import bookings, facts
from payments.clawback import can_claw_back, claw_back, disputed_share
from payments.deposit import deposit_stream
from payments.dispute import FACT, PHASE, RANK, TRANSITIONS, DisputeState, Phase, dispute_stream
from payments.link import park, payment_link
from payments.notices import BalanceLine, CaseStatus, DisputeNotice

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ledger.decision import Decision
    from payments.link import Merchant

_ORDER: dict[CaseStatus, int] = {status: order for order, status in enumerate(CaseStatus)}
_CHARGED = frozenset({Phase.LOST, Phase.PREVENTED})
"""The cardholder has the money back: by the scheme, or by a settlement before the chargeback."""


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
