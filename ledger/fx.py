"""Conversions: booked at the source's side, rounded once, derivable again by an auditor.

Arithmetic is exact (ratios of whole numbers) from the sources' own numbers to the one rounding at
the end.
"""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from ledger.errors import InvalidInput, QuoteRefused
from ledger.money import (
    Money,
    Rounding,
    as_decimal,
    residue_of,
    rounded,
    unit_of,
    usable_asset,
)
from ledger.quotes import Leg, Quote, check_fresh, cross, inverse

__all__ = [
    "ClientSide",
    "Conversion",
    "Fixed",
    "Leg",
    "Quote",
    "check_fresh",
    "convert",
    "convert_to_receive",
    "cross",
    "inverse",
    "rederive",
]

MARKUP_DIGITS_MAX: Final = 12
_BPS: Final = 10_000


class ClientSide(StrEnum):
    """What the client does with the base of the pair: sells at the bid, buys at the ask."""

    SELLS_BASE = "sells_base"
    BUYS_BASE = "buys_base"


class Fixed(StrEnum):
    """Which amount was given; the other one follows."""

    SOLD = "sold"
    BOUGHT = "bought"


class Conversion(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One conversion with its full chain.

    Where `sold` is fixed, `at_source`, `markup` and `residue` are in the bought currency and
    bought + markup = at_source. Where `bought` is fixed they are in the sold currency and
    at_source + markup = sold.

    Attributes:
        sold: what leaves the client.
        bought: what the client gets.
        at_source: the house's position at the source's side, without markup.
        markup: the balancing whole minor units, never negative.
        fixed: which amount was given.
        side: the client's side of `quote`.
        rate: the client's rate (markup inside) in the direction of `quote`, for reading.
        markup_bps: markup on the rate in basis points.
        rounding: mode of both roundings.
        residue: exact − booked of the client's computed amount, in major units; never posted.
        quote: what it was converted at: source, bid, ask, times, id, pivot legs.
    """

    sold: Money
    bought: Money
    at_source: Money
    markup: Money
    fixed: Fixed
    side: ClientSide
    rate: Decimal
    markup_bps: Decimal
    rounding: Rounding
    residue: Decimal
    quote: Quote


def convert(
    sold: Money,
    into: str,
    quote: Quote,
    markup_bps: Decimal,
    *,
    rounding: Rounding = Rounding.HALF_EVEN,
) -> Conversion:
    """Convert an amount that is given away: the client gets what it is worth, less the markup.

    Freshness is the caller's (`check_fresh`). A retired currency may be sold, never bought.

    Raises:
        InvalidInput: `amount_not_positive`, `amount_too_small` (nothing would come out),
            `amount_too_large`, `markup_out_of_range`, or the bought currency's codes.
        QuoteRefused: the quote is of another pair (`quote_pair`).
    """
    usable_asset(into, quote.quoted_at.astimezone(UTC).date())
    return _priced(sold, into, Fixed.SOLD, quote, markup_bps, rounding)


def convert_to_receive(
    bought: Money,
    from_currency: str,
    quote: Quote,
    markup_bps: Decimal,
    *,
    rounding: Rounding = Rounding.HALF_EVEN,
) -> Conversion:
    """Convert so that exactly `bought` comes out: the client pays its cost, plus the markup.

    Raises:
        InvalidInput: as `convert`; `amount_too_small` where it would cost nothing.
        QuoteRefused: the quote is of another pair (`quote_pair`).
    """
    usable_asset(bought.currency, quote.quoted_at.astimezone(UTC).date())
    return _priced(bought, from_currency, Fixed.BOUGHT, quote, markup_bps, rounding)


def rederive(conversion: Conversion) -> Conversion:
    """Compute a conversion again from its given amount and its quote; equal, or somebody lied."""
    by_sold = conversion.fixed is Fixed.SOLD
    given, other = (
        (conversion.sold, conversion.bought) if by_sold else (conversion.bought, conversion.sold)
    )
    return _priced(
        given,
        other.currency,
        conversion.fixed,
        conversion.quote,
        conversion.markup_bps,
        conversion.rounding,
    )


def _priced(
    given: Money,
    other: str,
    fixed: Fixed,
    quote: Quote,
    markup_bps: Decimal,
    rounding: Rounding,
) -> Conversion:
    """Compute one amount from the other.

    The source's and the client's amount are rounded alike; every rounding is monotone, so the
    markup between them is never negative.
    """
    if given.minor <= 0:
        raise InvalidInput("the amount must be more than zero", code="amount_not_positive")
    _check_markup(markup_bps)
    quote = _as_sourced(quote)
    by_sold = fixed is Fixed.SOLD
    side = _side(quote, *((given.currency, other) if by_sold else (other, given.currency)))
    rates = _rates(quote, side, markup_bps)
    source, exact = rates.source, rates.client
    if given.currency != quote.base:
        source, exact = source[::-1], exact[::-1]
    over, under = given.minor * unit_of(other), unit_of(given.currency)
    at_source = Money(rounded(over * source[0], under * source[1], rounding), other)
    over, under = over * exact[0], under * exact[1]
    client = Money(rounded(over, under, rounding), other)
    if client.minor <= 0:
        raise InvalidInput(f"{given} is less than a minor unit of {other}", code="amount_too_small")
    kept = at_source.minor - client.minor
    markup = Money(kept if by_sold else -kept, other)
    assert markup.minor >= 0, f"a markup never costs the house: {markup}"
    return Conversion(
        sold=given if by_sold else client,
        bought=client if by_sold else given,
        at_source=at_source,
        markup=markup,
        fixed=fixed,
        side=side,
        rate=rates.client_read,
        markup_bps=markup_bps,
        rounding=rounding,
        residue=residue_of(over, under, client),
        quote=quote,
    )


def _as_sourced(quote: Quote) -> Quote:
    """Unwind a plain inverse: a markup is on the source's own pair, whichever way it is held."""
    return inverse(quote) if len(quote.pivot) == 1 and quote.pivot[0].inverted else quote


def _side(quote: Quote, sold: str, bought: str) -> ClientSide:
    if (sold, bought) == (quote.base, quote.quote):
        return ClientSide.SELLS_BASE
    if (sold, bought) == (quote.quote, quote.base):
        return ClientSide.BUYS_BASE
    detail = f"the quote is of {quote.base}/{quote.quote}, not of {sold} into {bought}"
    raise QuoteRefused(detail, code="quote_pair")


class _Rates(NamedTuple):
    """Two rates as ratios of whole numbers, and the client's for reading."""

    source: tuple[int, int]
    client: tuple[int, int]
    client_read: Decimal

    @classmethod
    def of(cls, source: Fraction, client: Fraction) -> _Rates:
        return cls(source.as_integer_ratio(), client.as_integer_ratio(), as_decimal(client))


@lru_cache(maxsize=1024)
def _rates(quote: Quote, side: ClientSide, markup_bps: Decimal) -> _Rates:
    """The source's rate and the client's: bid·(1 − m) for who sells, ask·(1 + m) for who buys.

    Many convert at the same quote. Numbers alone are remembered: quotes that are equal may be
    written differently (1.10 and 1.1), and a conversion tells the words of its own.
    """
    markup = Fraction(markup_bps) / _BPS
    bid, ask = quote.exact()
    match side:
        case ClientSide.SELLS_BASE:
            return _Rates.of(bid, bid * (1 - markup))
        case ClientSide.BUYS_BASE:
            return _Rates.of(ask, ask * (1 + markup))


def _check_markup(markup_bps: Decimal) -> None:
    assert isinstance(markup_bps, Decimal), "a markup is a Decimal"
    sane = markup_bps.is_finite() and (
        0 <= markup_bps < _BPS
        and markup_bps.adjusted() >= -MARKUP_DIGITS_MAX
        and len(markup_bps.as_tuple().digits) <= MARKUP_DIGITS_MAX
    )
    if not sane:
        raise InvalidInput("a markup is 0 to 10,000 basis points", code="markup_out_of_range")
