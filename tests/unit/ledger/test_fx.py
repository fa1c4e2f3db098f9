"""Conversions: the house's position at the source, the client's amount rounded once, all exact."""

from __future__ import annotations

import decimal
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from ledger.errors import InvalidInput, Refusal
from ledger.fx import (
    ClientSide,
    Conversion,
    Fixed,
    Quote,
    convert,
    convert_to_receive,
    cross,
    inverse,
    rederive,
)
from ledger.money import Money, Rounding, parse_amount

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NO_MARKUP = Decimal(0)


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
codes = ["EUR", "USD", "JPY", "KWD", "BTC", "ETH", "USDT.TRC20"]
pairs = st.permutations(codes).map(lambda found: "/".join(found[:2]))
bps = st.decimals(min_value=0, max_value=2000, places=2)
roundings = st.sampled_from(list(Rounding))


@st.composite
def quotes(draw: st.DrawFn, pair: str = "") -> Quote:
    bid, ask = sorted((draw(rates), draw(rates)))
    return quoted(pair or draw(pairs), str(bid), str(ask))


@st.composite
def conversions(draw: st.DrawFn) -> Conversion:
    quote = draw(quotes())
    quote = inverse(quote) if draw(st.booleans()) else quote
    given_, other = draw(st.permutations([quote.base, quote.quote]))
    price = convert if draw(st.booleans()) else convert_to_receive
    money = Money(draw(st.integers(1, 10**24)), given_)
    try:
        return price(money, other, quote, draw(bps), rounding=draw(roundings))
    except InvalidInput:
        reject()


