"""A client's payment to us: announced, authorised, confirmed, settled, failed, refunded.

What the provider says of it is merged in `deposit_notices`; the rate is fixed in
`deposit_conversion`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict, InvalidInput, NotFound
from ledger.fx import Conversion, Quote, convert
from ledger.ids import ClientId, DepositId, DisputeId, EntityId, PayoutId
from ledger.money import Money, usable_asset
from ledger.wallet import open_wallet
from payments import facts


class DepositStatus(StrEnum):
    """Where a deposit stands."""

    NONE = "none"
    INITIATED = "initiated"
    AUTHORISED = "authorised"
    FAILED = "failed"
    CONFIRMED = "confirmed"
    SUSPENDED = "suspended"


TRANSITIONS: dict[DepositStatus, frozenset[DepositStatus]] = {
    DepositStatus.NONE: frozenset({DepositStatus.INITIATED}),
    DepositStatus.INITIATED: frozenset(
        {
            DepositStatus.AUTHORISED,
            DepositStatus.FAILED,
            DepositStatus.CONFIRMED,
            DepositStatus.SUSPENDED,
        }
    ),
    DepositStatus.AUTHORISED: frozenset(
        {DepositStatus.FAILED, DepositStatus.CONFIRMED, DepositStatus.SUSPENDED}
    ),
    # A declined card may be tried again on the same payment.
    DepositStatus.FAILED: frozenset({DepositStatus.CONFIRMED, DepositStatus.SUSPENDED}),
    DepositStatus.CONFIRMED: frozenset(),
    DepositStatus.SUSPENDED: frozenset(),
}
"""The allowed transitions. Refunds, disputes and settlement are amounts beside the status."""


class DepositState(msgspec.Struct, frozen=True, gc=False):
    """What is known and what is booked of one deposit. Integers are minor units of `amount`."""

    status: DepositStatus = DepositStatus.NONE
    client: ClientId = ClientId(UUID(int=0))
    entity: EntityId = EntityId("")
    provider: str = ""
    merchant_account: str = ""
    amount: Money = Money(0, "EUR")
    into: str = ""
    markup_bps: Decimal = Decimal(0)
    quote: Quote | None = None
    quote_until: datetime | None = None
    attempts: int = 0
    reference: str | None = None
    charge: str | None = None
    received_at: datetime | None = None
    conversion: Conversion | None = None
    settlement: facts.DepositSettled | None = None
    refunds: dict[str, int] = {}
    reserved: dict[PayoutId, int] = {}
    is_warned: bool = False
    disputes: tuple[DisputeId, ...] = ()
    clawed: dict[UUID, int] = {}

    @property
    def is_received(self) -> bool:
        """Whether the provider has collected the money for us."""
        return self.status in {DepositStatus.CONFIRMED, DepositStatus.SUSPENDED}

    @property
    def is_credited(self) -> bool:
        """Whether the client has the money (not waiting for a rate, not in suspense)."""
        return self.status is DepositStatus.CONFIRMED and (
            self.amount.currency == self.into or self.conversion is not None
        )

    @property
    def waits_for_rate(self) -> bool:
        """Whether the money is received and stands in `client:unconverted`."""
        return self.status is DepositStatus.CONFIRMED and not self.is_credited

    def quote_holds(self, at: datetime) -> bool:
        """Whether the accepted quote stands at this time: to the end of what we promised."""
        if self.quote is None or at > self.quote.valid_until:
            return False
        return self.quote_until is None or at <= self.quote_until

    @property
    def clawed_total(self) -> int:
        """How much of it has been taken back from the client: never more than there was."""
        return min(self.amount.minor, sum(self.clawed.values()))

    @property
    def refundable(self) -> int:
        """Captured − refunds; nothing of a charge that is disputed or warned of fraud."""
        if self.status is not DepositStatus.CONFIRMED or self.disputes or self.is_warned:
            return 0
        return self.amount.minor - sum(self.refunds.values()) - sum(self.reserved.values())


def evolve(state: DepositState, fact: Fact) -> DepositState:
    """Fold one fact into the deposit."""
    replace = msgspec.structs.replace
    match fact:
        case facts.DepositInitiated():
            return DepositState(
                DepositStatus.INITIATED,
                fact.client,
                fact.entity,
                fact.provider,
                fact.merchant_account,
                fact.amount,
                fact.into,
                fact.markup_bps,
                fact.quote,
                fact.quote_until,
            )
        case facts.PaymentClaimed():
            return replace(state, attempts=fact.attempt)
        case facts.PaymentSubmitted():
            return replace(state, reference=fact.reference)
        case facts.DepositAuthorised():
            return replace(state, status=DepositStatus.AUTHORISED)
        case facts.DepositFailed():
            return replace(state, status=DepositStatus.FAILED)
        case facts.DepositConfirmed():
            return replace(
                state,
                status=DepositStatus.CONFIRMED,
                charge=fact.charge,
                received_at=fact.received_at,
                conversion=fact.conversion,
            )
        case facts.DepositSuspended():
            return replace(state, status=DepositStatus.SUSPENDED, amount=fact.amount)
        case facts.DepositConverted():
            return replace(state, conversion=fact.conversion)
        case facts.DepositSettled():
            return replace(state, settlement=fact)
        case _:
            return _evolve_returns(state, fact)


def _evolve_returns(state: DepositState, fact: Fact) -> DepositState:
    replace = msgspec.structs.replace
    match fact:
        case facts.DepositRefunded():
            return replace(state, refunds=state.refunds | {fact.refund: fact.amount.minor})
        case facts.DepositRefundFailed():
            return replace(state, refunds=state.refunds | {fact.refund: 0})
        case facts.RefundReserved():
            return replace(state, reserved=state.reserved | {fact.payout: fact.amount.minor})
        case facts.RefundRestored():
            return replace(state, reserved=state.reserved | {fact.payout: 0})
        case facts.ChargeWarned():
            return replace(state, is_warned=True)
        case facts.DisputeAttached():
            return replace(state, disputes=(*state.disputes, fact.dispute))
        case facts.DepositChargedBack():
            return replace(state, clawed=state.clawed | {fact.cause: fact.total.minor})
        case _:
            return state


DEPOSIT: Kind[DepositState] = Kind("deposit", DepositState(), evolve)


def deposit_stream(deposit: DepositId) -> Stream[DepositState]:
    """Name a deposit."""
    return DEPOSIT(deposit)


def require_deposit(decision: Decision, deposit: DepositId) -> DepositState:
    """Return the deposit, or refuse."""
    state = decision.get(deposit_stream(deposit))
    if state.status is DepositStatus.NONE:
        raise NotFound("no such deposit", code="no_such_deposit")
    return state


# --- what the client and our own worker do ---


def initiate(decision: Decision, announced: facts.DepositInitiated) -> None:
    """Announce a deposit; the wallet it will credit is opened with it.

    Raises:
        InvalidInput: the amount is not positive, or a currency takes no new amounts.
        QuoteRefused: the accepted quote is of another pair (`quote_pair`).
    """
    if not announced.amount.is_positive:
        raise InvalidInput("a deposit is more than zero", code="amount_not_positive")
    today = decision.at.date()
    usable_asset(announced.amount.currency, today)
    usable_asset(announced.into, today)
    if announced.quote is not None:
        convert(announced.amount, announced.into, announced.quote, announced.markup_bps)
    stream = deposit_stream(announced.deposit)
    if decision.get(stream).status is not DepositStatus.NONE:
        raise Conflict("the deposit exists already", code="deposit_exists")
    open_wallet(decision, announced.entity, announced.client, announced.into)
    decision.record(stream, announced)


def claim(decision: Decision, deposit: DepositId, attempt: int) -> None:
    """Claim the next attempt to create the payment at the provider; only the claimant may call."""
    state = require_deposit(decision, deposit)
    if state.reference is not None or state.status is not DepositStatus.INITIATED:
        raise Conflict("the payment exists already", code="payment_exists")
    if attempt != state.attempts + 1:
        raise Conflict("another worker has this attempt", code="attempt_taken")
    decision.record(deposit_stream(deposit), facts.PaymentClaimed(attempt=attempt))
