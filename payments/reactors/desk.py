"""What a worker needs to talk to the outside: the book, the providers, rates, gates and a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from ledger.decision import Body, Command, Decision, Receipt, Stream
from ledger.errors import InvalidInput, QuoteRefused
from ledger.fx import Quote
from ledger.ids import EntityId, fingerprint, request_key
from payments.link import Merchant

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.finding import Gate
    from ledger.money import Money
    from payments.ports import (
        CanFind,
        CanPayOut,
        CanRefund,
        CanRetrieve,
        CanTakeDeposits,
        CanVerifyRecipients,
        ListsEvents,
        PaymentProvider,
        ReadsBalance,
        ReadsDeliveries,
        ReceivesWebhooks,
    )
    from payments.rates import RateSource

    class FullProvider(
        PaymentProvider,
        ReceivesWebhooks,
        ReadsDeliveries,
        CanTakeDeposits,
        CanRefund,
        CanPayOut,
        CanVerifyRecipients,
        CanRetrieve,
        CanFind,
        ListsEvents,
        ReadsBalance,
        Protocol,
    ):
        """A provider that can do all that this desk asks for."""


class Sealer(Protocol):
    """Keeps raw messages unreadable for whoever reads the database."""

    def seal(self, body_id: UUID, source: str, raw: bytes) -> bytes:
        """Encrypt a message for this place only."""
        ...

    def open(self, body_id: UUID, source: str, sealed: bytes) -> bytes:
        """Decrypt a message, or refuse one that was moved or changed."""
        ...


class Submits(Protocol):
    """The book, as far as a worker uses it."""

    entity: EntityId

    def submit(self, command: Command) -> Receipt:
        """Decide a command and record what it decides."""
        ...

    def state(self, stream: Stream[Any]) -> Any:
        """Return the state of a stream as committed now."""
        ...

    def body(self, body_id: UUID) -> Body | None:
        """Return a raw message, sealed as it was kept."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the worker waits before it asks again. All of it can be set for a sandbox.

    Attributes:
        request_life: the longest life of a request at a provider; before it has passed, a
            look-up that finds nothing proves nothing.
        unheard: an announced payment or a sent payout of which nothing was heard is retrieved.
        events: how often a provider's list of events is read.
        again: how long after a failure the same work is tried again.
        attempts_max: claims of one intent before a person must look.
        look_ups_needed: look-ups that must say "no such object" before a call is repeated.
    """

    request_life: timedelta = timedelta(minutes=3)
    unheard: timedelta = timedelta(minutes=10)
    events: timedelta = timedelta(minutes=5)
    again: timedelta = timedelta(seconds=5)
    attempts_max: int = 5
    look_ups_needed: int = 2


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a conversation with the outside needs.

    Attributes:
        banks: the bank account that each merchant account settles to.
        gates: the rules a withdrawal must pass; an empty list lets nothing pass.
        credit_gates: the rules for crediting returned money.
        four_eyes_above: minor units by currency up to which nobody needs to approve.
    """

    book: Submits
    providers: Mapping[tuple[str, str], FullProvider]
    banks: Mapping[str, str]
    rates: RateSource
    gates: Sequence[Gate]
    credit_gates: Sequence[Gate]
    four_eyes_above: Mapping[str, int]
    sealer: Sealer
    clock: Callable[[], datetime]
    by: str = "service:worker"
    patience: Patience = field(default_factory=Patience)

    def merchant(self, provider: FullProvider) -> Merchant:
        """The merchant account behind a provider."""
        return Merchant(
            self.book.entity, provider.provider, provider.merchant_account, provider.live
        )

    def act(
        self,
        decide: Callable[[Decision], None],
        *key: str,
        why: int | None = None,
        names: tuple[Stream[Any], ...] = (),
    ) -> Receipt:
        """Submit a command of the worker. The key makes a repetition harmless."""
        return self.book.submit(
            Command(
                decide=decide,
                by=self.by,
                at=self.clock(),
                key=request_key(self.book.entity, *key) if key else None,
                contents=fingerprint("/".join(key).encode()) if key else "",
                why=why,
                names=names,
            )
        )

    def rate(self, sold: Money, into: str, at: datetime) -> Quote | None:
        """A rate that passes policy at a time, or None: the money then waits."""
        if sold.currency == into:
            return None
        try:
            return self.rates.quote(sold.currency, into, at)
        except (QuoteRefused, InvalidInput):
            return None
