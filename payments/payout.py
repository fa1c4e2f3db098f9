"""Money on its way to the client: submitted, sent, settled, failed, returned.

One table of transitions serves refunds of the client's own charges and payouts to a bank. What
the provider says of them is merged in `payout_notices`; what came to nothing goes back in
`payout_return`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict, NotFound
from ledger.facts import HoldCaptured
from ledger.fx import Conversion, Quote, convert
from ledger.ids import ClientId, EntityId, PayoutId, WithdrawalId
from ledger.money import Money
from ledger.wallet import record, require_wallet
from payments import bookings, facts
from payments.deposit import deposit_stream, require_deposit
from payments.facts import Route, RouteKind
from payments.withdrawal import judge, payout_id, require_withdrawal, withdrawal_stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    seen_at: datetime | None = None
    """The provider's time of what is known."""

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
            return replace(
                state, phase=PayoutPhase.SENT, reference=fact.reference, seen_at=fact.seen_at
            )
        case facts.PayoutSettled():
            return replace(
                state, phase=PayoutPhase.SETTLED, reference=fact.reference, seen_at=fact.seen_at
            )
        case facts.PayoutFailed():
            return replace(
                state, phase=PayoutPhase.FAILED, waits_to_credit=True, seen_at=fact.seen_at
            )
        case facts.PayoutReturned():
            return replace(
                state, phase=PayoutPhase.RETURNED, waits_to_credit=True, seen_at=fact.seen_at
            )
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
