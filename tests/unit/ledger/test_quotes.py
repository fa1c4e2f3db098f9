"""Quotes: refused where they are no price, turned over and crossed without losing a digit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import QuoteRefused, Refusal
from ledger.fx import Quote, check_fresh, cross, inverse
from ledger.quotes import LEGS_MAX

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def quoted(pair: str, bid: str, ask: str, **changes: Any) -> Quote:
    base, quote = pair.split("/")
    said: dict[str, Any] = {
        "source": "lp-one",
        "quoted_at": NOON,
        "valid_until": NOON + timedelta(minutes=5),
        "quote_id": f"q-{base}{quote}",
    } | changes
    return Quote(base, quote, Decimal(bid), Decimal(ask), **said)


EURUSD = quoted("EUR/USD", "1.09980", "1.10020")
USDJPY = quoted("USD/JPY", "149.985", "150.015", source="lp-two")
USDKWD = quoted("USD/KWD", "0.30690", "0.30710", quoted_at=NOON - timedelta(minutes=1))

rates = st.decimals(min_value="0.000001", max_value="1000000", places=8).filter(bool)


@st.composite
def quotes(draw: st.DrawFn, pair: str = "EUR/KWD") -> Quote:
    bid, ask = sorted((draw(rates), draw(rates)))
    return quoted(pair, str(bid), str(ask))


def refusal_of(act: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(Refusal) as refused:
        act(*args, **named)
    return refused.value.public_code


@given(quotes())
def test_turning_a_quote_over_twice_is_nothing(quote: Quote) -> None:
    over = inverse(quote)
    assert (over.base, over.quote) == (quote.quote, quote.base)
    assert over.exact() == (1 / Fraction(quote.ask), 1 / Fraction(quote.bid))
    assert Fraction(over.bid) <= over.exact()[0] <= over.exact()[1] <= Fraction(over.ask)
    assert inverse(over) == quote


@given(quotes("EUR/USD"), quotes("USD/JPY"))
def test_a_cross_multiplies_bid_by_bid_and_ask_by_ask(first: Quote, second: Quote) -> None:
    made = cross(first, second)
    assert (made.base, made.quote) == ("EUR", "JPY")
    assert (made.bid, made.ask) == (first.bid * second.bid, first.ask * second.ask)
    assert [leg.quote_id for leg in made.pivot] == ["q-EURUSD", "q-USDJPY"]


@given(quotes("EUR/USD"), quotes("USD/JPY"))
def test_a_cross_is_the_same_however_its_legs_are_held(first: Quote, second: Quote) -> None:
    made = cross(first, second)
    assert cross(inverse(first), inverse(second)) == made
    assert inverse(made) == cross(second, first)
    assert inverse(inverse(made)) == made


def test_a_cross_of_crosses_keeps_every_leg() -> None:
    made = cross(cross(quoted("GBP/EUR", "1.17", "1.18"), EURUSD), USDJPY)
    assert (made.base, made.quote, len(made.pivot)) == ("GBP", "JPY", 3)
    assert made.exact()[0] == Fraction("1.17") * Fraction("1.09980") * Fraction("149.985")


def test_a_cross_is_as_old_as_its_oldest_leg() -> None:
    made = cross(USDKWD, USDJPY)
    assert made.quoted_at == USDKWD.quoted_at
    assert made.source == "lp-one+lp-two"
    check_fresh(made, NOON, 60)
    assert refusal_of(check_fresh, made, NOON, 59) == "quote_stale"


def test_refuses_a_cross_without_one_shared_currency() -> None:
    assert refusal_of(cross, EURUSD, quoted("GBP/JPY", "190", "191")) == "quote_no_pivot"
    assert refusal_of(cross, EURUSD, inverse(EURUSD)) == "quote_no_pivot"


def test_refuses_a_stored_cross_that_does_not_follow_from_its_legs() -> None:
    stored = msgspec.json.encode(cross(EURUSD, USDJPY))
    assert msgspec.json.decode(stored, type=Quote) == cross(EURUSD, USDJPY)
    forged = stored.replace(b'"bid":"164.95', b'"bid":"165.95', 1)
    assert forged != stored
    with pytest.raises(QuoteRefused):
        msgspec.json.decode(forged, type=Quote)


def test_refuses_legs_that_do_not_meet() -> None:
    (euro,), (yen,) = EURUSD.legs, USDJPY.legs
    made = cross(EURUSD, USDJPY)
    assert msgspec.structs.replace(made, pivot=(euro, yen)) == made
    stray = quoted("GBP/JPY", "149.985", "150.015", source="lp-two", quote_id="q-USDJPY").legs
    assert refusal_of(msgspec.structs.replace, made, pivot=(euro, *stray)) == "quote_legs"


def test_refuses_a_cross_of_too_many_legs() -> None:
    four = cross(
        cross(quoted("GBP/EUR", "1", "1"), EURUSD), cross(USDJPY, quoted("JPY/CHF", "1", "1"))
    )
    assert len(four.pivot) == LEGS_MAX
    assert refusal_of(cross, four, quoted("CHF/KWD", "1", "1")) == "quote_legs"


@pytest.mark.parametrize(
    ("bid", "ask", "code"),
    [
        ("1.1002", "1.0998", "quote_crossed"),
        ("0", "1.1", "quote_zero"),
        ("-0", "1.1", "quote_zero"),
        ("1.1", "0", "quote_zero"),
        ("-1.1", "1.1", "quote_zero"),
        ("NaN", "1.1", "quote_not_finite"),
        ("1.1", "sNaN", "quote_not_finite"),
        ("1.1", "Infinity", "quote_not_finite"),
        ("1.1", "1e999999", "quote_out_of_range"),
        ("1e-999999", "1.1", "quote_out_of_range"),
        ("1." + "1" * 30, "2", "quote_out_of_range"),
    ],
)
def test_refuses_what_is_no_price(bid: str, ask: str, code: str) -> None:
    assert refusal_of(quoted, "EUR/USD", bid, ask) == code


def test_accepts_a_price_without_a_spread() -> None:
    assert quoted("EUR/USD", "1.1", "1.1").mid == Decimal("1.1")


@pytest.mark.parametrize("price", [1.1, 1, "1.1", True])
def test_a_price_that_is_no_decimal_is_a_bug(price: Any) -> None:
    with pytest.raises(TypeError):
        Quote("EUR", "USD", price, price, "lp-one", NOON, NOON, "q")


@pytest.mark.parametrize(
    ("pair", "code"),
    [
        ("EUR/EUR", "quote_pair"),
        ("EUR/QQQ", "unknown_currency"),
        ("usd/EUR", "unknown_currency"),
        ("XAU/USD", "currency_without_minor_unit"),
    ],
)
def test_refuses_pairs_that_are_none(pair: str, code: str) -> None:
    assert refusal_of(quoted, pair, "1", "1") == code


def test_refuses_times_without_a_zone_or_backwards() -> None:
    naive = NOON.replace(tzinfo=None)
    assert refusal_of(quoted, "EUR/USD", "1", "1", quoted_at=naive) == "quote_time_naive"
    assert refusal_of(quoted, "EUR/USD", "1", "1", valid_until=naive) == "quote_time_naive"
    early = NOON - timedelta(seconds=1)
    assert refusal_of(quoted, "EUR/USD", "1", "1", valid_until=early) == "quote_validity"


@pytest.mark.parametrize(
    ("after_s", "max_age_s", "code"),
    [
        (-1, 60, "quote_from_future"),
        (0, 0, None),
        (60, 60, None),
        (61, 60, "quote_stale"),
        (300, 900, None),
        (301, 900, "quote_expired"),
    ],
)
def test_refuses_quotes_out_of_their_time(after_s: int, max_age_s: int, code: str | None) -> None:
    at = NOON + timedelta(seconds=after_s)
    if code is None:
        check_fresh(EURUSD, at, max_age_s)
    else:
        assert refusal_of(check_fresh, EURUSD, at, max_age_s) == code


def test_a_cross_sees_a_leg_from_the_future() -> None:
    late = quoted("USD/JPY", "150", "151", quoted_at=NOON + timedelta(seconds=1))
    assert refusal_of(check_fresh, cross(EURUSD, late), NOON, 60) == "quote_from_future"
