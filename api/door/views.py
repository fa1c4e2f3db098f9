"""What answers look like: amounts as text, times with a zone, and where in the log it stands."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from ledger.money import Money

R = TypeVar("R")

Number = Annotated[Decimal, PlainSerializer(lambda value: f"{value:f}", return_type=str)]
"""A rate as plain text: never a float on its way, never an exponent."""


class View(BaseModel):
    """One answer; built from rows and facts alike."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Amount(View):
    """An amount in major units with all decimals of its currency."""

    amount: str = Field(examples=["1000.00"])
    currency: str = Field(examples=["EUR"])


class Recorded(View):
    """The answer to every write: give `position` as `after` to read what was written."""

    position: int


class Listing(View, Generic[R]):
    """One page; `cursor` goes on after it, and is missing on the last."""

    items: list[R]
    cursor: str | None = None


def plain(minor: int, currency: str) -> str:
    """Write whole minor units as a plain decimal, where the currency stands beside it."""
    return Money(minor, currency).text()


def shown(minor: int, currency: str) -> Amount:
    """Show whole minor units."""
    return Amount(amount=plain(minor, currency), currency=currency)


def maybe_shown(minor: int | None, currency: str | None) -> Amount | None:
    """Show an amount that may not be known yet."""
    return None if minor is None or currency is None else shown(minor, currency)


def money(amount: Money) -> Amount:
    """Show money."""
    return shown(amount.minor, amount.currency)
