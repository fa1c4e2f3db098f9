"""Assets: the table is the standard's, retired codes stay readable, metals are no money."""

from __future__ import annotations

from datetime import date, timedelta

import moneyed
import pytest

from ledger import iso4217
from ledger.assets import ASSETS, AssetKind, asset, usable_asset
from ledger.errors import InvalidInput

ZERO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
FOUR_DECIMALS = "CLF UYW"

active = [row.split(" ", 1)[0] for row in iso4217.ACTIVE.strip().splitlines()]


def refusal_of(code: str, on: date | None = None) -> str:
    with pytest.raises(InvalidInput) as refused:
        usable_asset(code, on)
    return refused.value.public_code


def test_lists_every_code_of_the_standard_once() -> None:
    retired = [row.split(" ", 1)[0] for row in iso4217.RETIRED.strip().splitlines()]
    assert len(active) + len(iso4217.WITHOUT_MINOR_UNIT) == 178
    codes = [*active, *retired, *iso4217.WITHOUT_MINOR_UNIT]
    assert len(codes) == len(set(codes))


def test_counts_the_decimals_of_the_standard() -> None:
    expected = dict.fromkeys(ZERO_DECIMALS.split(), 0)
    expected |= dict.fromkeys(THREE_DECIMALS.split(), 3)
    expected |= dict.fromkeys(FOUR_DECIMALS.split(), 4)
    assert {code: asset(code).exponent for code in active} == {
        code: expected.get(code, 2) for code in active
    }


def test_agrees_with_the_package_of_the_official_table() -> None:
    """Runs where that public-domain package is installed; the program never needs it."""
    official = pytest.importorskip("iso4217", reason="the official table is not installed").Currency
    table = {
        entry.code: (entry.exponent, f"{entry.number:03}")
        for entry in official
        if entry.exponent is not None
    }
    assert {code: (asset(code).exponent, asset(code).numeric) for code in active} == table


def test_tells_one_token_from_itself_on_another_network() -> None:
    assert asset("USDT.ERC20").exponent == 6
    assert asset("USDT.BEP20").exponent == 18
    assert asset("USDT.ERC20").network != asset("USDT.TRC20").network
    assert refusal_of("USDT") == "unknown_currency"


def test_every_asset_has_its_face_in_py_moneyed() -> None:
    for code, found in ASSETS.items():
        assert moneyed.get_currency(code) is found.currency
        assert found.currency.sub_unit == 10**found.exponent


@pytest.mark.parametrize(("code", "numeric"), [("XCG", "532"), ("ZWG", "924"), ("XAD", "396")])
def test_registers_what_py_moneyed_lacks(code: str, numeric: str) -> None:
    assert moneyed.get_currency(iso=numeric).code == code


@pytest.mark.parametrize(
    ("code", "last_day"),
    [
        ("ANG", date(2025, 6, 30)),
        ("BGN", date(2025, 12, 31)),
        ("HRK", date(2022, 12, 31)),
        ("SLL", date(2023, 12, 31)),
        ("ZWL", date(2024, 8, 31)),
    ],
)
def test_retired_currency_stays_readable_and_takes_no_new_amounts(
    code: str, last_day: date
) -> None:
    assert asset(code).valid_to == last_day
    assert usable_asset(code, last_day).code == code
    assert refusal_of(code, last_day + timedelta(days=1)) == "currency_retired"
    assert refusal_of(code) == "currency_retired"


@pytest.mark.parametrize(
    ("code", "first_day"), [("XCG", date(2025, 3, 31)), ("ZWG", date(2024, 6, 25))]
)
def test_new_currency_takes_no_amounts_before_its_first_day(code: str, first_day: date) -> None:
    assert usable_asset(code, first_day).usable_on(None)
    assert refusal_of(code, first_day - timedelta(days=1)) == "currency_not_yet_valid"


@pytest.mark.parametrize("code", sorted(iso4217.WITHOUT_MINOR_UNIT))
def test_refuses_metals_and_units_of_account(code: str) -> None:
    assert refusal_of(code) == "currency_without_minor_unit"


@pytest.mark.parametrize(
    "code",
    ["", "eur", "EUR ", "EUR\n", "QQQ", "\N{CYRILLIC CAPITAL LETTER IE}UR", "978", "X" * 10_000],
)
def test_refuses_unknown_codes(code: str) -> None:
    assert refusal_of(code) == "unknown_currency"


def test_knows_money_from_funds_and_crypto() -> None:
    assert asset("EUR").kind is AssetKind.FIAT
    assert asset("CLF").kind is AssetKind.FUND
    assert asset("BTC").kind is AssetKind.CRYPTO
