"""Every event of the ledger, in reading order.

An entry stands in exactly one fact: the wallet's where a client wallet moves, else `EntryPosted`.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from ledger.decision import Fact
from ledger.fx import Quote
from ledger.ids import ClientId, EntityId
from ledger.journal import Entry


class BookOpened(Fact, frozen=True):
    """Position 1 of every book: whose it is."""

    NAME: ClassVar[str] = "ledger.book-opened"
    entity: EntityId


class WalletOpened(Fact, frozen=True):
    """A client's wallet in one currency exists."""

    NAME: ClassVar[str] = "ledger.wallet-opened"
    entity: EntityId
    client: ClientId
    currency: str


class WalletCredited(Fact, frozen=True):
    """Money came into the wallet. The entry repays the client's debt first."""

    NAME: ClassVar[str] = "ledger.wallet-credited"
    cause: UUID
    entry: Entry


class WalletDebited(Fact, frozen=True):
    """Money left the wallet, or became the client's debt where the wallet held too little."""

    NAME: ClassVar[str] = "ledger.wallet-debited"
    cause: UUID
    entry: Entry


class HoldPlaced(Fact, frozen=True):
    """Part of the available balance is set aside for one purpose."""

    NAME: ClassVar[str] = "ledger.hold-placed"
    hold: UUID
    minor: int
    entry: Entry


class HoldCaptured(Fact, frozen=True):
    """The held money left for what it was held for."""

    NAME: ClassVar[str] = "ledger.hold-captured"
    hold: UUID
    entry: Entry


class HoldReleased(Fact, frozen=True):
    """The held money is available again."""

    NAME: ClassVar[str] = "ledger.hold-released"
    hold: UUID
    entry: Entry


class HoldExpired(Fact, frozen=True):
    """The hold ran out of time; the money is available again."""

    NAME: ClassVar[str] = "ledger.hold-expired"
    hold: UUID
    entry: Entry


class FundsContested(Fact, frozen=True):
    """A dispute wants this much of the wallet; what is there is held, credits fill it up."""

    NAME: ClassVar[str] = "ledger.funds-contested"
    dispute: UUID
    minor: int
    entry: Entry | None = None


class ContestReleased(Fact, frozen=True):
    """The dispute wants nothing of the wallet any more."""

    NAME: ClassVar[str] = "ledger.contest-released"
    dispute: UUID
    entry: Entry | None = None


class ContestCharged(Fact, frozen=True):
    """The dispute is lost: held money goes first, then what is available, the rest is debt."""

    NAME: ClassVar[str] = "ledger.contest-charged"
    dispute: UUID
    entry: Entry


class WalletFrozen(Fact, frozen=True):
    """No debit, hold, conversion, transfer or payout; credits still arrive."""

    NAME: ClassVar[str] = "ledger.wallet-frozen"
    reason: str


class WalletUnfrozen(Fact, frozen=True):
    """The wallet may be used again."""

    NAME: ClassVar[str] = "ledger.wallet-unfrozen"
    reason: str


class EntryPosted(Fact, frozen=True):
    """A journal entry that moves no client wallet. It stands on the stream of its cause."""

    NAME: ClassVar[str] = "ledger.entry-posted"
    cause: UUID
    entry: Entry


class RatePublished(Fact, frozen=True):
    """The broker's own price for a pair, in force from its `quoted_at`."""

    NAME: ClassVar[str] = "ledger.rate-published"
    quote: Quote


FACTS: tuple[type[Fact], ...] = (
    BookOpened,
    WalletOpened,
    WalletCredited,
    WalletDebited,
    HoldPlaced,
    HoldCaptured,
    HoldReleased,
    HoldExpired,
    FundsContested,
    ContestReleased,
    ContestCharged,
    WalletFrozen,
    WalletUnfrozen,
    EntryPosted,
    RatePublished,
)
