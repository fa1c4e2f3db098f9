"""Exchanging money between two wallets of one client, at an accepted quote."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict
from ledger.facts import WalletCredited, WalletDebited
from ledger.fx import convert
from ledger.wallet import open_wallet, record, require_wallet
from payments import bookings
from payments.facts import FundsConverted
from payments.quotes import accept

if TYPE_CHECKING:
    from ledger.ids import ClientId, EntityId


class ConversionState(msgspec.Struct, frozen=True):
    """Whether the exchange took place."""

    done: bool = False


def evolve(state: ConversionState, fact: Fact) -> ConversionState:
    """Fold one fact into the exchange."""
    return ConversionState(done=True) if isinstance(fact, FundsConverted) else state


CONVERSION: Kind[ConversionState] = Kind("conversion", ConversionState(), evolve)


def conversion_stream(conversion_id: UUID) -> Stream[ConversionState]:
    """Name an exchange."""
    return CONVERSION(conversion_id)


def exchange(
    decision: Decision, conversion_id: UUID, *, client: ClientId, entity: EntityId, quote_id: UUID
) -> None:
    """Exchange what the quote says between the client's wallets; both move in one append.

    Raises:
        InsufficientFunds: the sold wallet holds less.
        QuoteRefused, NotFound, Conflict: as `quotes.accept`.
    """
    if decision.get(conversion_stream(conversion_id)).done:
        raise Conflict("the conversion exists already", code="conversion_exists")
    given = accept(decision, quote_id, client=client, entity=entity, used_by=conversion_id)
    assert given.quote is not None, "an accepted quote was given"
    conversion = convert(given.sold, given.into, given.quote, given.markup_bps)
    decision.record(
        conversion_stream(conversion_id),
        FundsConverted(
            conversion_id=conversion_id, client=client, entity=entity, conversion=conversion
        ),
    )
    seller = require_wallet(decision, entity, client, conversion.sold.currency)
    sold = bookings.wallet_sold(seller, conversion)
    record(decision, seller, WalletDebited(cause=conversion_id, entry=sold))
    buyer = open_wallet(decision, entity, client, conversion.bought.currency)
    bought = bookings.wallet_bought(buyer, conversion)
    record(decision, buyer, WalletCredited(cause=conversion_id, entry=bought))
