"""Rates that anybody can compute again: a drift by the hour, and hours without a price."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from ledger.errors import QuoteRefused
from ledger.fx import Quote
from payments.rates import refuse_same

PRICES: Final = {
    "EUR": Decimal("1.1000"),
    "GBP": Decimal("1.2700"),
    "JPY": Decimal("0.0066"),
    "KWD": Decimal("3.2600"),
    "USD": Decimal(1),
}
"""US dollars for one unit."""
_DIGITS: Final = Decimal("0.00000001")
_SPREAD: Final = Decimal("0.0002")


class Market:
    """A dealing source; closed at some hours of the day while `has_hours`."""

    def __init__(self, closed_from: int, closed_hours: int) -> None:
        self.has_hours = True
        self._closed = {(closed_from + hour) % 24 for hour in range(closed_hours)}

    def quote(self, sold: str, bought: str, at: datetime) -> Quote:
        """The same arguments give the same quote."""
        refuse_same(sold, bought)
        if self.has_hours and at.hour in self._closed:
            raise QuoteRefused("the market is closed", code="quote_market_closed")
        base, quote = sorted((sold, bought))
        drift = Decimal((at.hour * 7 + at.day) % 11 - 5) / 1_000
        middle = PRICES[base] / PRICES[quote] * (1 + drift)
        bid, ask = ((middle * (1 + s)).quantize(_DIGITS) for s in (-_SPREAD, _SPREAD))
        since = at.replace(second=0, microsecond=0)
        name = f"{base}{quote}-{since:%Y%m%d%H%M}"
        return Quote(base, quote, bid, ask, "lp-one", since, since + timedelta(minutes=5), name)
