"""Deposits: announced here, opened at the provider, and read as far as the caller may see."""

from __future__ import annotations

import logging
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api.decisions import announce
from api.door.bodies import RequestModel, StrictRouter
from api.door.commands import Write, new_id
from api.door.pages import page_of, place_in
from api.door.views import Amount, Listing, Number, Recorded, View, maybe_shown, plain
from api.door.words import (
    AmountText,
    CurrencyText,
    Fresh,
    Id,
    IdempotencyKey,
    Page,
    Reference,
    Slug,
)
from api.house.front import AtFront, Front
from api.house.merchants import require_merchant
from api.identity.caller import Caller
from api.identity.scopes import Role
from api.identity.security import Needs
from api.records.access import touched
from clients.client import client_stream
from ledger.decision import Decision
from ledger.errors import NotFound, OutcomeUnknown, Refusal
from ledger.ids import ClientId, DepositId
from ledger.money import parse_amount
from payments.deposit import DepositState, DepositStatus, deposit_stream
from payments.facts import DepositInitiated
from payments.quotes import quote_stream
from payments.reactors.deposits import open_payment
from projections import deposits as rows

ROUTER: Final = StrictRouter(prefix="/v1/deposits", tags=["deposits"])
LOG: Final = logging.getLogger("counterfoil.deposits")


class NewDeposit(RequestModel):
    """A payment that the client is about to make.

    `quote` is one of POST /v1/conversions/quotes, of the same amount; without it the amount is
    converted at a rate of the time at which the provider receives it.
    """

    client: Id
    amount: AmountText
    currency: CurrencyText
    provider: Slug
    merchant_account: Slug
    method: Reference
    quote: Id | None = None


class Announced(Recorded):
    """A deposit that the books expect.

    `client_token` is what the client's browser needs to pay. It is told once and never stored.
    """

    deposit: UUID
    client: UUID
    status: DepositStatus
    amount: str
    currency: str
    into: str
    reference: str | None
    client_token: str | None


class DepositView(View):
    """A deposit as its client sees it."""

    deposit: UUID
    client: UUID
    method: str
    status: DepositStatus
    amount: str
    currency: str
    credited: Amount | None
    rate: Number | None
    refunded: str
    initiated_at: AwareDatetime
    confirmed_at: AwareDatetime | None
    settled_at: AwareDatetime | None


class DepositInFull(DepositView):
    """A deposit as staff sees it."""

    provider: str
    merchant_account: str
    received: Amount | None
    fee: Amount | None
    disputed: bool
    reference: str | None
    charge: str | None
    reason: str | None


class Asked(Page):
    """Which deposits."""

    client: Id | None = None
    status: DepositStatus | None = None


@ROUTER.post("", status_code=201)
async def announce_deposit(
    request: Request,
    body: NewDeposit,
    caller: Annotated[Caller, Needs("deposits:create")],
    key: IdempotencyKey,
    front: AtFront,
) -> Announced:
    """Announce a deposit and open the payment at the provider.

    Where the provider's answer is uncertain the deposit is `initiated`, and the worker finds out.
    """
    house, client = front.house, ClientId(body.client)
    caller.must_see(client, caller.entity)
    touched(request, "announced deposit", client=client)
    require_merchant(house, body.provider, body.merchant_account)
    deposit, now = DepositId(new_id(house.clock())), house.clock()
    asked = DepositInitiated(
        deposit=deposit,
        client=client,
        entity=caller.entity,
        provider=body.provider,
        merchant_account=body.merchant_account,
        method=body.method,
        amount=parse_amount(body.amount, body.currency, on=now.date()),
        into=body.currency,
    )

    def decide(decision: Decision) -> None:
        announce(decision, asked, body.quote, house.settings.markup_of)

    names = (client_stream(client), deposit_stream(deposit))
    quoted = () if body.quote is None else (quote_stream(body.quote),)
    receipt = await Write(request, caller, key, body).submit(front, decide, *names, *quoted)
    announced = receipt.only(DepositInitiated)
    token = None
    if not receipt.replayed:
        token = await run_in_threadpool(_opened, front, announced.deposit)
    state, position = await run_in_threadpool(_standing, front, announced.deposit)
    return Announced(
        deposit=announced.deposit,
        client=announced.client,
        status=state.status,
        amount=state.amount.text(),
        currency=state.amount.currency,
        into=state.into,
        reference=state.reference,
        client_token=token,
        position=max(position, receipt.position),
    )


