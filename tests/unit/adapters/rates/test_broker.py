"""The broker's own prices: in force from their time, stale, parked, and over a weekend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.rates.broker import BrokerRates, Desk, Weekend
from adapters.rates.ecb import EcbRates
from adapters.rates.market import closure
from ledger.errors import QuoteRefused
from ledger.facts import RatePublished
from ledger.fx import Quote
from ledger.money import Money
from payments.rates import Band, Terms, Waterfall

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
FRIDAY_CLOSE = datetime(2026, 3, 6, 22, tzinfo=UTC)
"""17:00 in New York, still winter time there."""
SUNDAY_OPEN = datetime(2026, 3, 8, 21, tzinfo=UTC)
"""17:00 in New York, which put its clocks forward that morning."""
TICK = timedelta(microseconds=1)


def price(at: datetime = NOON, bid: str = "1.0998", ask: str = "1.1002", **changes: Any) -> Quote:
    said: dict[str, Any] = {
        "base": "EUR",
        "quote": "USD",
        "bid": Decimal(bid),
        "ask": Decimal(ask),
        "source": "acme desk",
        "quoted_at": at,
        "valid_until": at + timedelta(minutes=5),
        "quote_id": f"desk-{at:%d-%H%M%S}",
    } | changes
    return Quote(**said)


def desk(**changes: Any) -> BrokerRates:
    said: dict[str, Any] = {"markup_other_bps": Decimal(100)} | changes
    return BrokerRates(Desk(**said))


def refusal(act: Any, *args: Any) -> str:
    with pytest.raises(QuoteRefused) as refused:
        act(*args)
    return refused.value.public_code


def ask(rates: BrokerRates, at: datetime) -> Quote:
    return rates.quote("EUR", "USD", at)


# --- in force, stale, from the future ---


def test_a_price_is_in_force_from_its_time() -> None:
    rates = desk()
    first, second = price(NOON), price(NOON + timedelta(seconds=30), "1.2", "1.3")
    rates.publish(first)
    rates.publish(second)
    assert ask(rates, NOON) == first
    assert ask(rates, second.quoted_at - TICK) == first
    assert ask(rates, second.quoted_at) == second
    assert refusal(ask, rates, NOON - TICK) == "quote_from_future"


def test_refuses_a_stale_price() -> None:
    rates = desk(max_age_s=60)
    rates.publish(price())
    assert ask(rates, NOON + timedelta(seconds=60)) == price()
    assert refusal(ask, rates, NOON + timedelta(seconds=60) + TICK) == "quote_stale"
    patient = desk(max_age_s=600)
    patient.publish(price())
    assert refusal(ask, patient, NOON + timedelta(minutes=5) + TICK) == "quote_expired"


def test_prices_are_only_added() -> None:
    rates = desk()
    rates.publish(price())
    assert rates.publish(price()) == rates.publish(price()), "said again, it is one"
    assert refusal(rates.publish, price(bid="1.0997")) == "quote_out_of_order"
    assert refusal(rates.publish, price(NOON - TICK)) == "quote_out_of_order"
    turned = price(NOON + TICK, "0.9", "0.91", base="USD", quote="EUR")
    assert refusal(rates.publish, turned) == "quote_pair"
    assert ask(rates, NOON) == price()


def test_a_cross_is_no_published_price() -> None:
    cross = EcbRates().reference("GBP", "JPY", NOON)
    assert refusal(desk().publish, cross) == "quote_derived"


# --- the band around a second source ---


def banded(**changes: Any) -> BrokerRates:
    said: dict[str, Any] = {"second": EcbRates().reference, "width_bps": Decimal(200)} | changes
    return desk(band=Band(**said))


ECB_USD = EcbRates().reference("EUR", "USD", NOON).bid


def around(shift_bps: int, at: datetime = NOON) -> Quote:
    exact = ECB_USD * (10_000 + shift_bps) / 10_000
    return price(at, str(exact), str(exact))


def test_parks_a_fat_finger_and_shuts_the_pair_until_a_better_price() -> None:
    rates = banded()
    assert not rates.publish(around(0)).parked
    fat = around(1_000, NOON + timedelta(seconds=10))
    assert rates.publish(fat).parked
    assert ask(rates, NOON + timedelta(seconds=9)) == around(0)
    assert refusal(ask, rates, NOON + timedelta(seconds=11)) == "quote_out_of_band"
    assert rates.parked == (fat,)
    good = around(5, NOON + timedelta(seconds=20))
    rates.publish(good)
    assert ask(rates, NOON + timedelta(seconds=21)) == good


def test_without_a_band_the_fat_finger_is_dealt_on() -> None:
    """The control."""
    rates = desk()
    rates.publish(around(1_000))
    assert ask(rates, NOON) == around(1_000)


@pytest.mark.parametrize(("shift_bps", "parked"), [(200, False), (201, True), (-201, True)])
def test_the_edge_of_the_band_is_inside(shift_bps: int, parked: bool) -> None:
    assert banded().publish(around(shift_bps)).parked is parked


def test_a_spread_wider_than_the_band_is_parked() -> None:
    low, high = ECB_USD * 9 / 10, ECB_USD * 11 / 10
    assert banded().publish(price(NOON, str(low), str(high))).parked


def test_a_pair_published_the_other_way_round_is_compared_all_the_same() -> None:
    turned = price(NOON, "0.8", "0.9", base="USD", quote="EUR")
    assert not banded(width_bps=Decimal(2_000)).publish(turned).parked
    assert banded().publish(price(NOON, "1.7", "1.8", base="USD", quote="EUR")).parked


def test_what_nobody_can_compare_is_parked_unless_it_is_named() -> None:
    dinar = price(NOON, "0.3069", "0.3071", base="USD", quote="KWD")
    assert banded().publish(dinar).parked
    assert not banded(alone=frozenset({"KWD"})).publish(dinar).parked


# --- weekends ---


def test_a_weekend_goes_by_new_yorks_clock() -> None:
    assert closure(FRIDAY_CLOSE - TICK) is None
    assert closure(FRIDAY_CLOSE) == closure(SUNDAY_OPEN - TICK)
    assert closure(SUNDAY_OPEN) is None
    lengths = set()
    for week in range(52):
        asleep = closure(datetime(2026, 1, 3, 12, tzinfo=UTC) + timedelta(weeks=week))
        assert asleep is not None
        lengths.add((asleep.opens_at - asleep.closed_at) // timedelta(hours=1))
    assert lengths == {47, 48, 49}, "two weekends of the year change the clock"


def with_friday(weekend: Weekend, quoted_at: datetime) -> BrokerRates:
    rates = desk(
        weekend=weekend,
        weekend_markup_bps=Decimal(250),
        weekend_sold_max={"EUR": 500_000},
        markup_bps={"EUR/USD": Decimal(80)},
    )
    rates.publish(price(quoted_at))
    return rates


def test_waits_over_the_weekend() -> None:
    rates = with_friday(Weekend.WAIT, FRIDAY_CLOSE - timedelta(seconds=30))
    assert ask(rates, FRIDAY_CLOSE - TICK).source == "acme desk"
    for at in (FRIDAY_CLOSE, SUNDAY_OPEN - TICK):
        assert refusal(ask, rates, at) == "quote_market_closed"
    assert refusal(ask, rates, SUNDAY_OPEN) in {"quote_stale", "quote_expired"}


def test_gives_the_last_good_rate_under_a_name_of_its_own() -> None:
    friday = FRIDAY_CLOSE - timedelta(seconds=30)
    rates = with_friday(Weekend.LAST_GOOD, friday)
    quote = ask(rates, FRIDAY_CLOSE + timedelta(hours=20))
    assert (quote.bid, quote.ask, quote.quoted_at) == (
        price(friday).bid,
        price(friday).ask,
        friday,
    )
    assert quote.source == "acme desk (weekend: last good)"
    assert quote.quote_id == f"{price(friday).quote_id}@weekend"
    assert quote.valid_until == SUNDAY_OPEN - TICK
    assert refusal(ask, rates, SUNDAY_OPEN) in {"quote_stale", "quote_expired"}


def test_a_price_that_was_stale_at_the_close_is_not_good() -> None:
    rates = with_friday(Weekend.LAST_GOOD, FRIDAY_CLOSE - timedelta(seconds=61))
    assert refusal(ask, rates, FRIDAY_CLOSE + timedelta(hours=1)) == "quote_stale"


def test_a_parked_price_is_not_the_last_good_one() -> None:
    band = Band(EcbRates().reference, Decimal(200))
    rates = desk(weekend=Weekend.LAST_GOOD, band=band)
    rates.publish(price(FRIDAY_CLOSE - timedelta(seconds=20), "2", "2.1"))
    assert refusal(ask, rates, FRIDAY_CLOSE + timedelta(hours=1)) == "quote_out_of_band"


def test_the_weekend_costs_more_and_takes_less() -> None:
    rates = with_friday(Weekend.LAST_GOOD, FRIDAY_CLOSE - timedelta(seconds=30))
    saturday = FRIDAY_CLOSE + timedelta(hours=20)
    quote = ask(rates, saturday)
    asleep = rates.terms(quote, "EUR", saturday)
    assert asleep == Terms("weekend: last good", Decimal(250), Money(500_000, "EUR"))
    asleep.check(Money(500_000, "EUR"))
    assert refusal(asleep.check, Money(500_001, "EUR")) == "quote_amount_limit"
    assert refusal(rates.terms(quote, "USD", saturday).check, Money(1, "USD")) == (
        "quote_amount_limit"
    )
    awake = rates.terms(quote, "EUR", FRIDAY_CLOSE - TICK)
    assert awake == Terms("EUR/USD", Decimal(80))
    awake.check(Money(10**12, "EUR"))


# --- built again from the log, and several sources ---


def test_is_built_again_from_the_facts() -> None:
    quotes = [
        around(0),
        around(2_000, NOON + timedelta(seconds=10)),
        around(3, NOON + timedelta(seconds=20)),
        price(NOON, "0.3069", "0.3071", base="USD", quote="KWD"),
    ]
    live = banded()
    for quote in quotes:
        live.publish(quote)
    again = BrokerRates.from_facts(live.desk, [RatePublished(quote=quote) for quote in quotes])
    assert again.parked == live.parked
    assert len(again.parked) == 2
    for second in (0, 15, 25):
        at = NOON + timedelta(seconds=second)
        assert _said(again, at) == _said(live, at)


def _said(rates: BrokerRates, at: datetime) -> object:
    try:
        return msgspec.to_builtins(ask(rates, at))
    except QuoteRefused as refusal:
        return refusal.public_code


def test_the_next_source_is_asked_when_the_first_is_stale_but_not_when_it_is_suspect() -> None:
    ecb = EcbRates(dealing=True)
    rates = banded()
    both = Waterfall([rates, ecb])
    assert both.quote("EUR", "USD", NOON).source == "ECB reference"
    rates.publish(around(0))
    assert both.quote("EUR", "USD", NOON).source == "acme desk"
    later = NOON + timedelta(minutes=2)
    assert both.quote("EUR", "USD", later).source == "ECB reference"
    rates.publish(around(5_000, later))
    assert refusal(both.quote, "EUR", "USD", later) == "quote_out_of_band"


def test_a_waterfall_tells_why_the_source_that_knows_the_pair_refused() -> None:
    rates = desk()
    rates.publish(price())
    later = NOON + timedelta(hours=1)
    assert refusal(Waterfall([EcbRates(), rates]).quote, "EUR", "USD", later) == (
        "not_a_dealing_source"
    )
    wrong = refusal(Waterfall([rates, EcbRates(dealing=True)]).quote, "EUR", "KWD", later)
    assert wrong == "quote_missing"
    assert refusal(Waterfall([]).quote, "EUR", "USD", later) == "quote_missing"
