"""The broker's own prices: published by its desk, append-only, in force from their `quoted_at`.

A price outside the band around a second source is parked: it is kept, it is never dealt on, and it
shuts its pair until a better one is published, or a second person publishes the same. The former
price is not dealt on in its stead: if the market really moved, that would be a gift.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from adapters.rates.market import Closure, closure
from ledger.errors import QuoteRefused
from ledger.facts import RatePublished
from ledger.fx import Quote, check_fresh
from ledger.money import Money
from payments.rates import Band, Terms, missing, refuse_same

MAX_AGE_S: Final = 60
TWO_PEOPLE: Final = "own desk, two people"
"""The source of a price that two people of the desk have published: no band parks it."""
WEEKEND_LABEL: Final = "weekend: last good"
_TICK: Final = timedelta(microseconds=1)


class Weekend(StrEnum):
    """What an entity does while the market is closed."""

    WAIT = "wait"
    """No quote; money that comes is booked unconverted."""
    LAST_GOOD = "last_good"
    """The last price before the close, under a wider markup and up to an amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """How an entity prices.

    Attributes:
        markup_bps: by pair as it is published, e.g. `EUR/USD`.
        markup_other_bps: of every other pair.
        max_age_s: a price older than this is stale.
        band: what a price must lie in to be dealt on; None trusts the desk alone.
        weekend_markup_bps: the wider markup of `last_good`.
        weekend_sold_max: by currency sold, minor units; one that is not named is not dealt in.
    """

    markup_other_bps: Decimal
    markup_bps: Mapping[str, Decimal] = field(default_factory=dict)
    max_age_s: int = MAX_AGE_S
    band: Band | None = None
    weekend: Weekend = Weekend.WAIT
    weekend_markup_bps: Decimal = Decimal(0)
    weekend_sold_max: Mapping[str, int] = field(default_factory=dict)


class Published(msgspec.Struct, frozen=True, gc=False):
    """A price as the desk published it, and whether it is parked."""

    quote: Quote
    parked: bool


@dataclass(slots=True)
class BrokerRates:
    """A source that answers from what was published to it."""

    desk: Desk
    _prices: defaultdict[frozenset[str], list[Published]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @classmethod
    def from_facts(cls, desk: Desk, facts: Iterable[RatePublished]) -> BrokerRates:
        """Build the source again from the log: what was parked then is parked again."""
        rates = cls(desk)
        for fact in facts:
            rates.publish(fact.quote)
        return rates

    def publish(self, quote: Quote) -> Published:
        """Put a price in force, or park it. The last one of its pair, said again, is one.

        Raises:
            QuoteRefused: `quote_derived` (a desk says its own numbers), `quote_pair` (the pair is
                published the other way round), `quote_out_of_order` (no later than the last).
        """
        if quote.pivot:
            raise QuoteRefused("a published price is no cross", code="quote_derived")
        prices = self._prices[frozenset({quote.base, quote.quote})]
        if prices:
            last = prices[-1].quote
            if last == quote:
                return prices[-1]
            if last.base != quote.base:
                detail = f"this pair is published as {last.base}/{last.quote}"
                raise QuoteRefused(detail, code="quote_pair")
            if quote.quoted_at <= last.quoted_at:
                detail = "a price is later than the last one of its pair"
                raise QuoteRefused(detail, code="quote_out_of_order")
        prices.append(Published(quote, parked=self.parks(quote)))
        return prices[-1]

    @property
    def parked(self) -> tuple[Quote, ...]:
        """The prices that were kept aside, for a person to look at."""
        return tuple(
            price.quote for prices in self._prices.values() for price in prices if price.parked
        )

    def quote(self, sold: str, bought: str, at: datetime) -> Quote:
        """Return the price in force, or the last good one over a weekend where that is policy."""
        assert at.tzinfo is not None, "times carry a zone"
        refuse_same(sold, bought)
        prices = self._prices.get(frozenset({sold, bought}), [])
        if not prices:
            raise missing(sold, bought)
        index = bisect_right(prices, at, key=lambda price: price.quote.quoted_at) - 1
        if index < 0:
            raise QuoteRefused("the first price is of a later time", code="quote_from_future")
        price = prices[index]
        if price.parked:
            detail = f"the price of {price.quote.base}/{price.quote.quote} is parked"
            raise QuoteRefused(detail, code="quote_out_of_band")
        asleep = closure(at)
        if asleep is not None:
            return self._over_weekend(price.quote, asleep)
        check_fresh(price.quote, at, self.desk.max_age_s)
        return price.quote

    def terms(self, quote: Quote, sold: str, at: datetime) -> Terms:
        """What the house adds to a quote of this source at a time."""
        if closure(at) is not None:
            most = Money(self.desk.weekend_sold_max.get(sold, 0), sold)
            return Terms(WEEKEND_LABEL, self.desk.weekend_markup_bps, most)
        pair = f"{quote.base}/{quote.quote}"
        return Terms(pair, self.desk.markup_bps.get(pair, self.desk.markup_other_bps))

    def parks(self, quote: Quote) -> bool:
        """Tell whether a price would be parked: one person's word, and outside the band."""
        if self.desk.band is None or quote.source == TWO_PEOPLE:
            return False
        try:
            self.desk.band.check(quote, quote.quoted_at)
        except QuoteRefused:
            return True
        return False

    def _over_weekend(self, last: Quote, asleep: Closure) -> Quote:
        """Give the last price until the market opens: fresh at the close, or said since."""
        if self.desk.weekend is Weekend.WAIT:
            raise QuoteRefused("the market is closed", code="quote_market_closed")
        if last.quoted_at < asleep.closed_at:
            check_fresh(last, asleep.closed_at, self.desk.max_age_s)
        return msgspec.structs.replace(
            last,
            source=f"{last.source} ({WEEKEND_LABEL})",
            valid_until=asleep.opens_at - _TICK,
            quote_id=f"{last.quote_id}@weekend",
        )
