"""Clients: registration, trading accounts, activity, frozen wallets."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, StringConstraints
from starlette.requests import Request

from api.door.bodies import RequestModel, StrictRouter
from api.door.commands import Write, new_id
from api.door.views import Recorded, View
from api.door.words import CurrencyText, Fresh, Id, IdempotencyKey, Instant, Reference
from api.house.front import AtFront
from api.identity.caller import Caller
from api.identity.security import Needs
from api.records.access import touched
from clients import client as clients
from clients import trading_account as trading
from clients.facts import (
    AccountType,
    ActivityKind,
    BookFlag,
    Category,
    ClientRegistered,
    Platform,
    TradingAccountLinked,
)
from ledger.decision import Decision
from ledger.errors import NotFound
from ledger.ids import ClientId
from projections import clients as rows

ROUTER: Final = StrictRouter(prefix="/v1/clients", tags=["clients"])

Country = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z]{2}$")]
Login = Annotated[str, StringConstraints(strict=True, pattern=r"^[1-9][0-9]{0,19}$")]
Group = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9._\\-]{1,64}$")]


class NewClient(RequestModel):
    """A client to register. `name_ref` is a reference into the CRM, never a name."""

    residence: Country
    category: Category
    account_currency: CurrencyText
    name_ref: Reference


class NewTradingAccount(RequestModel):
    """A platform login to link. A prop account names its programme, no other does."""

    platform: Platform
    login: Login
    group: Group
    account_type: AccountType
    book: BookFlag
    programme: Reference | None = None


class NewActivity(RequestModel):
    """What a client did, by reference."""

    kind: ActivityKind
    happened_at: Instant
    ip_ref: Reference | None = None
    device_ref: Reference | None = None
    terms_version: Reference | None = None


class Registered(Recorded):
    """A client that exists."""

    client: UUID


class Linked(Recorded):
    """A login that is the client's."""

    client: UUID
    platform: Platform
    login: str


class TradingAccountView(View):
    """A login at a trading platform."""

    platform: Platform
    login: str
    group: str
    account_type: AccountType
    book: BookFlag
    programme: str | None


class ClientView(View):
    """A client. The name stands behind a reference in the CRM."""

    client: UUID
    residence: str
    category: Category
    account_currency: str
    name_ref: str
    registered_at: AwareDatetime
    trading_accounts: list[TradingAccountView]


@ROUTER.post("", status_code=201)
async def register(
    request: Request,
    body: NewClient,
    caller: Annotated[Caller, Needs("clients:create")],
    key: IdempotencyKey,
    front: AtFront,
) -> Registered:
    """Register a client of the entity."""
    house = front.house
    client = ClientId(new_id(house.clock()))

    def decide(decision: Decision) -> None:
        clients.register(decision, client, caller.entity, **body.model_dump())

    receipt = await Write(request, caller, key, body).submit(
        front, decide, clients.client_stream(client)
    )
    registered = receipt.only(ClientRegistered).client
    touched(request, "registered client", client=registered)
    return Registered(client=registered, position=receipt.position)


@ROUTER.get("/{client}")
def read(
    request: Request,
    client: Id,
    caller: Annotated[Caller, Needs("clients:read")],
    asked: Annotated[Fresh, Query()],
    front: AtFront,
) -> ClientView:
    """Read a client and their trading accounts."""
    caller.must_see(ClientId(client), caller.entity)
    touched(request, "read client", client=ClientId(client))
    with front.reads.models(asked.after) as connection:
        row = rows.client(connection, client)
        if row is None or row.entity != caller.entity:
            raise NotFound("no such client", code="no_such_client")
        accounts = rows.trading_accounts(connection, client)
    return ClientView(
        client=row.client,
        residence=row.residence,
        category=row.category,
        account_currency=row.account_currency,
        name_ref=row.name_ref,
        registered_at=row.registered_at,
        trading_accounts=[
            TradingAccountView(
                platform=account.platform,
                login=account.login,
                group=account.trading_group,
                account_type=account.account_type,
                book=account.book,
                programme=account.programme,
            )
            for account in accounts
        ],
    )


@ROUTER.post("/{client}/activity", status_code=201)
async def note_activity(
    request: Request,
    client: Id,
    body: NewActivity,
    caller: Annotated[Caller, Needs("clients:activity")],
    key: IdempotencyKey,
    front: AtFront,
) -> Recorded:
    """Note what a client did, by reference."""
    whose = ClientId(client)
    touched(request, "noted activity", client=whose)

    def decide(decision: Decision) -> None:
        clients.note_activity(decision, whose, caller.entity, **body.model_dump())

    receipt = await Write(request, caller, key, body).submit(
        front, decide, clients.client_stream(whose)
    )
    return Recorded(position=receipt.position)


@ROUTER.post("/{client}/trading-accounts", status_code=201)
async def link_trading_account(
    request: Request,
    client: Id,
    body: NewTradingAccount,
    caller: Annotated[Caller, Needs("clients:trading-accounts")],
    key: IdempotencyKey,
    front: AtFront,
) -> Linked:
    """Link a platform login to a client."""
    whose = ClientId(client)
    touched(request, "linked trading account", client=whose)

    def decide(decision: Decision) -> None:
        trading.link(decision, whose, caller.entity, **body.model_dump())

    receipt = await Write(request, caller, key, body).submit(
        front,
        decide,
        clients.client_stream(whose),
        trading.trading_account(caller.entity, body.platform, body.login),
    )
    fact = receipt.only(TradingAccountLinked)
    return Linked(
        client=fact.client, platform=fact.platform, login=fact.login, position=receipt.position
    )
