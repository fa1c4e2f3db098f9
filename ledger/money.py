"""Money: whole minor units of one asset, read strictly, rounded only under a named mode."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import moneyed
import msgspec

from ledger.assets import ASSETS, Asset, AssetKind, asset, usable_asset
from ledger.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

__all__ = [
    "MINOR_MAX",
    "Asset",
    "AssetKind",
    "Money",
    "Rounding",
    "allocate",
    "as_decimal",
    "asset",
    "parse_amount",
    "residue_of",
    "rounded",
    "share",
    "to_minor",
    "unit_of",
    "usable_asset",
]

MINOR_MAX: Final = 10**38 - 1
"""What NUMERIC(38,0) holds."""

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,18})?")
_EXACT_DIGITS_MAX = 100
"""An exact amount beyond this is no amount, and would cost memory to add up."""
_READING = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Digits of a decimal made from a fraction: 38 whole and 18 decimal ones fit. Never the ambient
context, which anybody may have changed."""


class Money(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An amount: signed whole minor units of one currency.

    Adding or comparing two currencies is a bug (`TypeError`), never a refusal.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse what no column can hold and what no table names."""
        if type(self.minor) is not int:
            raise TypeError(f"minor units are whole numbers, not {type(self.minor).__name__}")
        if not -MINOR_MAX <= self.minor <= MINOR_MAX:
            raise InvalidInput("the amount is too large for the books", code="amount_too_large")
        if self.currency not in ASSETS:
            asset(self.currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """No money, of this currency."""
        return cls(0, currency)

    @property
    def is_zero(self) -> bool:
        """Whether nothing is there."""
        return self.minor == 0

    @property
    def is_positive(self) -> bool:
        """Whether more than nothing is there."""
        return self.minor > 0

    def __add__(self, other: Money) -> Money:
        """Add within one currency."""
        return Money(self.minor + self._beside(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        """Subtract within one currency."""
        return Money(self.minor - self._beside(other), self.currency)

    def __neg__(self) -> Money:
        """Turn the sign."""
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        """Compare within one currency."""
        return self.minor < self._beside(other)

    def __le__(self, other: Money) -> bool:
        """Compare within one currency."""
        return self.minor <= self._beside(other)

    def __gt__(self, other: Money) -> bool:
        """Compare within one currency."""
        return self.minor > self._beside(other)

    def __ge__(self, other: Money) -> bool:
        """Compare within one currency."""
        return self.minor >= self._beside(other)

    def text(self) -> str:
        """Write the amount as a plain decimal with all decimals of its asset, e.g. `1000.00`."""
        exponent = asset(self.currency).exponent
        sign = "-" if self.minor < 0 else ""
        digits = str(abs(self.minor)).zfill(exponent + 1)
        if exponent == 0:
            return sign + digits
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"

    def face(self) -> moneyed.Money:
        """The amount as py-moneyed shows it to people."""
        return moneyed.Money(Decimal(self.text()), asset(self.currency).currency)

    def exact(self) -> Fraction:
        """The amount in major units, without loss."""
        return Fraction(self.minor, 10 ** asset(self.currency).exponent)

    def __str__(self) -> str:
        """Write currency and amount, e.g. `EUR 1000.00`."""
        return f"{self.currency} {self.text()}"

    def _beside(self, other: Money) -> int:
        if not isinstance(other, Money):
            raise TypeError(f"money only goes with money, not with {type(other).__name__}")
        if other.currency != self.currency:
            raise TypeError(f"{self.currency} and {other.currency} never meet without a rate")
        return other.minor


class Rounding(StrEnum):
    """How an exact amount becomes whole minor units. There is no default below a policy."""

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"
    """Ties away from zero."""
    DOWN = "down"
    """Toward zero."""
    UP = "up"
    """Away from zero."""
    FLOOR = "floor"
    CEILING = "ceiling"


def parse_amount(text: object, currency: str, *, on: date | None = None) -> Money:
    r"""Read an amount that came from outside: a plain positive decimal in major units.

    Args:
        text: a string, the whole of which matches `(0|[1-9][0-9]{0,14})(\.[0-9]{1,18})?`, ASCII
            digits only.
        currency: asset code.
        on: the day of the amount; None takes only currencies with no end in sight.

    Raises:
        InvalidInput: in this order `amount_malformed`, the currency's codes (`usable_asset`),
            `too_many_decimals`, `amount_not_positive`.
    """
    if not isinstance(text, str) or not (match := _AMOUNT.fullmatch(text)):
        raise InvalidInput("an amount is a plain decimal in a string", code="amount_malformed")
    exponent = usable_asset(currency, on).exponent
    decimals = (match[2] or ".")[1:]
    if len(decimals) > exponent:
        detail = f"{currency} has {exponent} decimals, not {len(decimals)}"
        raise InvalidInput(detail, code="too_many_decimals")
    money = Money(int(match[1] + decimals.ljust(exponent, "0")), currency)
    if not money.is_positive:
        raise InvalidInput("the amount must be more than zero", code="amount_not_positive")
    return money


def to_minor(exact: Decimal | Fraction, currency: str, rounding: Rounding) -> tuple[Money, Decimal]:
    """Round an exact amount in major units once, under a named mode.

    Returns:
        The money, and the residue in major units: exact − money, to 60 significant digits.

    Raises:
        InvalidInput: `amount_malformed` (NaN, infinite, absurdly long), `amount_too_large`.
    """
    if isinstance(exact, Decimal):
        exact = _fraction(exact)
    over, under = exact.numerator * unit_of(currency), exact.denominator
    money = Money(rounded(over, under, rounding), currency)
    return money, residue_of(over, under, money)


@lru_cache(maxsize=1024)
def unit_of(currency: str) -> int:
    """How many minor units one major unit has."""
    unit: int = 10 ** asset(currency).exponent
    return unit


def rounded(over: int, under: int, rounding: Rounding) -> int:
    """Round the ratio `over / under` to a whole number. `under` is positive."""
    below, rest = divmod(over, under)
    if rest == 0:
        return below
    return below + _goes_up(below, 2 * rest - under, rounding)


def residue_of(over: int, under: int, money: Money) -> Decimal:
    """What rounding `over / under` minor units to `money` left over, in major units.

    exact − money, to 60 significant digits.
    """
    left = over - money.minor * under
    return _READING.divide(Decimal(left), Decimal(under * unit_of(money.currency)))


def as_decimal(value: Fraction, context: Context = _READING) -> Decimal:
    """Write a fraction as a decimal: exact where that fits the context's digits."""
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def allocate(money: Money, weights: Sequence[int]) -> tuple[Money, ...]:
    """Split money by weights without losing a minor unit.

    Largest remainder: every part gets its share rounded toward zero, then what is left goes, one
    minor unit each, to the largest remainders; ties to the earlier part. Negative money splits as
    its positive twin.
    """
    assert all(type(weight) is int and weight >= 0 for weight in weights), weights
    total = sum(weights)
    assert total > 0, "somebody must take the money"
    size = abs(money.minor)
    parts = [size * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: -(size * weights[i] % total))
    for index in by_remainder[: size - sum(parts)]:
        parts[index] += 1
    assert sum(parts) == size, "a split neither makes nor loses money"
    sign = -1 if money.minor < 0 else 1
    return tuple(Money(sign * part, money.currency) for part in parts)


def share(money: Money, part: int, whole: int, rounding: Rounding) -> Money:
    """Take `part / whole` of the money, rounded under the named mode."""
    assert whole > 0, "a share of nothing"
    assert 0 <= part <= whole, f"{part} of {whole} is no share"
    return Money(rounded(money.minor * part, whole, rounding), money.currency)


def _fraction(exact: Decimal) -> Fraction:
    sane = exact.is_finite() and (
        int(exact.as_tuple().exponent) >= -_EXACT_DIGITS_MAX
        and exact.adjusted() <= _EXACT_DIGITS_MAX
    )
    if not sane:
        raise InvalidInput("not an exact amount", code="amount_malformed")
    return Fraction(exact)


def _goes_up(below: int, past_half: int, rounding: Rounding) -> bool:
    """Tell whether what lies above `below` (past the half, on it, or short of it) goes up."""
    match rounding:
        case Rounding.HALF_EVEN:  # the first, as it is asked for at every conversion
            return past_half > 0 or (past_half == 0 and below % 2 == 1)
        case Rounding.FLOOR:
            return False
        case Rounding.CEILING:
            return True
        case Rounding.DOWN:
            return below < 0
        case Rounding.UP:
            return below >= 0
        case Rounding.HALF_UP:
            return past_half > 0 or (past_half == 0 and below >= 0)
