"""Money on its way to the client: submitted, sent, settled, failed, returned.

One table of transitions serves refunds of the client's own charges and payouts to a bank. What
the provider reports is merged; the difference to what is booked is booked.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.chart import Account, client_account
from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict, NotFound
from ledger.facts import EntryPosted, HoldCaptured, WalletCredited
from ledger.fx import Conversion, Quote, convert
from ledger.ids import ClientId, EntityId, PayoutId, WithdrawalId
from ledger.money import Money
from ledger.wallet import open_wallet, record, require_wallet
from payments import bookings, facts
from payments.deposit import deposit_stream, require_deposit
from payments.facts import Route, RouteKind
from payments.notices import BalanceLine, PayoutNotice, PayoutStatus, RefundNotice, RefundStatus
from payments.withdrawal import judge, payout_id, require_withdrawal, withdrawal_stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ledger.finding import Gate
    from ledger.ids import DepositId

RETURN_MARKUP_BPS = Decimal(0)
"""Markup on money that goes back to where it came from."""


class PayoutPhase(StrEnum):
    """Where a payout stands for us."""

    NONE = "none"
    SUBMITTED = "submitted"
    SENT = "sent"
    SETTLED = "settled"
    FAILED = "failed"
    RETURNED = "returned"


TRANSITIONS: dict[PayoutPhase, frozenset[PayoutPhase]] = {
    PayoutPhase.NONE: frozenset({PayoutPhase.SUBMITTED}),
    PayoutPhase.SUBMITTED: frozenset(
        {PayoutPhase.SENT, PayoutPhase.SETTLED, PayoutPhase.FAILED, PayoutPhase.RETURNED}
    ),
    PayoutPhase.SENT: frozenset({PayoutPhase.SETTLED, PayoutPhase.FAILED, PayoutPhase.RETURNED}),
    # A refund may fail days after it succeeded; a posted payout may be returned.
    PayoutPhase.SETTLED: frozenset({PayoutPhase.FAILED, PayoutPhase.RETURNED}),
    PayoutPhase.FAILED: frozenset(),
    PayoutPhase.RETURNED: frozenset(),
}
"""The allowed transitions; what is older than what is known changes nothing."""

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


class PayoutState(msgspec.Struct, frozen=True):
    """What the facts of one payout amount to."""

    phase: PayoutPhase = PayoutPhase.NONE
    withdrawal: WithdrawalId = WithdrawalId(UUID(int=0))
    client: ClientId = ClientId(UUID(int=0))
    entity: EntityId = EntityId("")
    route: Route = Route(RouteKind.BANK, "", "", "EUR")
    held: Money = Money(0, "EUR")
    amount: Money = Money(0, "EUR")
    conversion: Conversion | None = None
    attempts: int = 0
    reference: str | None = None
    lines: frozenset[str] = frozenset()
    waits_to_credit: bool = False

    @property
    def was_declined(self) -> bool:
        """Whether it failed without the provider ever having had it."""
        return self.phase is PayoutPhase.FAILED and self.reference is None


def evolve(state: PayoutState, fact: Fact) -> PayoutState:
    """Fold one fact into the payout."""
    replace = msgspec.structs.replace
    match fact:
        case facts.PayoutSubmitted():
            return PayoutState(
                PayoutPhase.SUBMITTED,
                fact.withdrawal,
                fact.client,
                fact.entity,
                fact.route,
                fact.held,
                fact.amount,
                fact.conversion,
            )
        case facts.PayoutClaimed():
            return replace(state, attempts=fact.attempt)
        case facts.PayoutSent():
            return replace(state, phase=PayoutPhase.SENT, reference=fact.reference)
        case facts.PayoutSettled():
            return replace(state, phase=PayoutPhase.SETTLED, reference=fact.reference)
        case facts.PayoutFailed():
            return replace(state, phase=PayoutPhase.FAILED, waits_to_credit=True)
        case facts.PayoutReturned():
            return replace(state, phase=PayoutPhase.RETURNED, waits_to_credit=True)
        case facts.ReturnCredited():
            return replace(state, waits_to_credit=False)
        case facts.PayoutLineBooked():
            return replace(state, lines=state.lines | {fact.line})
        case _:
            return state


PAYOUT: Kind[PayoutState] = Kind("payout", PayoutState(), evolve)


def payout_stream(payout: PayoutId) -> Stream[PayoutState]:
    """Name a payout."""
    return PAYOUT(payout)


def require_payout(decision: Decision, payout: PayoutId) -> PayoutState:
    """Return the payout, or refuse."""
    state = decision.get(payout_stream(payout))
    if state.phase is PayoutPhase.NONE:
        raise NotFound("no such payout", code="no_such_payout")
    return state


# --- our own worker ---


def submit(
    decision: Decision,
    withdrawal: WithdrawalId,
    gates: Sequence[Gate],
    above: Mapping[str, int],
    rate: Quote | None,
) -> None:
    """Capture the hold into transit and record the intent to pay; the gates are asked once more.

    Args:
        rate: a fresh quote, where the receiver is paid in another currency.

    Raises:
        Conflict: the charge no longer takes this much (`charge_not_refundable`).
    """
    state = require_withdrawal(decision, withdrawal)
    if not judge(decision, withdrawal, gates, above):
        return
    conversion = None
    if state.route.currency != state.amount.currency:
        assert rate is not None, "another currency needs a rate"
        conversion = convert(state.amount, state.route.currency, rate, RETURN_MARKUP_BPS)
    amount = state.amount if conversion is None else conversion.bought
    payout = payout_id(withdrawal)
    if state.route.deposit is not None:
        _reserve(decision, state.route.deposit, payout, amount)
    decision.record(
        withdrawal_stream(withdrawal),
        facts.WithdrawalSubmitted(withdrawal=withdrawal, payout=payout),
    )
    decision.record(
        payout_stream(payout),
        facts.PayoutSubmitted(
            payout=payout,
            withdrawal=withdrawal,
            client=state.client,
            entity=state.entity,
            route=state.route,
            held=state.amount,
            amount=amount,
            conversion=conversion,
        ),
    )
    purse = require_wallet(decision, state.entity, state.client, state.amount.currency)
    captured = bookings.payout_submitted(purse, withdrawal, conversion)
    record(decision, purse, HoldCaptured(hold=withdrawal, entry=captured))


def _reserve(decision: Decision, deposit: DepositId, payout: PayoutId, amount: Money) -> None:
    if amount.minor > require_deposit(decision, deposit).refundable:
        raise Conflict("the charge takes no such refund", code="charge_not_refundable")
    decision.record(
        deposit_stream(deposit),
        facts.RefundReserved(deposit=deposit, payout=payout, amount=amount),
    )


def claim(decision: Decision, payout: PayoutId, attempt: int) -> None:
    """Claim the next attempt to call the provider; only the claimant may call."""
    state = require_payout(decision, payout)
    if state.phase is not PayoutPhase.SUBMITTED:
        raise Conflict(f"the payout is {state.phase}", code="payout_answered")
    if attempt != state.attempts + 1:
        raise Conflict("another worker has this attempt", code="attempt_taken")
    decision.record(payout_stream(payout), facts.PayoutClaimed(payout=payout, attempt=attempt))


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
        _fail(decision, payout, reason, at=decision.at)
        _credit(decision, payout)


# --- what the provider reports ---


def merge_refund(decision: Decision, payout: PayoutId, notice: RefundNotice) -> None:
    """Merge a refund that we started."""
    reason = notice.failure_code or notice.raw_status
    phase = REFUND_PHASE[notice.status]
    _merge(decision, payout, phase, notice.reference, reason, at=notice.happened_at)
    for line in (notice.line, notice.failure_line):
        if line is not None:
            book_line(decision, payout, line)


def merge_outbound(decision: Decision, payout: PayoutId, notice: PayoutNotice) -> None:
    """Merge a payout to the client's own bank."""
    reason = notice.reason or notice.raw_status
    phase = OUTBOUND_PHASE[notice.status]
    _merge(decision, payout, phase, notice.reference, reason, at=notice.happened_at)


