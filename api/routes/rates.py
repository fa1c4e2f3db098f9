"""The broker's own prices."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

import msgspec
from pydantic import AwareDatetime, StringConstraints
from starlette.requests import Request

from adapters.rates.broker import TWO_PEOPLE
from api.decisions import must_be_next, pair_stream, publish
from api.door.bodies import RequestModel, StrictRouter
from api.door.commands import Write, new_id
from api.door.views import Number, Recorded
from api.door.words import CurrencyText, IdempotencyKey
from api.house.front import AtFront
from api.identity.caller import Caller
from api.identity.security import Needs
from api.records.access import touched
from compliance.four_eyes import agreed, wish
from ledger.decision import Decision
from ledger.facts import RatePublished
from ledger.fx import Quote
from ledger.money import usable_asset

ROUTER: Final = StrictRouter(prefix="/v1/rates", tags=["rates"])
SOURCE: Final = "own desk"

PriceText = Annotated[
    str,
    StringConstraints(
        strict=True, pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,12})?$", max_length=25
    ),
]
"""A price as text: quote currency for one unit of the base."""


class NewRate(RequestModel):
    """Both sides of a pair."""

    base: CurrencyText
    quote: CurrencyText
    bid: PriceText
    ask: PriceText


class RateView(Recorded):
    """A price that waits for a second person, is in force, or is parked.

    Outside of the band it is parked while it waits: it shuts its pair.
    """

    pair: str
    bid: Number
    ask: Number
    quoted_at: AwareDatetime | None
    valid_until: AwareDatetime | None
    waiting: bool
    parked: bool


@ROUTER.post("", status_code=201)
async def publish_rate(
    request: Request,
    body: NewRate,
    caller: Annotated[Caller, Needs("rates:set")],
    key: IdempotencyKey,
    front: AtFront,
) -> RateView:
    """Publish a price of the broker's own: in force when a second person publishes the same.

    One that lies outside of the band shuts its pair until then.
    """
    house = front.house
    touched(request, "published rate")
    price = _price(body, house.clock(), house.settings.rate_max_age_s)
    stream = pair_stream(caller.entity, price.base, price.quote)
    asked = wish(stream.id, "publish")
    parked = house.broker.parks(price)

    def decide(decision: Decision) -> None:
        what = f"{price.base}/{price.quote} {price.bid.normalize():f}/{price.ask.normalize():f}"
        by_two = agreed(decision, asked, what, caller.subject)
        must_be_next(decision, caller.entity, price)
        if by_two:
            publish(decision, caller.entity, msgspec.structs.replace(price, source=TWO_PEOPLE))
        elif parked:
            publish(decision, caller.entity, price)

    receipt = await Write(request, caller, key, body).submit(front, decide, stream, asked)
    fact = receipt.first(RatePublished)
    if fact is not None and not receipt.replayed:
        house.broker.publish(fact.quote)
    return RateView(
        pair=f"{price.base}/{price.quote}",
        bid=price.bid,
        ask=price.ask,
        quoted_at=None if fact is None else fact.quote.quoted_at,
        valid_until=None if fact is None else fact.quote.valid_until,
        waiting=fact is None or fact.quote.source != TWO_PEOPLE,
        parked=fact is not None and fact.quote in house.broker.parked,
        position=receipt.position,
    )


def _price(body: NewRate, now: datetime, max_age_s: int) -> Quote:
    return Quote(
        base=usable_asset(body.base, now.date()).code,
        quote=usable_asset(body.quote, now.date()).code,
        bid=Decimal(body.bid),
        ask=Decimal(body.ask),
        source=SOURCE,
        quoted_at=now,
        valid_until=now + timedelta(seconds=max_age_s),
        quote_id=str(new_id(now)),
    )
