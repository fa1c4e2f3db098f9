"""What happened and stays as it is: requests, reviews for a person, conversions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from payments import facts
from projections.pages import Page, listing, one
from projections.rows import Listed, Table, fetch

if TYPE_CHECKING:
    from typing import Any

    from psycopg import Connection

    from ledger.decision import Event, Fact
    from projections.log import Told

REQUEST: Final = "SELECT * FROM read.request WHERE {where}"
REQUEST_AT: Final = """
SELECT * FROM read.request WHERE position <= %(position)s ORDER BY position DESC LIMIT 1
"""
REVIEWS: Final = "SELECT * FROM read.review WHERE {where} ORDER BY position"
CONVERSIONS: Final = "SELECT * FROM read.fx WHERE {where} ORDER BY position"
CHAINS: Final = "SELECT * FROM read.fx WHERE subject = ANY(%s) ORDER BY position"


class RequestRow(msgspec.Struct, frozen=True):
    """A keyed request: its facts stand at `position` and the `facts` − 1 positions after it."""

    position: int
    request_key: UUID
    contents: str
    facts: int
    actor: str
    recorded_at: datetime


class ReviewRow(msgspec.Struct, frozen=True):
    """Something that a person must look at. Internal."""

    position: int
    subject: UUID
    reason: str
    opened_at: datetime


class FxRow(msgspec.Struct, frozen=True):
    """A conversion with its chain. Amounts at source and the markup are in `source_currency`."""

    position: int
    subject: UUID
    client: UUID | None
    fact: str
    sold_minor: int
    sold_currency: str
    bought_minor: int
    bought_currency: str
    at_source_minor: int
    markup_minor: int
    source_currency: str
    side: str
    rate: Decimal
    markup_bps: Decimal
    residue: Decimal
    rounding: str
    source: str
    quote_id: str
    pair: str
    bid: Decimal
    ask: Decimal
    legs: int
    quoted_at: datetime
    valid_until: datetime
    effective_at: datetime


CONVERTING: Final[frozenset[type[Fact]]] = frozenset(
    {
        facts.DepositConfirmed,
        facts.DepositConverted,
        facts.PayoutSubmitted,
        facts.FundsConverted,
    }
)
"""The facts that may carry a conversion."""


def _request(event: Told) -> RequestRow | None:
    if not event.request:
        return None
    key, _, contents = event.request.partition(":")
    return RequestRow(
        event.position, UUID(int=int(key, 16)), contents, event.facts, event.by, event.recorded_at
    )


def _review(event: Event) -> ReviewRow | None:
    fact = event.fact
    if not isinstance(fact, facts.ReviewOpened):
        return None
    return ReviewRow(event.position, fact.subject, fact.reason, event.at)


def _fx(event: Event) -> FxRow | None:
    client: UUID | None = None
    match event.fact:
        case facts.DepositConfirmed() | facts.PayoutSubmitted() | facts.FundsConverted() as fact:
            conversion, client = fact.conversion, fact.client
        case facts.DepositConverted() as fact:
            conversion = fact.conversion
        case _:
            return None
    if conversion is None:
        return None
    quote = conversion.quote
    return FxRow(
        position=event.position,
        subject=event.stream_id,
        client=client,
        fact=event.fact.NAME,
        sold_minor=conversion.sold.minor,
        sold_currency=conversion.sold.currency,
        bought_minor=conversion.bought.minor,
        bought_currency=conversion.bought.currency,
        at_source_minor=conversion.at_source.minor,
        markup_minor=conversion.markup.minor,
        source_currency=conversion.at_source.currency,
        side=conversion.side,
        rate=conversion.rate,
        markup_bps=conversion.markup_bps,
        residue=conversion.residue,
        rounding=conversion.rounding,
        source=quote.source,
        quote_id=quote.quote_id,
        pair=f"{quote.base}/{quote.quote}",
        bid=quote.bid,
        ask=quote.ask,
        legs=len(quote.legs),
        quoted_at=quote.quoted_at,
        valid_until=quote.valid_until,
        effective_at=event.at,
    )


REQUESTS: Final = Listed(Table("request", RequestRow, "position"), _request)
REVIEWS_OPENED: Final = Listed(
    Table("review", ReviewRow, "position"), _review, frozenset({facts.ReviewOpened})
)
FX: Final = Listed(Table("fx", FxRow, "position"), _fx, CONVERTING)


def request(connection: Connection[Any], key: bytes) -> RequestRow | None:
    """Return where a request's facts stand; None where the log (so far) does not hold it."""
    return one(connection, REQUEST, RequestRow, request_key=UUID(bytes=key))


def request_of(connection: Connection[Any], position: int) -> RequestRow | None:
    """Return the keyed request that recorded the event at a position, if one did."""
    found = fetch(connection, REQUEST_AT, {"position": position}, RequestRow)
    if not found or position >= found[0].position + found[0].facts:
        return None
    return found[0]


def reviews(
    connection: Connection[Any],
    *,
    subject: UUID | None = None,
    after: int = 0,
    limit: int = 100,
) -> Page[ReviewRow]:
    """List what a person must look at, oldest first."""
    return listing(connection, REVIEWS, ReviewRow, after=after, limit=limit, subject=subject)


def conversions(
    connection: Connection[Any],
    *,
    client: UUID | None = None,
    subject: UUID | None = None,
    after: int = 0,
    limit: int = 100,
) -> Page[FxRow]:
    """List conversions with their chains, oldest first."""
    return listing(
        connection, CONVERSIONS, FxRow, after=after, limit=limit, client=client, subject=subject
    )


def chains(connection: Connection[Any], subjects: list[UUID]) -> list[FxRow]:
    """Return the conversions of these deposits, payouts and exchanges."""
    return fetch(connection, CHAINS, (subjects,), FxRow)