def credit_return(decision: Decision, payout: PayoutId, gates: Sequence[Gate]) -> None:
    """Move returned money into the wallet, if the client may be credited now."""
    state = require_payout(decision, payout)
    if not state.waits_to_credit:
        return
    if gates and all(gate(decision, state.client).clear for gate in gates):
        _credit(decision, payout)


def _credit(decision: Decision, payout: PayoutId) -> None:
    state = require_payout(decision, payout)
    decision.record(payout_stream(payout), facts.ReturnCredited(payout=payout))
    returned = client_account(state.entity, "client:returned", state.client)
    _give_back(decision, payout, returned, at=decision.at)


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
        _mistrust(decision, payout, phase, reference, at=at)
        return
    if state.reference is None:
        decision.record(stream, facts.PayoutSent(payout=payout, reference=reference), at=at)
    match phase:
        case PayoutPhase.SENT:
            pass
        case PayoutPhase.SETTLED:
            _settle(decision, payout, reference, at=at)
        case PayoutPhase.FAILED if state.phase is PayoutPhase.SETTLED:
            decision.record(stream, facts.PayoutFailed(payout=payout, reason=reason), at=at)
            _came_back(decision, payout, at=at)
        case PayoutPhase.FAILED:
            _fail(decision, payout, reason, at=at)
        case PayoutPhase.RETURNED:
            if state.phase is not PayoutPhase.SETTLED:
                _settle(decision, payout, reference, at=at)
            decision.record(stream, facts.PayoutReturned(payout=payout, reason=reason), at=at)
            _came_back(decision, payout, at=at)
        case PayoutPhase.NONE | PayoutPhase.SUBMITTED:
            raise AssertionError("the provider reports no such phase")


