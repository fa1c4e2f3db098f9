"""Quotes given to clients: a rate until a time, for this much, used once."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict, NotFound, QuoteRefused
from ledger.fx import Conversion, Quote, convert
from ledger.ids import ClientId, EntityId
from ledger.money import Money
from payments.facts import QuoteAccepted, QuoteGiven

if TYPE_CHECKING:
    from datetime import timedelta


class QuoteState(msgspec.Struct, frozen=True):
    """A quote as given, and what used it."""

    client: ClientId | None = None
    entity: EntityId = EntityId("")
    sold: Money = Money(0, "EUR")
    into: str = ""
    markup_bps: Decimal = Decimal(0)
    quote: Quote | None = None
    valid_until: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    used_by: UUID | None = None


def evolve(state: QuoteState, fact: Fact) -> QuoteState:
    """Fold one fact into the quote."""
    match fact:
        case QuoteGiven():
            return QuoteState(
                fact.client,
                fact.entity,
                fact.sold,
                fact.into,
                fact.markup_bps,
                fact.quote,
                fact.valid_until,
            )
        case QuoteAccepted():
            return msgspec.structs.replace(state, used_by=fact.used_by)
        case _:
            return state


QUOTE: Kind[QuoteState] = Kind("quote", QuoteState(), evolve)


def quote_stream(quote_id: UUID) -> Stream[QuoteState]:
    """Name a quote."""
    return QUOTE(quote_id)


def give(
    decision: Decision,
    quote_id: UUID,
    *,
    client: ClientId,
    entity: EntityId,
    sold: Money,
    into: str,
    quote: Quote,
    markup_bps: Decimal,
    valid_for: timedelta,
) -> Conversion:
    """Offer a rate to a client; it ends when we say, and never after the source's own end."""
    conversion = convert(sold, into, quote, markup_bps)
    if decision.get(quote_stream(quote_id)).client is not None:
        raise Conflict("the quote exists already", code="quote_exists")
    decision.record(
        quote_stream(quote_id),
        QuoteGiven(
            quote_id=quote_id,
            client=client,
            entity=entity,
            sold=sold,
            into=into,
            markup_bps=markup_bps,
            quote=quote,
            valid_until=min(decision.at + valid_for, quote.valid_until),
        ),
    )
    return conversion


def accept(
    decision: Decision, quote_id: UUID, *, client: ClientId, entity: EntityId, used_by: UUID
) -> QuoteState:
    """Use a quote: the client's own, in time, once.

    Raises:
        NotFound: no such quote, or another client's.
        QuoteRefused: it has expired (`quote_expired`).
        Conflict: it was used before (`quote_used`).
    """
    state = decision.get(quote_stream(quote_id))
    if state.client != client or state.entity != entity:
        raise NotFound("no such quote", code="no_such_quote")
    if state.used_by is not None:
        raise Conflict("the quote was used", code="quote_used")
    if decision.at > state.valid_until:
        raise QuoteRefused("the quote has expired", code="quote_expired")
    decision.record(quote_stream(quote_id), QuoteAccepted(quote_id=quote_id, used_by=used_by))
    return state
