"""A table of prices for a sandbox: what the ECB lacks, under a label that nobody takes for real."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from ledger.fx import Quote
from payments.rates import missing, refuse_same

SOURCE: Final = "sandbox broker rate"
PIVOT: Final = "USD"
TABLE: Final = {
    "AED": ("3.6720", "3.6730"),
    "BHD": ("0.37590", "0.37610"),
    "JOD": ("0.70800", "0.71000"),
    "KWD": ("0.30690", "0.30710"),
    "NGN": ("1535.00", "1545.00"),
    "OMR": ("0.38440", "0.38460"),
    "VND": ("25390", "25410"),
}
"""Bid and ask for one US dollar. Invented near real ones, the same on every day."""

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SandboxRates:
    """Prices the table against the US dollar, at any time, each day anew."""

    def quote(self, sold: str, bought: str, at: datetime) -> Quote:
        """Return the table's price, in force for the day (UTC) of `at`."""
        assert at.tzinfo is not None, "times carry a zone"
        refuse_same(sold, bought)
        (other,) = {sold, bought} - {PIVOT} if PIVOT in {sold, bought} else ("",)
        if other not in TABLE:
            raise missing(sold, bought)
        return prices(at)[other]


def prices(at: datetime) -> dict[str, Quote]:
    """The whole table of one day, to be published to a desk or quoted from."""
    begins = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
    return {
        currency: Quote(
            base=PIVOT,
            quote=currency,
            bid=Decimal(bid),
            ask=Decimal(ask),
            source=SOURCE,
            quoted_at=begins,
            valid_until=begins + timedelta(days=1) - _TICK,
            quote_id=f"sandbox-{PIVOT}{currency}-{begins.date()}",
        )
        for currency, (bid, ask) in TABLE.items()
    }
