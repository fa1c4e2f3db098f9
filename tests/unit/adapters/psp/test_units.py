"""Stripe's minor units against ours."""

from __future__ import annotations

import pytest

from adapters.psp.stripe.units import from_stripe, to_stripe
from ledger.assets import ASSETS, AssetKind
from ledger.errors import InvalidInput
from ledger.money import Money

FIAT = sorted(code for code, asset in ASSETS.items() if asset.kind is AssetKind.FIAT)


@pytest.mark.parametrize(
    ("money", "minor"),
    [
        (Money(100_000, "EUR"), 100_000),
        (Money(1_000, "JPY"), 1_000),
        (Money(12_340, "KWD"), 12_340),
        (Money(50, "ISK"), 5_000),
        (Money(50, "UGX"), 5_000),
        (Money(500, "MGA"), 5),
    ],
)
def test_writes_amounts_as_stripe_counts_them(money: Money, minor: int) -> None:
    assert to_stripe(money) == (minor, money.currency.lower())
    assert from_stripe(minor, money.currency.lower()) == money


@pytest.mark.parametrize("code", FIAT)
def test_reads_back_what_it_writes(code: str) -> None:
    money = Money(12_345_000, code)

    assert from_stripe(*to_stripe(money)) == money


@pytest.mark.parametrize(
    "money",
    [Money(12_341, "KWD"), Money(1, "MGA"), Money(0, "EUR"), Money(-5, "EUR"), Money(1, "BTC")],
)
def test_refuses_to_round_or_to_send_what_is_no_amount(money: Money) -> None:
    with pytest.raises(InvalidInput) as refusal:
        to_stripe(money)

    assert refusal.value.public_code == "amount_not_payable"


def test_refuses_a_fraction_that_the_currency_does_not_have() -> None:
    with pytest.raises(InvalidInput):
        from_stripe(5_001, "isk")
    with pytest.raises(InvalidInput):
        from_stripe(5, "zzz")
