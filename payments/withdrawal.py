"""A client's request for money: held, gated, cleared, submitted; cancelled only before that.

Clearing never frees money: the hold stays until the event that submits captures it into transit.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict, InvalidInput, NotFound
from ledger.facts import HoldExpired, HoldPlaced, HoldReleased
from ledger.finding import ClientCode, Finding
from ledger.ids import ClientId, EntityId, PayoutId, WithdrawalId, child_id
from ledger.money import Money
from ledger.wallet import record, require_wallet
from payments import bookings, facts
from payments.deposit import require_deposit
from payments.facts import Route, RouteKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ledger.finding import Gate
    from ledger.wallet import WalletState

WAITS_MAX = timedelta(days=30)
"""A withdrawal whose gates stay closed this long expires; the money is available again."""
APPROVALS_MAX = 8


class WithdrawalStatus(StrEnum):
    """Where a withdrawal stands. What comes after submission is the payout's."""

    NONE = "none"
    HELD = "held"
    CLEARED = "cleared"
    SUBMITTED = "submitted"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


_ENDS = frozenset({WithdrawalStatus.CANCELLED, WithdrawalStatus.REJECTED, WithdrawalStatus.EXPIRED})
TRANSITIONS: dict[WithdrawalStatus, frozenset[WithdrawalStatus]] = {
    WithdrawalStatus.NONE: frozenset({WithdrawalStatus.HELD}),
    WithdrawalStatus.HELD: frozenset({WithdrawalStatus.HELD, WithdrawalStatus.CLEARED, *_ENDS}),
    # A gate may close again before submission (KYC revoked).
    WithdrawalStatus.CLEARED: frozenset(
        {WithdrawalStatus.HELD, WithdrawalStatus.SUBMITTED, *_ENDS}
    ),
    WithdrawalStatus.SUBMITTED: frozenset(),
    WithdrawalStatus.CANCELLED: frozenset(),
    WithdrawalStatus.REJECTED: frozenset(),
    WithdrawalStatus.EXPIRED: frozenset(),
}
"""The allowed transitions."""


class WithdrawalState(msgspec.Struct, frozen=True):
    """What the facts of one withdrawal amount to."""

    status: WithdrawalStatus = WithdrawalStatus.NONE
    client: ClientId = ClientId(UUID(int=0))
    entity: EntityId = EntityId("")
    amount: Money = Money(0, "EUR")
    route: Route = Route(RouteKind.BANK, "", "", "EUR")
    expires_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    findings: tuple[Finding, ...] = ()
    approvals: frozenset[str] = frozenset()
    payout: PayoutId | None = None


def evolve(state: WithdrawalState, fact: Fact) -> WithdrawalState:
    """Fold one fact into the withdrawal."""
    replace = msgspec.structs.replace
    match fact:
        case facts.WithdrawalRequested():
            return WithdrawalState(
                WithdrawalStatus.HELD,
                fact.client,
                fact.entity,
                fact.amount,
                fact.route,
                fact.expires_at,
            )
        case facts.WithdrawalHeld():
            return replace(state, status=WithdrawalStatus.HELD, findings=fact.findings)
        case facts.WithdrawalCleared():
            return replace(state, status=WithdrawalStatus.CLEARED, findings=fact.findings)
        case facts.WithdrawalApproved():
            return replace(state, approvals=state.approvals | {fact.subject})
        case facts.WithdrawalCancelled():
            return replace(state, status=WithdrawalStatus.CANCELLED)
        case facts.WithdrawalRejected():
            return replace(state, status=WithdrawalStatus.REJECTED)
        case facts.WithdrawalExpired():
            return replace(state, status=WithdrawalStatus.EXPIRED)
        case facts.WithdrawalSubmitted():
            return replace(state, status=WithdrawalStatus.SUBMITTED, payout=fact.payout)
        case _:
            return state


WITHDRAWAL: Kind[WithdrawalState] = Kind("withdrawal", WithdrawalState(), evolve)


def withdrawal_stream(withdrawal: WithdrawalId) -> Stream[WithdrawalState]:
    """Name a withdrawal."""
    return WITHDRAWAL(withdrawal)


def require_withdrawal(decision: Decision, withdrawal: WithdrawalId) -> WithdrawalState:
    """Return the withdrawal, or refuse."""
    state = decision.get(withdrawal_stream(withdrawal))
    if state.status is WithdrawalStatus.NONE:
        raise NotFound("no such withdrawal", code="no_such_withdrawal")
    return state


def payout_id(withdrawal: WithdrawalId, part: int = 1) -> PayoutId:
    """The id of a part of what a withdrawal pays."""
    return PayoutId(child_id(withdrawal, "payout", str(part)))


def four_eyes(approvals: frozenset[str], amount: Money, above: Mapping[str, int]) -> Finding:
    """Ask two different people above a threshold per currency; without a threshold, always.

    Args:
        above: minor units by currency up to which nobody needs to approve.
    """
    if amount.minor <= above.get(amount.currency, -1):
        return Finding.passed("four-eyes", "below the threshold")
    if len(approvals) >= 2:  # noqa: PLR2004 - four eyes are two people
        return Finding.passed("four-eyes", "approved by two people")
    return Finding.held("four-eyes", f"{len(approvals)} of 2 approvals", ClientCode.UNDER_REVIEW)


def _not_frozen(purse: WalletState) -> Finding:
    if purse.frozen:
        return Finding.held("frozen", "the wallet is frozen", ClientCode.UNDER_REVIEW)
    return Finding.passed("frozen", "the wallet is not frozen")


