"""Where rates come from: a source that may be dealt on, the first of several, a band around one.

A source answers for a moment and never changes its answer: what was decided on is derivable again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final, Protocol

import msgspec

from ledger.errors import QuoteRefused
from ledger.fx import Quote, cross, inverse
from ledger.money import Money

PASSED_ON: Final = frozenset(
    {"quote_missing", "quote_stale", "quote_expired", "quote_from_future", "not_a_dealing_source"}
)
"""Refusals after which another source is asked: this one has no price. A price that is there and
suspect (out of band), or a market that is closed, is an answer, and no other source may soften it.
"""

_BPS: Final = 10_000


class RateSource(Protocol):
    """Says what a pair is worth at a moment, at a price that may be dealt on."""

    def quote(self, sold: str, bought: str, at: datetime) -> Quote:
        """Return the quote of the two currencies, either way round, in force at `at`.

        The same arguments give the same quote for ever, and `at` lies between its `quoted_at` and
        its `valid_until`: nothing of a later time is in it.

        Raises:
            QuoteRefused: `quote_missing` (the source does not price the pair at that time),
                `quote_stale`, `quote_expired`, `quote_from_future` (all its prices are later),
                `quote_market_closed`, `quote_out_of_band`, `quote_unchecked`,
                `not_a_dealing_source`, `quote_pair` (one currency, twice).
        """
        ...


Opinion = Callable[[str, str, datetime], Quote]
"""The `quote` of a source, or what a source that is not dealt on says for comparison."""


class Terms(msgspec.Struct, frozen=True):
    """What the house adds to a source's quote: markup, and up to which amount it deals.

    Attributes:
        name: what decided, e.g. `pair`, `weekend`.
        sold_max: the most that may be sold at one time; None where there is no limit.
    """

    name: str
    markup_bps: Decimal
    sold_max: Money | None = None

    def check(self, sold: Money) -> None:
        """Refuse an amount above the limit (`quote_amount_limit`)."""
        if self.sold_max is not None and sold > self.sold_max:
            detail = f"no more than {self.sold_max} at these terms"
            raise QuoteRefused(detail, code="quote_amount_limit")


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The first of several sources that prices the pair."""

    sources: Sequence[RateSource]

    def quote(self, sold: str, bought: str, at: datetime) -> Quote:
        """Ask one after the other; the refusal of the first that knew the pair is the answer."""
        told: QuoteRefused | None = None
        for source in self.sources:
            try:
                return source.quote(sold, bought, at)
            except QuoteRefused as refusal:
                if refusal.public_code not in PASSED_ON:
                    raise
                if told is None or told.public_code == "quote_missing":
                    told = refusal
        raise told or missing(sold, bought)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A source that also prices what it can cross through a pivot currency."""

    source: RateSource
    pivot: str

    def quote(self, sold: str, bought: str, at: datetime) -> Quote:
        """Take the pair itself where the source prices it, else go through the pivot."""
        try:
            return self.source.quote(sold, bought, at)
        except QuoteRefused as refusal:
            if refusal.public_code != "quote_missing" or self.pivot in {sold, bought}:
                raise
        first = self.source.quote(sold, self.pivot, at)
        return cross(first, self.source.quote(self.pivot, bought, at))


@dataclass(frozen=True, slots=True)
class Band:
    """How far a price may lie from a second source's middle.

    Attributes:
        second: whom to compare with.
        width_bps: how far bid and ask may each lie from its middle, either way.
        alone: currencies that the second source does not price; their pairs pass unchecked.
    """

    second: Opinion
    width_bps: Decimal
    alone: frozenset[str] = frozenset()

    def check(self, quote: Quote, at: datetime) -> None:
        """Refuse a price outside the band, or one that nobody can be compared with.

        Raises:
            QuoteRefused: `quote_out_of_band`, or `quote_unchecked` where the second source has no
                opinion and neither currency is named in `alone`.
        """
        if {quote.base, quote.quote} & self.alone:
            return
        try:
            other = self.second(quote.base, quote.quote, at)
        except QuoteRefused as refusal:
            detail = f"no second source for {quote.base}/{quote.quote}: {refusal.detail}"
            raise QuoteRefused(detail, code="quote_unchecked") from refusal
        if other.base != quote.base:
            other = inverse(other)
        bid, ask = other.exact()
        middle = (bid + ask) / 2
        reach = middle * Fraction(self.width_bps) / _BPS
        for side in quote.exact():
            if abs(side - middle) > reach:
                detail = f"{quote.base}/{quote.quote} lies more than {self.width_bps} bp off"
                raise QuoteRefused(detail, code="quote_out_of_band")


def missing(sold: str, bought: str) -> QuoteRefused:
    """The refusal of a source that does not price the pair."""
    return QuoteRefused(f"nobody prices {sold} against {bought}", code="quote_missing")


def refuse_same(sold: str, bought: str) -> None:
    """Refuse a pair of one currency."""
    if sold == bought:
        raise QuoteRefused(f"{sold} has no price in itself", code="quote_pair")
