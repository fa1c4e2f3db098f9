"""Quotes: what a source says a pair is worth, turned over or crossed without losing a digit."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Final

import msgspec

from ledger.errors import QuoteRefused
from ledger.money import as_decimal, asset

LEGS_MAX: Final = 4
RATE_DIGITS_MAX: Final = 30
RATE_MAGNITUDE_MAX: Final = 18
"""A source's number has at most 30 digits and lies within 10^±18; others are no prices."""

_LOW = Context(prec=50, rounding=ROUND_FLOOR)
_HIGH = Context(prec=50, rounding=ROUND_CEILING)


class Price(msgspec.Struct, frozen=True, gc=False):
    """Both sides of a pair: quote currency for one unit of the base, whose word it is, and when."""

    base: str
    quote: str
    bid: Decimal
    ask: Decimal
    source: str
    quoted_at: datetime
    valid_until: datetime
    quote_id: str


class Leg(Price, frozen=True, gc=False):
    """What one source said, in its own numbers; `inverted` where it is used turned over."""

    inverted: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no price."""
        _check_price(self)

    @property
    def ends(self) -> tuple[str, str]:
        """The pair as it is used."""
        return (self.quote, self.base) if self.inverted else (self.base, self.quote)

    def exact(self) -> tuple[Fraction, Fraction]:
        """Bid and ask as they are used: turning over inverts them, and so swaps them."""
        bid, ask = Fraction(self.bid), Fraction(self.ask)
        return (1 / ask, 1 / bid) if self.inverted else (bid, ask)


class Quote(Price, frozen=True, gc=False):
    """A price to convert at.

    A source's quote holds the source's numbers. A derived one (inverse, cross) holds the sources'
    legs in `pivot`, and everything is computed from them; its own bid and ask are for reading, to
    50 digits, the bid rounded down and the ask up.
    """

    pivot: tuple[Leg, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no price, and a derived one that does not follow from its legs."""
        if not self.pivot:
            _check_price(self)
        elif _said(self) != _said(_follow(self.pivot)):
            raise QuoteRefused("the quote does not follow from its legs", code="quote_legs")

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The sources' words, base to quote."""
        return self.pivot or (Leg(*_said(self)),)

    @property
    def mid(self) -> Decimal:
        """The middle, for reading."""
        bid, ask = self.exact()
        return as_decimal((bid + ask) / 2)

    def exact(self) -> tuple[Fraction, Fraction]:
        """Bid and ask without loss: bid·bid and ask·ask along the legs."""
        return _sides(self.pivot) if self.pivot else (Fraction(self.bid), Fraction(self.ask))


def inverse(quote: Quote) -> Quote:
    """Turn a quote over. Nothing is lost: the inverse of the inverse is the quote itself."""
    return _derived(tuple(_turned(leg) for leg in reversed(quote.legs)))


def cross(first: Quote, second: Quote) -> Quote:
    """Triangulate two quotes that share one currency, the pivot.

    The result's base is the other currency of `first`, its quote the other currency of `second`;
    each is turned over where it has to be.

    Raises:
        QuoteRefused: they share no currency, or both (`quote_no_pivot`).
    """
    shared = {first.base, first.quote} & {second.base, second.quote}
    if len(shared) != 1:
        raise QuoteRefused("a cross goes through one shared currency", code="quote_no_pivot")
    (pivot,) = shared
    into = first if first.quote == pivot else inverse(first)
    out = second if second.base == pivot else inverse(second)
    return _derived(into.legs + out.legs)


def check_fresh(quote: Quote, at: datetime, max_age_s: int) -> None:
    """Refuse a quote that may not be dealt on at this time; every leg is looked at.

    Raises:
        QuoteRefused: `quote_from_future` (no look-ahead), `quote_expired`, `quote_stale`.
    """
    assert at.tzinfo is not None, "times carry a zone"
    for leg in quote.pivot or (quote,):
        if leg.quoted_at > at:
            raise QuoteRefused("the quote is of a later time", code="quote_from_future")
        if leg.valid_until < at:
            raise QuoteRefused("the quote has expired", code="quote_expired")
        if (at - leg.quoted_at).total_seconds() > max_age_s:
            raise QuoteRefused("the quote is too old", code="quote_stale")


def _derived(legs: tuple[Leg, ...]) -> Quote:
    if len(legs) == 1 and not legs[0].inverted:
        return Quote(*_said(legs[0]))
    return Quote(*_said(_follow(legs)), pivot=legs)


def _turned(leg: Leg) -> Leg:
    return msgspec.structs.replace(leg, inverted=not leg.inverted)


def _follow(legs: tuple[Leg, ...]) -> Price:
    """Say what follows from a chain of legs: as old as the oldest, over with the first."""
    if len(legs) > LEGS_MAX:
        raise QuoteRefused(f"a cross has at most {LEGS_MAX} legs", code="quote_legs")
    for near, far in pairwise(legs):
        if near.ends[1] != far.ends[0]:
            raise QuoteRefused("the legs do not meet", code="quote_legs")
    bid, ask = _sides(legs)
    return Price(
        base=legs[0].ends[0],
        quote=legs[-1].ends[1],
        bid=as_decimal(bid, _LOW),
        ask=as_decimal(ask, _HIGH),
        source="+".join(dict.fromkeys(leg.source for leg in legs)),
        quoted_at=min(leg.quoted_at for leg in legs),
        valid_until=min(leg.valid_until for leg in legs),
        quote_id="+".join(leg.quote_id for leg in legs),
    )


def _sides(legs: tuple[Leg, ...]) -> tuple[Fraction, Fraction]:
    bid, ask = Fraction(1), Fraction(1)
    for leg in legs:
        leg_bid, leg_ask = leg.exact()
        bid, ask = bid * leg_bid, ask * leg_ask
    return bid, ask


def _said(
    price: Price,
) -> tuple[str, str, Decimal, Decimal, str, datetime, datetime, str]:
    return (
        price.base,
        price.quote,
        price.bid,
        price.ask,
        price.source,
        price.quoted_at,
        price.valid_until,
        price.quote_id,
    )


def _check_price(price: Price) -> None:
    """Refuse a price in a fixed order: pair, times, numbers.

    Retirement is not looked at: a stored price must stay readable when the table of currencies
    learns of a retirement afterwards. Buying a retired currency is refused by the conversion.
    """
    asset(price.base)
    asset(price.quote)
    if price.base == price.quote:
        raise QuoteRefused(f"{price.base} has no price in itself", code="quote_pair")
    if price.quoted_at.tzinfo is None or price.valid_until.tzinfo is None:
        raise QuoteRefused("a quote's times carry a zone", code="quote_time_naive")
    if price.valid_until < price.quoted_at:
        raise QuoteRefused("a quote ends before it begins", code="quote_validity")
    for number in (price.bid, price.ask):
        _check_number(number)
    if price.bid > price.ask:
        raise QuoteRefused("the bid is above the ask", code="quote_crossed")


def _check_number(number: Decimal) -> None:
    if not isinstance(number, Decimal):
        raise TypeError(f"a price is a Decimal, not {type(number).__name__}")
    if not number.is_finite():
        raise QuoteRefused("a price is a number", code="quote_not_finite")
    if number <= 0:
        raise QuoteRefused("a price is more than zero", code="quote_zero")
    digits = len(number.as_tuple().digits)
    if digits > RATE_DIGITS_MAX or abs(number.adjusted()) > RATE_MAGNITUDE_MAX:
        raise QuoteRefused("no source prices like this", code="quote_out_of_range")
