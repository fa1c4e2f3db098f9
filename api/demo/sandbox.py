"""The sandbox of the demo: who is in it, what time it is, and how to wait until all is quiet."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from api.demo.figures import SEED
from ledger.ids import ClientId, EntityId
from ledger.money import Money, asset

if TYPE_CHECKING:
    from adapters.psp.stripe.simulator.clock import ManualClock
    from api.demo.broker import Broker
    from api.demo.paper import Paper
    from api.demo.rotation import Rotations
    from api.demo.stripe_process import StripeProcess
    from api.house.bootstrap import House

BEGINS: Final = datetime(2026, 10, 23, 6, 30, tzinfo=UTC)
"""A Friday with a weekend behind it in which Europe's clocks go back."""
ENTITY: Final = EntityId("acme-cy")
MERCHANT: Final = "stripe-eu"
WEBHOOK_SECRET: Final = "whsec_sandbox"  # noqa: S105 - of the simulator
CURRENCIES: Final = ("USD", "EUR", "GBP", "JPY", "KWD", "CHF", "AUD", "PLN")
COUNTRY: Final = {
    "USD": "CY", "EUR": "DE", "GBP": "GB", "JPY": "JP",
    "KWD": "KW", "CHF": "CH", "AUD": "AU", "PLN": "PL",
}  # fmt: skip
UNIT: Final = {"JPY": Decimal(150), "KWD": Decimal("0.31")}
"""About what one dollar is, where it is far from one."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens."""

    clients: int
    deposits: int
    weekend: int
    withdrawals: int
    disputes: int


SMALL: Final = Size(clients=200, deposits=2_000, weekend=60, withdrawals=120, disputes=10)
FULL: Final = Size(clients=1_000, deposits=20_000, weekend=600, withdrawals=1_500, disputes=80)


ROUNDS_MAX: Final = 60
WAITS_MAX: Final = 400
DELIVERERS: Final = 16


@dataclass(slots=True)
class Person:
    """A client as the demo plays them."""

    id: ClientId
    currency: str
    verified: bool
    deposits: list[dict[str, Any]] = field(default_factory=list)


def minor(dollars: Decimal, currency: str) -> int:
    """About so many dollars in another currency, in its minor units."""
    return int(dollars * UNIT.get(currency, Decimal(1)) * 10 ** asset(currency).exponent)


@dataclass(slots=True)
class Day:
    """Everything the script plays with."""

    house: House
    stripe: StripeProcess
    broker: Broker
    clock: ManualClock
    paper: Paper
    size: Size
    told: Counter[str] = field(default_factory=Counter)
    rotations: Rotations | None = None
    people: list[Person] = field(default_factory=list)
    # The same day in every run: no place for a secret.
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311

    async def stripe_tells(self, method: str, **arguments: Any) -> Any:
        """Call one method of the simulated Stripe."""
        return await self.broker.aside(partial(self.stripe.tell, method, **arguments))

    def pass_time(self, by: timedelta) -> None:
        """Let the clock go on, ours and Stripe's."""
        self.clock.advance(by)
        self.stripe.tell("advance", by_s=by.total_seconds())

    async def until(self, then: datetime) -> None:
        """Let everything in flight arrive, then let the clock go on to a time."""
        await self.calm()
        if (left := then - self.clock()) > timedelta(0):
            self.pass_time(left)

    async def calm(self) -> None:
        """Deliver what waits and let the worker finish what it can finish now."""
        for _ in range(ROUNDS_MAX):
            sent = await self.stripe_tells("deliver", only_due=False, workers=DELIVERERS)
            await self._worker_rests()
            self.pass_time(timedelta(seconds=2))
            if not sent["accepted"] and not self._is_busy():
                return
        raise AssertionError("the sandbox does not come to rest")

    async def _worker_rests(self) -> None:
        head = self.house.book.head()
        for _ in range(WAITS_MAX):
            if self.house.worker.position >= head and not self._is_busy():
                return
            await asyncio.sleep(0.05)
            self.pass_time(timedelta(seconds=1))
            head = self.house.book.head()

    def _is_busy(self) -> bool:
        see = self.house.worker.outstanding
        unstarted = any(not call.attempts for call in list(see.payments.values()))
        unpaid = any(not call.attempts for call in list(see.payouts.values()))
        return bool(see.notices or see.rejudge or see.cleared or unstarted or unpaid)

    def random_amount(self, currency: str, low: int = 20, high: int = 1_500) -> Money:
        """An amount of about so many dollars."""
        dollars = Decimal(self.chance.randrange(low * 100, high * 100)) / 100
        # Stripe takes three-decimal currencies in tens of their minor unit.
        step = 10 if asset(currency).exponent == 3 else 1  # noqa: PLR2004
        return Money(max(1, minor(dollars, currency) // step) * step, currency)
