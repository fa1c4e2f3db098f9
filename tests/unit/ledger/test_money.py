"""Money: strict in, exact inside, and every rounding named."""

from __future__ import annotations

import decimal
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.assets import ASSETS
from ledger.errors import InvalidInput
from ledger.money import MINOR_MAX, Money, Rounding, allocate, parse_amount, share, to_minor

currencies = st.sampled_from(sorted(ASSETS))
minors = st.integers(min_value=-MINOR_MAX, max_value=MINOR_MAX)
moneys = st.builds(Money, minors, currencies)
small = st.integers(min_value=-(10**18), max_value=10**18)
roundings = st.sampled_from(list(Rounding))

ARABIC = "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}"
FULL_WIDTH = "\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}"
BOUNDARIES = [
    edge + step for edge in (0, 2**53, 2**63, 2**64, 2 * 10**19) for step in (-1, 0, 1)
] + [MINOR_MAX]


def refusal_of(text: Any, currency: str = "EUR", on: date | None = None) -> str:
    with pytest.raises(InvalidInput) as refused:
        parse_amount(text, currency, on=on)
    return refused.value.public_code


# --- the type ---


@pytest.mark.parametrize("minor", [True, 1.0, "1", Decimal(1), None])
def test_refuses_minor_units_that_are_no_int(minor: Any) -> None:
    with pytest.raises(TypeError):
        Money(minor, "EUR")


@pytest.mark.parametrize("minor", [MINOR_MAX + 1, -MINOR_MAX - 1])
def test_refuses_more_than_a_column_holds(minor: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        Money(minor, "EUR")
    assert refused.value.public_code == "amount_too_large"


def test_refuses_a_sum_that_no_column_holds() -> None:
    with pytest.raises(InvalidInput):
        Money(MINOR_MAX, "EUR") + Money(1, "EUR")


@pytest.mark.parametrize("minor", BOUNDARIES + [-edge for edge in BOUNDARIES])
def test_survives_storing_at_every_boundary_of_an_integer(minor: int) -> None:
    money = Money(minor, "ETH")
    assert msgspec.json.decode(msgspec.json.encode(money), type=Money) == money


@pytest.mark.parametrize(
    "stored", ['[1.0,"EUR"]', '[1e2,"EUR"]', '[true,"EUR"]', '["1","EUR"]', '[null,"EUR"]']
)
def test_refuses_stored_amounts_that_are_no_int(stored: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(stored, type=Money)


def test_two_currencies_never_meet() -> None:
    euro, dollar = Money(1, "EUR"), Money(1, "USD")
    for meet in (
        lambda: euro + dollar,
        lambda: euro - dollar,
        lambda: euro < dollar,
        lambda: euro <= dollar,
        lambda: euro > dollar,
        lambda: euro >= dollar,
    ):
        with pytest.raises(TypeError, match="never meet"):
            meet()
    assert euro != dollar


@pytest.mark.parametrize("other", [0, 1, 1.5, Decimal(1), "1"])
def test_money_only_goes_with_money(other: Any) -> None:
    with pytest.raises(TypeError):
        Money(1, "EUR") + other
    with pytest.raises(TypeError):
        other + Money(1, "EUR")


@given(small, small, currencies)
def test_adds_and_compares_like_whole_numbers(a: int, b: int, currency: str) -> None:
    one, two = Money(a, currency), Money(b, currency)
    assert (one + two).minor == a + b
    assert one - two == -(two - one) == Money(a - b, currency)
    assert (one < two, one <= two, one > two, one >= two) == (a < b, a <= b, a > b, a >= b)
    assert one + Money.zero(currency) == one
    assert (one - one).is_zero
    assert one.is_positive == (a > 0)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(100_000, "EUR"), "EUR 1000.00"),
        (Money(500, "KWD"), "KWD 0.500"),
        (Money(-5, "USD"), "USD -0.05"),
        (Money(1000, "JPY"), "JPY 1000"),
        (Money(0, "JPY"), "JPY 0"),
        (Money(1, "ETH"), "ETH 0.000000000000000001"),
        (Money(1_500_000, "USDT.TRC20"), "USDT.TRC20 1.500000"),
    ],
)
def test_writes_plain_decimals(money: Money, text: str) -> None:
    assert str(money) == text


@given(moneys)
def test_face_shows_the_same_amount(money: Money) -> None:
    face = money.face()
    assert face.currency.code == money.currency
    assert Fraction(face.amount) == money.exact()