def _mistrust(
    decision: Decision, payout: PayoutId, phase: PayoutPhase, reference: str, *, at: datetime
) -> None:
    """Ask a person where the provider shows a payout that it declined; older news is nothing."""
    if require_payout(decision, payout).was_declined and phase is not PayoutPhase.FAILED:
        reason = f"the provider has a payout that it declined: {reference}"
        decision.record(
            payout_stream(payout), facts.ReviewOpened(subject=payout, reason=reason), at=at
        )


def _settle(decision: Decision, payout: PayoutId, reference: str, *, at: datetime) -> None:
    state = require_payout(decision, payout)
    stream = payout_stream(payout)
    decision.record(stream, facts.PayoutSettled(payout=payout, reference=reference), at=at)
    moved = bookings.payout_settled(
        state.entity, state.client, state.route.merchant_account, state.amount
    )
    decision.record(stream, EntryPosted(cause=payout, entry=moved), at=at)


def _fail(decision: Decision, payout: PayoutId, reason: str, *, at: datetime) -> None:
    state = require_payout(decision, payout)
    decision.record(payout_stream(payout), facts.PayoutFailed(payout=payout, reason=reason), at=at)
    moved = bookings.payout_failed(state.entity, state.client, state.amount)
    decision.record(payout_stream(payout), EntryPosted(cause=payout, entry=moved), at=at)
    _restore_cap(decision, payout, at=at)


def _came_back(decision: Decision, payout: PayoutId, *, at: datetime) -> None:
    state = require_payout(decision, payout)
    moved = bookings.payout_came_back(
        state.entity, state.client, state.route.merchant_account, state.amount
    )
    decision.record(payout_stream(payout), EntryPosted(cause=payout, entry=moved), at=at)
    _restore_cap(decision, payout, at=at)


def _restore_cap(decision: Decision, payout: PayoutId, *, at: datetime) -> None:
    state = require_payout(decision, payout)
    if state.route.deposit is not None:
        decision.record(
            deposit_stream(state.route.deposit),
            facts.RefundRestored(deposit=state.route.deposit, payout=payout, amount=state.amount),
            at=at,
        )


def _give_back(decision: Decision, payout: PayoutId, source: Account, *, at: datetime) -> None:
    state = require_payout(decision, payout)
    purse = open_wallet(decision, state.entity, state.client, state.held.currency)
    moved = bookings.payout_reversed(purse, source, state.amount, state.held, state.conversion)
    record(decision, purse, WalletCredited(cause=payout, entry=moved), at=at)


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
        sign = 1 if line.amount > 0 else -1
        ours = Money(sign * state.amount.minor, state.amount.currency)
        moved = bookings.provider_converted(
            entity, merchant, ours, Money(line.amount, line.currency)
        )
        decision.record(stream, EntryPosted(cause=payout, entry=moved), at=line.created_at)
    if line.fee > 0:
        moved = bookings.provider_fee(entity, merchant, Money(line.fee, line.currency))
        decision.record(stream, EntryPosted(cause=payout, entry=moved), at=line.created_at)