def refusal_of(act: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(Refusal) as refused:
        act(*args, **named)
    return refused.value.public_code


def minors(conversion: Conversion) -> tuple[int, int, int, int]:
    return (
        conversion.sold.minor,
        conversion.bought.minor,
        conversion.at_source.minor,
        conversion.markup.minor,
    )


# --- the examples of the policies ---


def test_books_the_deposit_at_the_sources_bid_and_the_markup_beside_it() -> None:
    done = convert(parse_amount("1000.00", "EUR"), "USD", EURUSD, Decimal(100))
    assert str(done.at_source) == "USD 1099.80"
    assert str(done.bought) == "USD 1088.80"
    assert str(done.markup) == "USD 11.00"
    assert done.residue == Decimal("0.002")
    assert done.rate == Decimal("1.088802")
    assert (done.side, done.fixed) == (ClientSide.SELLS_BASE, Fixed.SOLD)


def test_returns_to_source_exactly_what_was_paid_and_the_rest_to_the_bank() -> None:
    quote = quoted("EUR/USD", "1.1498", "1.1502")
    wallet = parse_amount("1500.00", "USD")
    card = convert_to_receive(parse_amount("1000.00", "EUR"), "USD", quote, NO_MARKUP)
    assert str(card.sold) == "USD 1150.20"
    assert str(card.bought) == "EUR 1000.00"
    bank = convert(wallet - card.sold, "EUR", quote, NO_MARKUP)
    assert str(bank.sold) == "USD 349.80"
    assert str(bank.bought) == "EUR 304.12"
    assert card.side is bank.side is ClientSide.BUYS_BASE
    assert card.markup.is_zero
    assert bank.markup.is_zero


def test_takes_the_markup_on_the_ask_from_a_client_who_buys_the_base() -> None:
    done = convert(parse_amount("1000.00", "USD"), "EUR", EURUSD, Decimal(500))
    assert done.rate == Decimal("1.15521"), "1.10020 · 1.05"
    assert str(done.at_source) == "EUR 908.93"
    assert str(done.bought) == "EUR 865.64"
    assert str(done.markup) == "EUR 43.29"


# --- other exponents ---


@pytest.mark.parametrize(
    ("sold", "into", "quote", "bought", "at_source"),
    [
        ("USD 100.00", "JPY", USDJPY, "JPY 14984", "JPY 14998"),
        ("JPY 15000", "USD", USDJPY, "USD 99.89", "USD 99.99"),
        ("USD 100.00", "KWD", USDKWD, "KWD 30.659", "KWD 30.690"),
        ("KWD 30.710", "USD", USDKWD, "USD 99.90", "USD 100.00"),
    ],
)
def test_rounds_to_the_decimals_of_each_currency(
    sold: str, into: str, quote: Quote, bought: str, at_source: str
) -> None:
    currency, text = sold.split()
    done = convert(parse_amount(text, currency), into, quote, Decimal(10))
    assert (str(done.bought), str(done.at_source)) == (bought, at_source)


def test_converts_through_a_pivot_and_rounds_once() -> None:
    made = cross(USDJPY, USDKWD)
    done = convert(Money(1_000_000, "JPY"), "KWD", made, NO_MARKUP)
    exact = Fraction(1_000_000) / Fraction("150.015") * Fraction("0.30690")
    assert done.bought == Money(round(exact * 1000), "KWD")
    assert abs(done.bought.exact() + Fraction(done.residue) - exact) < Fraction(1, 10**40)
    assert [leg.inverted for leg in done.quote.pivot] == [True, False]
    assert rederive(done) == done


def test_the_smallest_and_the_largest_amounts_stay_exact() -> None:
    tether = quoted("ETH/USDT.BEP20", "1", "1")
    assert minors(convert(Money(1, "ETH"), "USDT.BEP20", tether, NO_MARKUP)) == (1, 1, 1, 0)
    most = Money(10**38 - 1, "ETH")
    assert convert(most, "USDT.BEP20", tether, NO_MARKUP).bought.minor == most.minor


def test_refuses_to_take_money_for_nothing() -> None:
    weak = quoted("USD/JPY", "300", "301")
    assert refusal_of(convert, Money(1, "JPY"), "USD", weak, NO_MARKUP) == "amount_too_small"
    assert convert(Money(2, "JPY"), "USD", weak, NO_MARKUP).bought == Money(1, "USD")


def test_refuses_to_give_money_for_nothing() -> None:
    ether = quoted("ETH/USD", "1", "1")
    dust = Money(10**15, "ETH")
    assert refusal_of(convert_to_receive, dust, "USD", ether, NO_MARKUP) == "amount_too_small"
    grain = Money(10**16, "ETH")
    assert convert_to_receive(grain, "USD", ether, NO_MARKUP).sold == Money(1, "USD")


def test_refuses_amounts_that_outgrow_the_books() -> None:
    dear = quoted("BTC/EUR", "1e18", "1e18")
    assert refusal_of(convert, Money(10**37, "BTC"), "EUR", dear, NO_MARKUP) == "amount_too_large"


@pytest.mark.parametrize("minor", [0, -1])
def test_refuses_to_convert_nothing(minor: int) -> None:
    assert refusal_of(convert, Money(minor, "EUR"), "USD", EURUSD, NO_MARKUP) == (
        "amount_not_positive"
    )


# --- laws ---


@given(conversions())
def test_both_sides_of_every_split_sum(done: Conversion) -> None:
    if done.fixed is Fixed.SOLD:
        assert done.bought + done.markup == done.at_source
    else:
        assert done.at_source + done.markup == done.sold
    assert done.markup.minor >= 0
    assert done.sold.is_positive
    assert done.bought.is_positive


@given(conversions())
def test_an_auditor_derives_the_same_conversion(done: Conversion) -> None:
    assert rederive(done) == done
    stored = msgspec.json.decode(msgspec.json.encode(done), type=Conversion)
    assert stored == done
    assert rederive(stored) == done


@pytest.mark.parametrize(
    "lie",
    [
        {"bought": Money(108_881, "USD")},
        {"at_source": Money(109_981, "USD")},
        {"markup": Money(1_099, "USD")},
        {"rate": Decimal("1.0889")},
        {"residue": Decimal("0.001")},
        {"markup_bps": Decimal(101)},
        {"side": ClientSide.BUYS_BASE},
        {"quote": quoted("EUR/USD", "1.09981", "1.10020")},
    ],
)
def test_an_auditor_sees_every_lie_that_changes_an_amount(lie: dict[str, Any]) -> None:
    done = convert(Money(100_000, "EUR"), "USD", EURUSD, Decimal(100))
    assert rederive(done) == done
    told = msgspec.structs.replace(done, **lie)
    assert rederive(told) != told


@given(conversions())
def test_residue_is_what_rounding_left(done: Conversion) -> None:
    client = done.bought if done.fixed is Fixed.SOLD else done.sold
    unit = Money(1, client.currency).exact()
    assert abs(Fraction(done.residue)) < unit


@given(quotes("EUR/USD"), st.integers(10**8, 10**12), bps, roundings)
def test_the_client_never_gains_by_going_there_and_back(
    quote: Quote, minor: int, markup: Decimal, rounding: Rounding
) -> None:
    """But for the minor unit that a rounding in the client's favour may add at each end."""
    start = Money(minor, "EUR")
    try:
        there = convert(start, "USD", quote, markup, rounding=rounding)
        back = convert(there.bought, "EUR", quote, markup, rounding=rounding)
    except InvalidInput:
        reject()
    slack = 2 + Fraction(1) / Fraction(quote.bid)
    assert back.bought.minor <= start.minor + slack


@given(conversions(), bps)
def test_more_markup_is_never_better_for_the_client(done: Conversion, more: Decimal) -> None:
    dearer = msgspec.structs.replace(done, markup_bps=done.markup_bps + more)
    try:
        again = rederive(dearer)
    except InvalidInput:
        reject()
    assert again.at_source == done.at_source
    assert again.bought <= done.bought
    assert again.sold >= done.sold


@given(quotes(), st.integers(1, 10**20), bps)
def test_a_quote_held_upside_down_gives_the_same_conversion(
    quote: Quote, minor: int, markup: Decimal
) -> None:
    money = Money(minor, quote.base)
    try:
        done = convert(money, quote.quote, quote, markup)
    except InvalidInput:
        reject()
    assert convert(money, quote.quote, inverse(quote), markup) == done


# --- what convert refuses ---


@pytest.mark.parametrize(("sold", "into"), [("EUR", "JPY"), ("JPY", "USD"), ("EUR", "EUR")])
def test_refuses_the_quote_of_another_pair(sold: str, into: str) -> None:
    assert refusal_of(convert, Money(100, sold), into, EURUSD, NO_MARKUP) == "quote_pair"


def test_sells_a_retired_currency_but_never_buys_it() -> None:
    lev = quoted("EUR/BGN", "1.95583", "1.95583")
    assert convert(Money(195_583, "BGN"), "EUR", lev, NO_MARKUP).bought == Money(100_000, "EUR")
    euro = Money(100_000, "EUR")
    assert refusal_of(convert, euro, "BGN", lev, NO_MARKUP) == "currency_retired"
    assert refusal_of(convert_to_receive, Money(1, "BGN"), "EUR", lev, NO_MARKUP) == (
        "currency_retired"
    )


def test_bought_a_currency_while_it_lived_and_stays_derivable() -> None:
    then = datetime(2025, 12, 31, 12, tzinfo=UTC)
    lev = quoted("EUR/BGN", "1.95583", "1.95583", quoted_at=then, valid_until=then)
    done = convert(Money(100_000, "EUR"), "BGN", lev, NO_MARKUP)
    assert done.bought == Money(195_583, "BGN")
    assert rederive(done) == done


@pytest.mark.parametrize("hostile", ["-1", "10000", "NaN", "Infinity", "1e-999999", "1e999999"])
def test_refuses_markups_that_are_none(hostile: str) -> None:
    assert (
        refusal_of(convert, Money(100, "EUR"), "USD", EURUSD, Decimal(hostile))
        == "markup_out_of_range"
    )


def test_tells_its_own_quote_where_an_equal_one_is_written_otherwise() -> None:
    sold = Money(100_00, "EUR")
    for bid, markup in (("1.1", "50"), ("1.10", "50.0"), ("1.100", "5E+1")):
        done = convert(sold, "USD", quoted("EUR/USD", bid, "1.2"), Decimal(markup))
        assert done.bought == Money(109_45, "USD")
        assert str(done.quote.bid) == bid
        assert str(done.markup_bps) == markup


def test_a_markup_is_a_decimal_also_where_an_equal_one_was_met_before() -> None:
    quote = quoted("EUR/USD", "1.1", "1.2")
    convert(Money(1_00, "EUR"), "USD", quote, Decimal(50))
    with pytest.raises(AssertionError, match="Decimal"):
        convert(Money(1_00, "EUR"), "USD", quote, 50)  # type: ignore[arg-type]


def test_converts_the_same_whatever_the_ambient_context() -> None:
    made = cross(USDJPY, USDKWD)
    usual = convert(Money(10**15, "JPY"), "KWD", made, Decimal("12.5"))
    with decimal.localcontext() as ambient:
        ambient.prec = 2
        ambient.rounding = decimal.ROUND_UP
        assert cross(USDJPY, USDKWD) == made
        assert convert(Money(10**15, "JPY"), "KWD", made, Decimal("12.5")) == usual