# --- parsing ---


@given(st.integers(min_value=1, max_value=10**15 - 1), currencies, st.data())
def test_reads_back_what_it_writes(whole: int, currency: str, data: st.DataObject) -> None:
    unit = 10 ** ASSETS[currency].exponent
    money = Money(whole * unit + data.draw(st.integers(0, unit - 1)), currency)
    retired = ASSETS[currency].valid_to
    assert parse_amount(money.text(), currency, on=retired) == money


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ", " 1", "1\n", "\n1", "1\x00", "1,000", "1_000", "+1", "-1", "-0"),
        *("1e3", "1E3", "1e999999", "0x10", "NaN", "nan", "Infinity", "inf", "-inf", "sNaN"),
        *(
            "01",
            "00",
            ".5",
            "5.",
            "1.",
            "1..0",
            "1.0.0",
            ARABIC,
            FULL_WIDTH,
            f"1.{ARABIC}",
            "1\N{ARABIC DECIMAL SEPARATOR}5",
            "\N{SUPERSCRIPT TWO}",
        ),
        *(
            "1" * 16,
            "9" * 5000,
            "0." + "1" * 19,
            "1.0e",
            "1.0f",
            "$1",
            "1 EUR",
            "\N{VULGAR FRACTION ONE HALF}",
        ),
        *(1, 1.0, 0.1, Decimal(1), None, True, b"1.00", ["1"], {"a": 1}),
    ],
)
def test_refuses_what_is_no_plain_decimal(text: Any) -> None:
    assert refusal_of(text) == "amount_malformed"


@given(st.text(alphabet="0123456789.,-+eE_ \n\t\N{ARABIC-INDIC DIGIT THREE}x", max_size=24))
def test_reads_only_what_a_decimal_means(text: str) -> None:
    try:
        money = parse_amount(text, "ETH")
    except InvalidInput:
        return
    assert set(text) <= set("0123456789.")
    assert Fraction(text) == money.exact() > 0


@pytest.mark.parametrize(
    ("text", "currency"),
    [("1.000", "EUR"), ("1.0", "JPY"), ("1.0000", "KWD"), ("0.0000001", "USDT.ERC20")],
)
def test_refuses_more_decimals_than_the_asset_has(text: str, currency: str) -> None:
    assert refusal_of(text, currency) == "too_many_decimals"


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1.00", "EUR", 100),
        ("1", "EUR", 100),
        ("0.1", "EUR", 10),
        ("1", "JPY", 1),
        ("1.000", "KWD", 1000),
        ("0.000001", "USDT.ERC20", 1),
        ("999999999999999.999999999999999999", "ETH", 10**33 - 1),
    ],
)
def test_accepts_up_to_the_decimals_of_the_asset(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency) == Money(minor, currency)


@pytest.mark.parametrize("text", ["0", "0.0", "0.00"])
def test_refuses_nothing(text: str) -> None:
    assert refusal_of(text) == "amount_not_positive"


def test_refuses_new_amounts_of_a_retired_currency() -> None:
    assert refusal_of("1.00", "HRK") == "currency_retired"
    assert refusal_of("1.00", "HRK", date(2023, 1, 1)) == "currency_retired"
    assert parse_amount("1.00", "HRK", on=date(2022, 12, 31)) == Money(100, "HRK")


def test_refuses_currencies_that_are_none() -> None:
    assert refusal_of("1.00", "eur") == "unknown_currency"
    assert refusal_of("1.00", "XAU") == "currency_without_minor_unit"


# --- rounding ---


@pytest.mark.parametrize(
    ("rounding", "rounded"),
    [
        (Rounding.HALF_EVEN, [-3, -2, -2, -1, 0, 0, 1, 2, 2, 3]),
        (Rounding.HALF_UP, [-3, -3, -2, -1, -1, 1, 1, 2, 3, 3]),
        (Rounding.DOWN, [-2, -2, -1, -1, 0, 0, 1, 1, 2, 2]),
        (Rounding.UP, [-3, -3, -2, -2, -1, 1, 2, 2, 3, 3]),
        (Rounding.FLOOR, [-3, -3, -2, -2, -1, 0, 1, 1, 2, 2]),
        (Rounding.CEILING, [-2, -2, -1, -1, 0, 1, 2, 2, 3, 3]),
    ],
)
def test_rounds_as_named(rounding: Rounding, rounded: list[int]) -> None:
    exact = ["-2.6", "-2.5", "-1.6", "-1.4", "-0.5", "0.5", "1.4", "1.6", "2.5", "2.6"]
    assert [to_minor(Decimal(x), "JPY", rounding)[0].minor for x in exact] == rounded


