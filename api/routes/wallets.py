"""Wallets: what a client has, and freezing it."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.requests import Request

from api.door.bodies import RequestModel, StrictRouter
from api.door.commands import Write
from api.door.views import Recorded, View, plain
from api.door.words import PAGE_MAX, CurrencyText, Fresh, Id, IdempotencyKey, Reference
from api.house.front import AtFront
from api.identity.caller import Caller
from api.identity.scopes import Role
from api.identity.security import Needs
from api.records.access import touched
from clients.client import client_stream, require_client
from compliance.four_eyes import agreed, wish
from ledger.decision import Decision
from ledger.errors import Conflict, NotFound
from ledger.facts import WalletUnfrozen
from ledger.ids import ClientId
from ledger.wallet import freeze, require_wallet, unfreeze, wallet
from projections.balances import Wallet, balances, wallets
from projections.clients import client as find_client

ROUTER: Final = StrictRouter(prefix="/v1/clients", tags=["clients"])


class Freeze(RequestModel):
    """Freeze a wallet, or lift the freeze. `reason` refers to the case, it does not tell it."""

    currency: CurrencyText
    reason: Reference


class Frozen(Recorded):
    """Whether the wallet may be used, and whether lifting waits for another person."""

    client: UUID
    currency: str
    frozen: bool
    awaits_second_person: bool = False


class WalletView(View):
    """Everything that we hold of a client's in one currency, by what may be done with it.

    What waits in suspense for a person is shown to staff only.
    """

    currency: str
    available: str
    held: str
    owed: str
    unconverted: str
    in_transit: str
    returned: str
    suspense: str | None


class Wallets(View):
    """A client's wallets."""

    client: UUID
    wallets: list[WalletView]


@ROUTER.post("/{client}/freeze")
async def freeze_wallet(
    request: Request,
    client: Id,
    body: Freeze,
    caller: Annotated[Caller, Needs("clients:freeze")],
    key: IdempotencyKey,
    front: AtFront,
) -> Frozen:
    """Freeze a wallet. Credits still arrive."""
    whose = ClientId(client)
    touched(request, "froze wallet", client=whose)

    def decide(decision: Decision) -> None:
        require_client(decision, whose, caller.entity)
        freeze(decision, caller.entity, whose, body.currency, body.reason)

    receipt = await Write(request, caller, key, body).submit(
        front, decide, client_stream(whose), wallet(caller.entity, whose, body.currency)
    )
    return Frozen(client=whose, currency=body.currency, frozen=True, position=receipt.position)


@ROUTER.post("/{client}/unfreeze")
async def unfreeze_wallet(
    request: Request,
    client: Id,
    body: Freeze,
    caller: Annotated[Caller, Needs("clients:unfreeze")],
    key: IdempotencyKey,
    front: AtFront,
) -> Frozen:
    """Lift a freeze: done when a second person asks the same, for the same reason."""
    whose = ClientId(client)
    touched(request, "asked to unfreeze wallet", client=whose)
    frozen = wallet(caller.entity, whose, body.currency)
    asked = wish(frozen.id, "unfreeze")

    def decide(decision: Decision) -> None:
        require_client(decision, whose, caller.entity)
        if not require_wallet(decision, caller.entity, whose, body.currency).frozen:
            raise Conflict("the wallet is not frozen", code="not_frozen")
        if agreed(decision, asked, body.reason, caller.subject):
            unfreeze(decision, caller.entity, whose, body.currency, body.reason)

    receipt = await Write(request, caller, key, body).submit(
        front, decide, client_stream(whose), frozen, asked
    )
    lifted = any(isinstance(event.fact, WalletUnfrozen) for event in receipt.events)
    return Frozen(
        client=whose,
        currency=body.currency,
        frozen=not lifted,
        awaits_second_person=not lifted,
        position=receipt.position,
    )


@ROUTER.get("/{client}/wallets")
def read_wallets(
    request: Request,
    client: Id,
    caller: Annotated[Caller, Needs("balances:read")],
    asked: Annotated[Fresh, Query()],
    front: AtFront,
) -> Wallets:
    """Read a client's wallets, straight from the books."""
    caller.must_see(ClientId(client), caller.entity)
    touched(request, "read wallets", client=ClientId(client))
    with front.reads.models(asked.after) as connection:
        if find_client(connection, client) is None:
            raise NotFound("no such client", code="no_such_client")
        found = {row.currency: row for row in wallets(connection, client)}
        suspense = balances(connection, client=client, kind="client:suspense", limit=PAGE_MAX)
    waiting = {row.currency: -row.minor for row in suspense.rows}
    if caller.role is Role.CLIENT:
        return Wallets(client=client, wallets=[_wallet(row, None) for row in found.values()])
    found |= {c: Wallet(c, 0, 0, 0, 0, 0, 0) for c in waiting if c not in found}
    every = [_wallet(row, waiting.get(c, 0)) for c, row in sorted(found.items())]
    return Wallets(client=client, wallets=every)


def _wallet(row: Wallet, suspense: int | None) -> WalletView:
    return WalletView(
        currency=row.currency,
        available=plain(row.available, row.currency),
        held=plain(row.held, row.currency),
        owed=plain(row.owed, row.currency),
        unconverted=plain(row.unconverted, row.currency),
        in_transit=plain(row.in_transit, row.currency),
        returned=plain(row.returned, row.currency),
        suspense=None if suspense is None else plain(suspense, row.currency),
    )