@ROUTER.get("")
def list_deposits(
    request: Request,
    caller: Annotated[Caller, Needs("deposits:read")],
    asked: Annotated[Asked, Query()],
    front: AtFront,
) -> Listing[DepositInFull | DepositView]:
    """List deposits, oldest first: a client's own, or as the filters say."""
    client = asked.client if caller.client is None else caller.client
    if asked.client is not None:
        caller.must_see(ClientId(asked.client), caller.entity)
    touched(request, "listed deposits", client=ClientId(client) if client else None)
    listing = f"deposits/{client}/{asked.status}"
    after = place_in(front.house, asked, listing)
    with front.reads.models(asked.after) as connection:
        if caller.role is Role.CLIENT:
            assert caller.client is not None, "a client's token names its client"
            theirs = rows.client_deposits(
                connection, caller.client, status=asked.status, after=after, limit=asked.limit
            )
            return page_of(front.house, theirs, _view, listing)
        found = rows.deposits(
            connection, client=client, status=asked.status, after=after, limit=asked.limit
        )
    touched(request, "listed deposits", clients=[row.client for row in found.rows])
    return page_of(front.house, found, _in_full, listing)


@ROUTER.get("/{deposit}")
def read_deposit(
    request: Request,
    deposit: Id,
    caller: Annotated[Caller, Needs("deposits:read")],
    asked: Annotated[Fresh, Query()],
    front: AtFront,
) -> DepositInFull | DepositView:
    """Read one deposit."""
    with front.reads.models(asked.after) as connection:
        if caller.client is not None:
            touched(request, "read deposit", client=caller.client)
            theirs = rows.client_deposit(connection, caller.client, deposit)
            if theirs is None:
                raise NotFound("no such deposit", code="no_such_deposit")
            return _view(theirs)
        found = rows.deposit(connection, deposit)
    if found is None:
        raise NotFound("no such deposit", code="no_such_deposit")
    touched(request, "read deposit", client=ClientId(found.client))
    return _in_full(found)


def _opened(front: Front, deposit: DepositId) -> str | None:
    try:
        return open_payment(front.house.desk, deposit, 1)
    except (Refusal, OutcomeUnknown) as later:
        # The deposit stands in the log: the worker goes on where this call ended.
        LOG.info("deposit %s is opened later: %s", deposit, type(later).__name__)
        return None


def _standing(front: Front, deposit: DepositId) -> tuple[DepositState, int]:
    stream = deposit_stream(deposit)
    state, position = stream.kind.blank, 0
    for event in front.house.book.history(stream):
        state, position = stream.kind.evolve(state, event.fact), event.position
    return state, position


def _view(row: rows.ClientDeposit) -> DepositView:
    return DepositView(
        deposit=row.deposit,
        client=row.client,
        method=row.method,
        status=row.status,
        amount=plain(row.minor, row.currency),
        currency=row.currency,
        credited=maybe_shown(row.credited_minor, row.into_currency),
        rate=row.rate,
        refunded=plain(row.refunded_minor, row.currency),
        initiated_at=row.initiated_at,
        confirmed_at=row.confirmed_at,
        settled_at=row.settled_at,
    )


def _in_full(row: rows.DepositRow) -> DepositInFull:
    return DepositInFull(
        deposit=row.deposit,
        client=row.client,
        method=row.method,
        status=row.status,
        amount=plain(row.minor, row.currency),
        currency=row.currency,
        credited=maybe_shown(row.credited_minor, row.into_currency),
        rate=row.rate,
        refunded=plain(row.refunded_minor, row.currency),
        initiated_at=row.initiated_at,
        confirmed_at=row.confirmed_at,
        settled_at=row.settled_at,
        provider=row.provider,
        merchant_account=row.merchant_account,
        received=maybe_shown(row.received_minor, row.received_currency),
        fee=maybe_shown(row.fee_minor, row.fee_currency),
        disputed=row.disputed,
        reference=row.reference,
        charge=row.charge,
        reason=row.reason,
    )
