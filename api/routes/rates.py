"""The broker's own prices."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AwareDatetime, StringConstraints
from starlette.requests import Request

from api.access import touched
from api.bodies import RequestModel, StrictRouter
from api.caller import Caller
from api.commands import Write, new_id
from api.decisions import pair_stream, publish
from api.front import AtFront
from api.security import Needs
from api.views import Number, Recorded
from api.words import CurrencyText, IdempotencyKey
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
    """A price in force, or parked: outside of the band it shuts its pair."""

    pair: str
    bid: Number
    ask: Number
    quoted_at: AwareDatetime
    valid_until: AwareDatetime
    parked: bool


@ROUTER.post("", status_code=201)
async def publish_rate(
    request: Request,
    body: NewRate,
    caller: Annotated[Caller, Needs("rates:set")],
    key: IdempotencyKey,
    front: AtFront,
) -> RateView:
    """Publish a price of the broker's own; outside the band it is parked. One person, so far."""
    house = front.house
    touched(request, "published rate")
    now = house.clock()
    price = Quote(
        base=usable_asset(body.base, now.date()).code,
        quote=usable_asset(body.quote, now.date()).code,
        bid=Decimal(body.bid),
        ask=Decimal(body.ask),
        source=SOURCE,
        quoted_at=now,
        valid_until=now + timedelta(seconds=house.settings.rate_max_age_s),
        quote_id=str(new_id(now)),
    )

    def decide(decision: Decision) -> None:
        publish(decision, caller.entity, price)

    stream = pair_stream(caller.entity, price.base, price.quote)
    receipt = await Write(request, caller, key, body).submit(front, decide, stream)
    published = receipt.only(RatePublished).quote
    if not receipt.replayed:
        house.broker.publish(published)
    return RateView(
        pair=f"{published.base}/{published.quote}",
        bid=published.bid,
        ask=published.ask,
        quoted_at=published.quoted_at,
        valid_until=published.valid_until,
        parked=published in house.broker.parked,
        position=receipt.position,
    )
