"""Whose a provider's payment, charge or refund is, and what waits until that is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.decision import Decision, Fact, Kind, Stream
from ledger.ids import DepositId, EntityId, PayoutId, derived_id
from ledger.money import Money
from payments.facts import LineBooked, NoticeParked, PaymentLinked, RefundLinked, ReviewOpened

if TYPE_CHECKING:
    from payments.notices import Notice

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""A dispute names a payment without saying when it was made, so this id has no time in it."""


class LinkState(msgspec.Struct, frozen=True):
    """Whose it is, once known, and the notices that came before.

    A refund of ours has a payout; one made by hand has a deposit and its `refunded` amount.
    """

    deposit: DepositId | None = None
    payout: PayoutId | None = None
    refunded: Money | None = None
    lines: frozenset[str] = frozenset()
    parked: tuple[UUID, ...] = ()


def evolve(state: LinkState, fact: Fact) -> LinkState:
    """Fold one fact into the link."""
    replace = msgspec.structs.replace
    match fact:
        case PaymentLinked():
            return replace(state, deposit=fact.deposit)
        case RefundLinked():
            return replace(state, payout=fact.payout, deposit=fact.deposit, refunded=fact.amount)
        case LineBooked():
            return replace(state, lines=state.lines | {fact.line})
        case NoticeParked():
            return replace(state, parked=(*state.parked, fact.notice))
        case _:
            return state


LINK: Kind[LinkState] = Kind("payment-link", LinkState(), evolve)


class Merchant(msgspec.Struct, frozen=True):
    """One of our accounts at a provider: every derived id has all four in it."""

    entity: EntityId
    provider: str
    name: str
    live: bool

    def id_of(self, created_at: datetime, kind: str, reference: str) -> UUID:
        """Derive our id of one of the provider's objects."""
        mode = "live" if self.live else "test"
        return derived_id(created_at, self.entity, self.provider, self.name, mode, kind, reference)


def payment_link(merchant: Merchant, reference: str) -> Stream[LinkState]:
    """Name the link of a provider's payment, charge or refund."""
    return LINK(merchant.id_of(_NO_TIME, "payment", reference))


def link_payment(
    decision: Decision, merchant: Merchant, reference: str, deposit: DepositId
) -> bool:
    """Record whose payment it is; said twice, it stands once. True when it is news.

    A provider that says two different things is believed the first time; a person looks.
    """
    stream = payment_link(merchant, reference)
    known = decision.get(stream).deposit
    if known is None:
        decision.record(stream, PaymentLinked(deposit=deposit, reference=reference))
    elif known != deposit:
        reason = f"{reference} belongs to deposit {known}, and is now said to be {deposit}'s"
        decision.record(stream, ReviewOpened(subject=deposit, reason=reason))
    return known is None


def link_refund(
    decision: Decision,
    merchant: Merchant,
    reference: str,
    amount: Money,
    *,
    payout: PayoutId | None = None,
    deposit: DepositId | None = None,
) -> None:
    """Record what a refund is; said twice, it stands once."""
    stream = payment_link(merchant, reference)
    if decision.get(stream).refunded is None:
        decision.record(
            stream,
            RefundLinked(reference=reference, amount=amount, payout=payout, deposit=deposit),
        )


def park(decision: Decision, merchant: Merchant, reference: str, notice: UUID) -> None:
    """Keep a notice until its payment is linked."""
    stream = payment_link(merchant, reference)
    if notice not in decision.get(stream).parked:
        decision.record(stream, NoticeParked(notice=notice))


def merchant_of(entity: EntityId, notice: Notice, *, live: bool) -> Merchant:
    """The account that a notice came through."""
    return Merchant(entity, notice.provider, notice.merchant_account, live)