@given(
    st.decimals(min_value=-(10**15), max_value=10**15, allow_nan=False, places=24),
    currencies,
    roundings,
)
def test_money_and_residue_are_the_exact_amount(
    exact: Decimal, currency: str, rounding: Rounding
) -> None:
    money, residue = to_minor(exact, currency, rounding)
    assert money.exact() + Fraction(residue) == Fraction(exact)
    assert abs(Fraction(residue)) < Fraction(1, 10 ** ASSETS[currency].exponent)


@given(st.fractions(-(10**9), 10**9), st.fractions(-(10**9), 10**9), currencies, roundings)
def test_rounding_is_monotone(a: Fraction, b: Fraction, currency: str, rounding: Rounding) -> None:
    low, high = sorted((a, b))
    assert to_minor(low, currency, rounding)[0] <= to_minor(high, currency, rounding)[0]


def test_rounds_the_same_whatever_the_ambient_context() -> None:
    exact = Decimal("123456789012345.678901234567890123")
    usual = to_minor(exact, "ETH", Rounding.HALF_EVEN)
    with decimal.localcontext() as ambient:
        ambient.prec = 3
        ambient.rounding = decimal.ROUND_UP
        assert exact * 1 != exact, "the ambient context bites"
        assert to_minor(exact, "ETH", Rounding.HALF_EVEN) == usual
        assert Money(MINOR_MAX, "ETH").face().amount == Decimal(Money(MINOR_MAX, "ETH").text())


@pytest.mark.parametrize(
    "hostile", ["NaN", "sNaN", "Infinity", "-Infinity", "1e999999", "1e-999999"]
)
def test_refuses_decimals_that_are_no_amount(hostile: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        to_minor(Decimal(hostile), "EUR", Rounding.DOWN)
    assert refused.value.public_code == "amount_malformed"


def test_refuses_exact_amounts_that_no_column_holds() -> None:
    with pytest.raises(InvalidInput) as refused:
        to_minor(Decimal("1e37"), "EUR", Rounding.DOWN)
    assert refused.value.public_code == "amount_too_large"


# --- splitting ---

weights = st.lists(st.integers(0, 10**9), min_size=1, max_size=12).filter(any)


@given(moneys, weights)
def test_allocation_loses_nothing_and_is_fair(money: Money, shares: list[int]) -> None:
    parts = allocate(money, shares)
    assert sum(part.minor for part in parts) == money.minor
    for part, weight in zip(parts, shares, strict=True):
        assert abs(Fraction(money.minor * weight, sum(shares)) - part.minor) < 1
    assert allocate(-money, shares) == tuple(-part for part in parts)


def test_gives_what_is_left_to_the_largest_remainders_then_to_the_first() -> None:
    assert [p.minor for p in allocate(Money(100, "EUR"), [1, 1, 1])] == [34, 33, 33]
    assert [p.minor for p in allocate(Money(5, "EUR"), [1, 2, 3])] == [1, 2, 2]
    assert [p.minor for p in allocate(Money(1, "JPY"), [0, 1, 1])] == [0, 1, 0]


@pytest.mark.parametrize("hostile", [[], [0], [1, -1], [2, -1], [1.5], [True]])
def test_weights_that_are_none_are_a_bug(hostile: list[Any]) -> None:
    with pytest.raises(AssertionError):
        allocate(Money(100, "EUR"), hostile)


@given(moneys, st.integers(1, 10**20), st.data(), roundings)
def test_share_and_rest_are_the_whole(
    money: Money, whole: int, data: st.DataObject, rounding: Rounding
) -> None:
    part = data.draw(st.integers(0, whole))
    taken = share(money, part, whole, rounding)
    assert taken + (money - taken) == money
    assert abs(taken.minor) <= abs(money.minor)
    assert share(money, whole, whole, rounding) == money
    assert share(money, 0, whole, rounding).is_zero


@pytest.mark.parametrize(("part", "whole"), [(1, 0), (-1, 2), (3, 2)])
def test_a_share_outside_the_whole_is_a_bug(part: int, whole: int) -> None:
    with pytest.raises(AssertionError):
        share(Money(100, "EUR"), part, whole, Rounding.DOWN)
