"""What money can be made of: ISO 4217 currencies, retired ones, and crypto by asset and network.

Every asset carries its py-moneyed `Currency`; those that py-moneyed lacks are registered with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

import moneyed

from ledger import iso4217
from ledger.errors import InvalidInput

EXPONENT_MAX: Final = 18

_CRYPTO: Final = """
BNB 18 bnb-smart-chain BNB
BTC 8 bitcoin Bitcoin
BCH 8 bitcoin-cash Bitcoin Cash
DOGE 8 dogecoin Dogecoin
ETH 18 ethereum Ether
LTC 8 litecoin Litecoin
SOL 9 solana Solana
TRX 6 tron Tronix
XRP 6 xrp-ledger XRP
USDC.BEP20 18 bnb-smart-chain USD Coin
USDC.ERC20 6 ethereum USD Coin
USDC.POLYGON 6 polygon USD Coin
USDC.SOL 6 solana USD Coin
USDT.BEP20 18 bnb-smart-chain Tether USD
USDT.ERC20 6 ethereum Tether USD
USDT.SOL 6 solana Tether USD
USDT.TRC20 6 tron Tether USD
"""
"""Code, decimals, network, name. A token is a different asset on every network: its decimals and
its addresses differ, and what is sent across them is lost."""


class AssetKind(StrEnum):
    """What stands behind the code."""

    FIAT = "fiat"
    FUND = "fund"
    CRYPTO = "crypto"


@dataclass(frozen=True, slots=True)
class Asset:
    """One thing that money can be made of.

    Attributes:
        code: ISO code, or crypto asset and network, e.g. `USDT.ERC20`.
        exponent: decimals of its minor unit, 0 to 18.
        numeric: ISO number, e.g. `978`; none for crypto. ANG and XCG share theirs.
        network: where a crypto asset lives.
        valid_from: first day on which it takes new amounts; None where older than any book.
        valid_to: last day on which it takes new amounts; None where none is in sight.
        currency: its face in py-moneyed.
    """

    code: str
    exponent: int
    name: str
    kind: AssetKind
    numeric: str | None = None
    network: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    currency: moneyed.Currency = field(compare=False, kw_only=True)

    def usable_on(self, on: date | None) -> bool:
        """Tell whether new amounts may be taken on this day; None asks for no end in sight."""
        if on is None:
            return self.valid_to is None
        begun = self.valid_from is None or self.valid_from <= on
        return begun and (self.valid_to is None or on <= self.valid_to)


def asset(code: str) -> Asset:
    """Look an asset up, retired ones included: their amounts stay readable.

    Raises:
        InvalidInput: `unknown_currency`, or `currency_without_minor_unit` for a metal or a unit
            of account, which nobody can pay in.
    """
    found = ASSETS.get(code)
    if found is not None:
        return found
    if code in iso4217.WITHOUT_MINOR_UNIT:
        raise InvalidInput(f"{code} has no minor unit", code="currency_without_minor_unit")
    raise InvalidInput(f"no such currency: {code[:16]!r}", code="unknown_currency")


def usable_asset(code: str, on: date | None) -> Asset:
    """Look up an asset that takes new amounts on this day; None asks for no end in sight.

    Raises:
        InvalidInput: as `asset`, or `currency_retired`, or `currency_not_yet_valid`.
    """
    found = asset(code)
    if found.usable_on(on):
        return found
    if found.valid_to is not None and (on is None or found.valid_to < on):
        detail = f"{code} takes no new amounts after {found.valid_to}"
        raise InvalidInput(detail, code="currency_retired")
    detail = f"{code} takes no amounts before {found.valid_from}"
    raise InvalidInput(detail, code="currency_not_yet_valid")


def _face(code: str, numeric: str | None, exponent: int, name: str) -> moneyed.Currency:
    assert 0 <= exponent <= EXPONENT_MAX, f"{code}: {exponent} decimals"
    known = moneyed.CURRENCIES.get(code)
    if known is None:
        return moneyed.add_currency(code, numeric, sub_unit=10**exponent, name=name)
    assert known.sub_unit == 10**exponent, f"{code}: py-moneyed counts {known.sub_unit} to a unit"
    return known


def _day(text: str) -> date | None:
    return None if text == "-" else date.fromisoformat(text)


def _listed(row: str) -> Asset:
    code, numeric, decimals, kind, first, last, name = row.split(" ", 6)
    exponent = int(decimals)
    return Asset(
        code=code,
        exponent=exponent,
        name=name,
        kind=AssetKind(kind),
        numeric=numeric,
        valid_from=_day(first),
        valid_to=_day(last),
        currency=_face(code, numeric, exponent, name),
    )


def _crypto(row: str) -> Asset:
    code, decimals, network, name = row.split(" ", 3)
    exponent = int(decimals)
    return Asset(
        code=code,
        exponent=exponent,
        name=name,
        kind=AssetKind.CRYPTO,
        network=network,
        currency=_face(code, None, exponent, name),
    )


ASSETS: Final[dict[str, Asset]] = {
    found.code: found
    for found in (
        *map(_listed, iso4217.RETIRED.strip().splitlines()),
        *map(_listed, iso4217.ACTIVE.strip().splitlines()),
        *map(_crypto, _CRYPTO.strip().splitlines()),
    )
}
