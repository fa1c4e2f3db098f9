"""Quotes for clients, and exchanges between their wallets at them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import AwareDatetime
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api.decisions import exchange
from api.door.bodies import RequestModel, StrictRouter
from api.door.commands import Write, new_id
from api.door.views import Amount, Number, Recorded, money
from api.door.words import AmountText, CurrencyText, Id, IdempotencyKey
from api.house.front import AtFront, Front
from api.identity.caller import Caller
from api.identity.security import Needs
from api.records.access import touched
from clients.client import client_stream, require_client
from ledger.decision import Decision
from ledger.errors import QuoteRefused
from ledger.fx import Quote, convert
from ledger.ids import ClientId
from ledger.money import parse_amount, usable_asset
from payments.conversion import conversion_stream
from payments.facts import FundsConverted, QuoteGiven
from payments.quotes import give, quote_stream

ROUTER: Final = StrictRouter(prefix="/v1/conversions", tags=["conversions"])


class NewQuote(RequestModel):
    """An amount that a client would like to sell, and what for."""

    client: Id
    amount: AmountText
    currency: CurrencyText
    into: CurrencyText


class QuoteView(Recorded):
    """A rate for this client and this amount, usable once, until it ends.

    `markup` is the house's part, inside `rate`, in the bought currency.
    """

    quote: UUID
    client: UUID
    sold: Amount
    bought: Amount
    rate: Number
    pair: str
    markup: Amount
    valid_until: AwareDatetime


class NewConversion(RequestModel):
    """A quote to be taken."""

    client: Id
    quote: Id


class ConversionView(Recorded):
    """An exchange that took place."""

    conversion: UUID
    client: UUID
    sold: Amount
    bought: Amount
    rate: Number
    pair: str
    markup: Amount


@ROUTER.post("/quotes", status_code=201)
async def give_quote(
    request: Request,
    body: NewQuote,
    caller: Annotated[Caller, Needs("conversions:quote")],
    key: IdempotencyKey,
    front: AtFront,
) -> QuoteView:
    """Offer a client a rate, with the house's markup inside."""
    house, client = front.house, ClientId(body.client)
    caller.must_see(client, caller.entity)
    touched(request, "gave quote", client=client)
    now = house.clock()
    sold = parse_amount(body.amount, body.currency, on=now.date())
    into = usable_asset(body.into, now.date()).code
    rate = await run_in_threadpool(_rate, front, sold.currency, into)
    quote_id = new_id(now)

    def decide(decision: Decision) -> None:
        require_client(decision, client, caller.entity)
        if isinstance(rate, QuoteRefused):
            raise rate
        give(
            decision,
            quote_id,
            client=client,
            entity=caller.entity,
            sold=sold,
            into=into,
            quote=rate,
            markup_bps=house.settings.markup_of(sold.currency, into),
            valid_for=timedelta(seconds=house.settings.quote_valid_s),
        )

    receipt = await Write(request, caller, key, body).submit(
        front, decide, client_stream(client), quote_stream(quote_id)
    )
    given = receipt.only(QuoteGiven)
    conversion = convert(given.sold, given.into, given.quote, given.markup_bps)
    return QuoteView(
        quote=given.quote_id,
        client=given.client,
        sold=money(conversion.sold),
        bought=money(conversion.bought),
        rate=conversion.rate,
        pair=f"{given.quote.base}/{given.quote.quote}",
        markup=money(conversion.markup),
        valid_until=given.valid_until,
        position=receipt.position,
    )


def _rate(front: Front, sold: str, into: str) -> Quote | QuoteRefused:
    """Ask for a rate. A refusal is judged in the decision: a repeated request needs no rate."""
    try:
        return front.house.desk.rates.quote(sold, into, front.house.clock())
    except QuoteRefused as refusal:
        return refusal


@ROUTER.post("", status_code=201)
async def convert_funds(
    request: Request,
    body: NewConversion,
    caller: Annotated[Caller, Needs("conversions:create")],
    key: IdempotencyKey,
    front: AtFront,
) -> ConversionView:
    """Exchange what the quote says between the client's wallets."""
    house, client = front.house, ClientId(body.client)
    caller.must_see(client, caller.entity)
    touched(request, "converted funds", client=client)
    conversion_id = new_id(house.clock())

    def decide(decision: Decision) -> None:
        exchange(decision, conversion_id, client=client, entity=caller.entity, quote_id=body.quote)

    receipt = await Write(request, caller, key, body).submit(
        front,
        decide,
        client_stream(client),
        quote_stream(body.quote),
        conversion_stream(conversion_id),
    )
    done = receipt.only(FundsConverted)
    conversion = done.conversion
    return ConversionView(
        conversion=done.conversion_id,
        client=done.client,
        sold=money(conversion.sold),
        bought=money(conversion.bought),
        rate=conversion.rate,
        pair=f"{conversion.quote.base}/{conversion.quote.quote}",
        markup=money(conversion.markup),
        position=receipt.position,
    )
