"""When the currency market sleeps: from Friday 17:00 to Sunday 17:00 in New York."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec

from ledger.errors import QuoteRefused

if TYPE_CHECKING:
    from ledger.fx import Quote
    from payments.rates import RateSource

NEW_YORK: Final = ZoneInfo("America/New_York")
CLOSES_AND_OPENS_AT: Final = time(17, 0)
_FRIDAY: Final = 4
_SUNDAY: Final = 6


class Closure(msgspec.Struct, frozen=True):
    """One weekend, from the close (included) to the open (not included), in UTC."""

    closed_at: datetime
    opens_at: datetime


def closure(at: datetime) -> Closure | None:
    """The weekend that a moment lies in, None while the market is open.

    Reckoned by New York's clock: a weekend is 47 or 49 hours long where that is put on or back.
    """
    here = at.astimezone(NEW_YORK)
    friday = here.date() - timedelta(days=(here.weekday() - _FRIDAY) % 7)
    closed_at = datetime.combine(friday, CLOSES_AND_OPENS_AT, NEW_YORK).astimezone(UTC)
    sunday = friday + timedelta(days=_SUNDAY - _FRIDAY)
    opens_at = datetime.combine(sunday, CLOSES_AND_OPENS_AT, NEW_YORK).astimezone(UTC)
    return Closure(closed_at, opens_at) if closed_at <= at < opens_at else None


class OpenHours:
    """A source that prices nothing while the market sleeps: the policy `wait`."""

    def __init__(self, source: RateSource) -> None:
        self._source = source

    def quote(self, sold: str, bought: str, at: datetime) -> Quote:
        """Refuse over the weekend (`quote_market_closed`), else ask the source."""
        if closure(at) is not None:
            raise QuoteRefused("the market is closed", code="quote_market_closed")
        return self._source.quote(sold, bought, at)
