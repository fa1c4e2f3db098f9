"""Stripe's minor units and ours: the same whole numbers, but for a few currencies.

Stripe counts the Icelandic króna and the Ugandan shilling in hundredths that are always zero, and
the Malagasy ariary without decimals; amounts with three decimals must end in zero. All of this is
from memory of Stripe's currency page, not verified at the source: `tests/contracts` hold us to it.
"""

from __future__ import annotations

from typing import Final

from ledger.assets import AssetKind, asset
from ledger.errors import InvalidInput
from ledger.money import Money

DECIMALS: Final = {"ISK": 2, "MGA": 0, "UGX": 2}
"""Where Stripe's decimals differ from ISO 4217."""

_COARSE_DECIMALS: Final = 3
"""Amounts with this many decimals are whole hundredths at Stripe."""


def decimals(currency: str) -> int:
    """How many decimals Stripe's minor unit of the currency has."""
    return DECIMALS.get(currency, asset(currency).exponent)


def grain(currency: str) -> int:
    """The smallest amount of Stripe's minor units that is a whole minor unit of ours."""
    smallest: int = 10 ** max(0, decimals(currency) - asset(currency).exponent)
    return smallest


def to_stripe(amount: Money) -> tuple[int, str]:
    """Write money as Stripe does: whole minor units and a lower-case code.

    Raises:
        InvalidInput: `amount_not_payable`: Stripe has no such amount. It is never rounded.
    """
    found = asset(amount.currency)
    if found.kind is not AssetKind.FIAT or not amount.is_positive:
        raise InvalidInput("only positive amounts of money move", code="amount_not_payable")
    scaled, rest = divmod(amount.minor * 10 ** decimals(found.code), 10**found.exponent)
    coarse = found.exponent == _COARSE_DECIMALS and scaled % 10
    if rest or coarse:
        raise InvalidInput(f"{amount} cannot be paid to the unit", code="amount_not_payable")
    return scaled, found.code.lower()


def from_stripe(minor: int, currency: str) -> Money:
    """Read Stripe's whole minor units (signed) and its lower-case code.

    Raises:
        InvalidInput: `unknown_currency`, or `provider_facts` for an amount that we cannot hold.
    """
    code = currency.upper()
    found = asset(code)
    scaled, rest = divmod(minor * 10**found.exponent, 10 ** decimals(code))
    if rest:
        raise InvalidInput(f"{code} has no such fraction", code="provider_facts")
    return Money(scaled, code)