def request(
    decision: Decision,
    withdrawal: WithdrawalId,
    *,
    client: ClientId,
    entity: EntityId,
    amount: Money,
    route: Route,
) -> None:
    """Hold the money and record the request; the gates are judged by `judge`.

    Raises:
        NotFound: no such wallet, or no such deposit to refund.
        Conflict: the wallet is frozen; the charge may not be refunded (`charge_not_refundable`).
        InsufficientFunds: less is available than asked for.
    """
    if not amount.is_positive:
        raise InvalidInput("a withdrawal is more than zero", code="amount_not_positive")
    if decision.get(withdrawal_stream(withdrawal)).status is not WithdrawalStatus.NONE:
        raise Conflict("the withdrawal exists already", code="withdrawal_exists")
    purse = require_wallet(decision, entity, client, amount.currency)
    _check_route(decision, client, route, amount)
    held = bookings.withdrawal_held(purse, amount)
    decision.record(
        withdrawal_stream(withdrawal),
        facts.WithdrawalRequested(
            withdrawal=withdrawal,
            client=client,
            entity=entity,
            amount=amount,
            route=route,
            expires_at=decision.at + WAITS_MAX,
        ),
    )
    record(decision, purse, HoldPlaced(hold=withdrawal, minor=amount.minor, entry=held))


def judge(
    decision: Decision,
    withdrawal: WithdrawalId,
    gates: Sequence[Gate],
    above: Mapping[str, int],
) -> bool:
    """Ask every gate; record what they say where it is news. True when all are open.

    A gate that fails to answer is closed: fail closed.
    """
    state = require_withdrawal(decision, withdrawal)
    if state.status not in {WithdrawalStatus.HELD, WithdrawalStatus.CLEARED}:
        return False
    findings = (
        *(gate(decision, state.client) for gate in gates),
        _not_frozen(require_wallet(decision, state.entity, state.client, state.amount.currency)),
        four_eyes(state.approvals, state.amount, above),
    )
    clear = bool(gates) and all(finding.clear for finding in findings)
    status = WithdrawalStatus.CLEARED if clear else WithdrawalStatus.HELD
    if status is not state.status or findings != state.findings:
        kind = facts.WithdrawalCleared if clear else facts.WithdrawalHeld
        decision.record(
            withdrawal_stream(withdrawal), kind(withdrawal=withdrawal, findings=findings)
        )
    return clear


def approve(decision: Decision, withdrawal: WithdrawalId, subject: str) -> None:
    """A person approves. The same person twice is one pair of eyes."""
    state = require_withdrawal(decision, withdrawal)
    if state.status not in {WithdrawalStatus.HELD, WithdrawalStatus.CLEARED}:
        raise Conflict(f"the withdrawal is {state.status}", code="withdrawal_ended")
    if subject in state.approvals:
        raise Conflict("this person approved it already", code="same_person")
    if len(state.approvals) >= APPROVALS_MAX:
        raise Conflict("enough people approved it", code="too_many_approvals")
    decision.record(
        withdrawal_stream(withdrawal),
        facts.WithdrawalApproved(withdrawal=withdrawal, subject=subject),
    )


def cancel(decision: Decision, withdrawal: WithdrawalId) -> None:
    """Take it back and release the hold; refused once a submit intent exists."""
    _end(decision, withdrawal, facts.WithdrawalCancelled(withdrawal=withdrawal))


def reject(decision: Decision, withdrawal: WithdrawalId, reason: str) -> None:
    """Refuse to pay it; the money stays the client's."""
    _end(decision, withdrawal, facts.WithdrawalRejected(withdrawal=withdrawal, reason=reason))


def expire(decision: Decision, withdrawal: WithdrawalId) -> None:
    """End a withdrawal that waited too long."""
    if decision.at < require_withdrawal(decision, withdrawal).expires_at:
        raise Conflict("the withdrawal has time left", code="not_expired")
    _end(decision, withdrawal, facts.WithdrawalExpired(withdrawal=withdrawal))


def _end(
    decision: Decision,
    withdrawal: WithdrawalId,
    fact: facts.WithdrawalCancelled | facts.WithdrawalRejected | facts.WithdrawalExpired,
) -> None:
    state = require_withdrawal(decision, withdrawal)
    if state.status is WithdrawalStatus.SUBMITTED:
        raise Conflict("the payout is on its way", code="payout_submitted")
    if state.status in _ENDS:
        raise Conflict(f"the withdrawal is {state.status}", code="withdrawal_ended")
    decision.record(withdrawal_stream(withdrawal), fact)
    purse = require_wallet(decision, state.entity, state.client, state.amount.currency)
    released = bookings.withdrawal_released(purse, withdrawal)
    kind = HoldExpired if isinstance(fact, facts.WithdrawalExpired) else HoldReleased
    record(decision, purse, kind(hold=withdrawal, entry=released))


def _check_route(decision: Decision, client: ClientId, route: Route, amount: Money) -> None:
    """Refuse a refund to somebody else's charge, or to one that may not be refunded this much.

    In another currency how much it is stands at submission; it is checked again then.
    """
    match route.kind:
        case RouteKind.REFUND:
            if route.deposit is None:
                raise InvalidInput("a refund names its deposit", code="route_without_deposit")
            deposit = require_deposit(decision, route.deposit)
            if deposit.client != client:
                raise NotFound("no such deposit", code="no_such_deposit")
            same = (route.provider, route.merchant_account, route.currency) == (
                deposit.provider,
                deposit.merchant_account,
                deposit.amount.currency,
            )
            needed = amount.minor if amount.currency == route.currency else 1
            if not same or deposit.refundable < needed:
                raise Conflict("the charge may not be refunded", code="charge_not_refundable")
        case RouteKind.BANK:
            if route.deposit is not None:
                raise InvalidInput("a payout refunds no deposit", code="route_with_deposit")
            if not route.recipient:
                raise InvalidInput("a payout names its recipient", code="route_without_recipient")
