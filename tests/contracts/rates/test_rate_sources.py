"""What every source of rates promises, asked of each of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from adapters.rates.broker import BrokerRates, Desk, Weekend
from adapters.rates.ecb import EcbRates
from adapters.rates.sandbox import SandboxRates, prices
from ledger.errors import QuoteRefused
from ledger.fx import ClientSide, Quote, check_fresh, convert, rederive
from ledger.money import Money
from payments.rates import Crossing, RateSource, Waterfall

if TYPE_CHECKING:
    from collections.abc import Callable

MONDAY = datetime(2026, 3, 2, 18, tzinfo=UTC)
DAYS_OF_A_YEAR = [MONDAY + timedelta(days=n, hours=n % 24) for n in range(0, 365, 3)]


def desk_with_prices(weekend: Weekend) -> BrokerRates:
    """A desk that prices EUR/USD and USD/KWD every hour of a year."""
    rates = BrokerRates(Desk(markup_other_bps=Decimal(100), max_age_s=3600, weekend=weekend))
    for hour in range(366 * 24):
        at = MONDAY + timedelta(hours=hour)
        for base, quote, bid, ask in (
            ("EUR", "USD", "1.09980", "1.10020"),
            ("USD", "KWD", "0.30690", "0.30710"),
        ):
            until = at + timedelta(hours=1)
            said = (Decimal(bid), Decimal(ask), "acme desk", at, until, f"{base}{quote}-{hour}")
            rates.publish(Quote(base, quote, *said))
    return rates


@dataclass(frozen=True)
class Case:
    """A source, a pair that it prices, and the same source built anew."""

    make: Callable[[], RateSource]
    sold: str
    bought: str


def the_sandbox() -> RateSource:
    return Crossing(Waterfall([EcbRates(dealing=True), SandboxRates()]), "USD")


CASES = {
    "ecb": Case(lambda: EcbRates(dealing=True, half_spread_bps=Decimal(2)), "EUR", "USD"),
    "ecb-cross": Case(lambda: EcbRates(dealing=True), "GBP", "JPY"),
    "broker-waits": Case(lambda: desk_with_prices(Weekend.WAIT), "EUR", "USD"),
    "broker-last-good": Case(lambda: desk_with_prices(Weekend.LAST_GOOD), "KWD", "USD"),
    "sandbox-table": Case(SandboxRates, "KWD", "USD"),
    "crossing": Case(the_sandbox, "KWD", "JPY"),
    "waterfall": Case(lambda: Waterfall([EcbRates(), SandboxRates()]), "USD", "AED"),
}


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[RateSource, Case]:
    said = CASES[request.param]
    return said.make(), said


def answer(source: RateSource, sold: str, bought: str, at: datetime) -> Quote | str:
    try:
        return source.quote(sold, bought, at)
    except QuoteRefused as refusal:
        return refusal.public_code


def test_prices_the_pair_either_way_round(case: tuple[RateSource, Case]) -> None:
    source, said = case
    there = source.quote(said.sold, said.bought, MONDAY)
    back = source.quote(said.bought, said.sold, MONDAY)
    for quote in (there, back):
        assert {quote.base, quote.quote} == {said.sold, said.bought}
        convert(Money(10**9, said.sold), said.bought, quote, Decimal(50))
    bid, ask = there.exact()
    other_bid, other_ask = back.exact()
    if there.base == back.base:
        assert (bid, ask) == (other_bid, other_ask)
    else:
        assert (bid, ask) == (1 / other_ask, 1 / other_bid)


def test_nothing_of_a_later_time_is_in_a_quote(case: tuple[RateSource, Case]) -> None:
    source, said = case
    given = 0
    for at in DAYS_OF_A_YEAR:
        quote = answer(source, said.sold, said.bought, at)
        if isinstance(quote, str):
            assert quote in {"quote_market_closed", "quote_stale"}, at
            continue
        given += 1
        for leg in quote.legs:
            assert leg.quoted_at <= at <= leg.valid_until, at
    assert given > len(DAYS_OF_A_YEAR) / 2


def test_answers_the_same_for_ever(case: tuple[RateSource, Case]) -> None:
    source, said = case
    again = said.make()
    asked = [*DAYS_OF_A_YEAR, *reversed(DAYS_OF_A_YEAR)]
    first = [answer(source, said.sold, said.bought, at) for at in asked]
    assert first == [answer(source, said.sold, said.bought, at) for at in asked]
    assert first == [answer(again, said.sold, said.bought, at) for at in asked]


def test_the_zone_of_the_question_does_not_matter(case: tuple[RateSource, Case]) -> None:
    source, said = case
    for hours in (-11, 5, 14):
        at = MONDAY.astimezone(tz=_zone(hours))
        assert source.quote(said.sold, said.bought, at) == source.quote(
            said.sold, said.bought, MONDAY
        )


def test_refuses_a_pair_of_one_currency(case: tuple[RateSource, Case]) -> None:
    source, said = case
    assert answer(source, said.sold, said.sold, MONDAY) == "quote_pair"


def test_refuses_what_nobody_prices(case: tuple[RateSource, Case]) -> None:
    source, said = case
    assert answer(source, said.sold, "XCG", MONDAY) == "quote_missing"
    assert answer(source, "no such", said.bought, MONDAY) == "quote_missing"


def test_refuses_before_its_first_price(case: tuple[RateSource, Case]) -> None:
    source, said = case
    before = datetime(1998, 1, 1, tzinfo=UTC)
    refused = answer(source, said.sold, said.bought, before)
    if said.make is SandboxRates or isinstance(source, Waterfall):
        assert isinstance(refused, Quote), "the table is the same on every day"
    else:
        assert refused in {"quote_missing", "quote_from_future"}


def test_a_conversion_at_a_quote_can_be_derived_again(case: tuple[RateSource, Case]) -> None:
    source, said = case
    quote = source.quote(said.sold, said.bought, MONDAY)
    done = convert(Money(123_456_789, said.sold), said.bought, quote, Decimal(100))
    assert rederive(done) == done
    assert done.side in ClientSide
    check_fresh(quote, MONDAY, 86_400 * 6)


def test_a_naive_time_is_a_bug(case: tuple[RateSource, Case]) -> None:
    source, said = case
    with pytest.raises(AssertionError):
        source.quote(said.sold, said.bought, MONDAY.replace(tzinfo=None))


def test_a_cross_keeps_the_words_of_both_sources() -> None:
    quote = the_sandbox().quote("KWD", "JPY", MONDAY)
    assert quote.source == "sandbox broker rate+ECB reference"
    assert [(leg.base, leg.quote) for leg in quote.legs] == [
        ("USD", "KWD"),
        ("EUR", "USD"),
        ("EUR", "JPY"),
    ]
    table = prices(MONDAY)["KWD"]
    ecb = EcbRates(dealing=True).quote("USD", "JPY", MONDAY)
    assert quote.exact()[0] == Fraction(1) / Fraction(table.ask) * ecb.exact()[0]


def test_the_table_covers_what_the_ecb_lacks() -> None:
    for currency in ("KWD", "AED", "BHD", "JOD", "OMR", "VND", "NGN"):
        assert answer(EcbRates(dealing=True), "EUR", currency, MONDAY) == "quote_missing"
        assert isinstance(answer(the_sandbox(), "EUR", currency, MONDAY), Quote)


def _zone(hours: int) -> timezone:
    return timezone(timedelta(hours=hours))
