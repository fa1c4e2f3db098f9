"""Withdrawals: asked for, cancelled by the client, approved by people."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

from fastapi import Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api.decisions import ask_to_withdraw
from api.door.bodies import StrictRouter
from api.door.commands import Write, folded, new_id
from api.door.pages import page_of, place_in
from api.door.views import Listing
from api.door.words import Fresh, Id, IdempotencyKey
from api.house.front import AtFront, Front
from api.identity.caller import Caller
from api.identity.scopes import Role
from api.identity.security import Needs
from api.records.access import touched
from api.routes.withdrawal_words import (
    Asked,
    Moved,
    NewWithdrawal,
    Requested,
    WithdrawalInFull,
    WithdrawalView,
    in_full,
    view,
    way_of,
)
from clients.client import client_stream
from ledger.decision import Decision
from ledger.errors import NotFound
from ledger.ids import ClientId, WithdrawalId
from ledger.money import parse_amount
from ledger.wallet import wallet
from payments.deposit import deposit_stream
from payments.facts import Route, WithdrawalRequested
from payments.withdrawal import (
    approve,
    cancel,
    judge,
    require_withdrawal,
    withdrawal_stream,
)
from projections import withdrawals as rows

ROUTER: Final = StrictRouter(prefix="/v1/withdrawals", tags=["withdrawals"])
REASONS_FOR: Final = frozenset({Role.COMPLIANCE, Role.AUDIT})
"""Who may read why a gate is closed: telling others may tip off the client."""


@ROUTER.post("", status_code=201)
async def ask_for_money(
    request: Request,
    body: NewWithdrawal,
    caller: Annotated[Caller, Needs("withdrawals:create")],
    key: IdempotencyKey,
    front: AtFront,
) -> Requested:
    """Ask for money: it is held, and every gate is asked, in one append."""
    house, client = front.house, ClientId(body.client)
    caller.must_see(client, caller.entity)
    touched(request, "requested withdrawal", client=client)
    now = house.clock()
    withdrawal = WithdrawalId(new_id(now))
    amount = parse_amount(body.amount, body.currency, on=now.date())
    route = way_of(house, body.route, now.date())

    def decide(decision: Decision) -> None:
        ask_to_withdraw(
            decision,
            withdrawal,
            client=client,
            entity=caller.entity,
            amount=amount,
            route=route,
            gates=house.desk.gates,
            above=house.desk.four_eyes_above,
        )

    receipt = await Write(request, caller, key, body).submit(
        front,
        decide,
        client_stream(client),
        wallet(caller.entity, client, amount.currency),
        withdrawal_stream(withdrawal),
        *(() if isinstance(route, Route) else (deposit_stream(route),)),
    )
    which = receipt.only(WithdrawalRequested).withdrawal
    state = folded(receipt, withdrawal_stream(which))
    codes = {finding.client_code for finding in state.findings if not finding.clear}
    return Requested(
        withdrawal=which,
        client=state.client,
        status=state.status,
        amount=state.amount.text(),
        currency=state.amount.currency,
        codes=sorted(code for code in codes if code is not None),
        expires_at=state.expires_at,
        position=receipt.position,
    )


@ROUTER.get("")
def list_withdrawals(
    request: Request,
    caller: Annotated[Caller, Needs("withdrawals:read")],
    asked: Annotated[Asked, Query()],
    front: AtFront,
) -> Listing[WithdrawalInFull | WithdrawalView]:
    """List withdrawals, oldest first: a client's own, or as the filters say."""
    client = asked.client if caller.client is None else caller.client
    if asked.client is not None:
        caller.must_see(ClientId(asked.client), caller.entity)
    touched(request, "listed withdrawals", client=ClientId(client) if client else None)
    listing = f"withdrawals/{client}/{asked.status}"
    after = place_in(front.house, asked, listing)
    with front.reads.models(asked.after) as connection:
        if caller.client is not None:
            theirs = rows.client_withdrawals(
                connection, caller.client, phase=asked.status, after=after, limit=asked.limit
            )
            return page_of(front.house, theirs, view, listing)
        found = rows.withdrawals(
            connection, client=client, phase=asked.status, after=after, limit=asked.limit
        )
    touched(request, "listed withdrawals", clients=[row.client for row in found.rows])
    full = partial(in_full, with_reasons=caller.role in REASONS_FOR)
    return page_of(front.house, found, full, listing)


@ROUTER.get("/{withdrawal}")
def read_withdrawal(
    request: Request,
    withdrawal: Id,
    caller: Annotated[Caller, Needs("withdrawals:read")],
    asked: Annotated[Fresh, Query()],
    front: AtFront,
) -> WithdrawalInFull | WithdrawalView:
    """Read one withdrawal."""
    with front.reads.models(asked.after) as connection:
        if caller.client is not None:
            touched(request, "read withdrawal", client=caller.client)
            theirs = rows.client_withdrawal(connection, caller.client, withdrawal)
            if theirs is None:
                raise NotFound("no such withdrawal", code="no_such_withdrawal")
            return view(theirs)
        found = rows.withdrawal(connection, withdrawal)
    if found is None:
        raise NotFound("no such withdrawal", code="no_such_withdrawal")
    touched(request, "read withdrawal", client=ClientId(found.client))
    return in_full(found, with_reasons=caller.role in REASONS_FOR)


@ROUTER.post("/{withdrawal}/cancel")
async def cancel_withdrawal(
    request: Request,
    withdrawal: Id,
    caller: Annotated[Caller, Needs("withdrawals:cancel")],
    key: IdempotencyKey,
    front: AtFront,
) -> Moved:
    """Take a withdrawal back while nothing is on its way; the money is available again."""
    which = WithdrawalId(withdrawal)
    touched(request, "cancelled withdrawal", client=caller.client)

    def decide(decision: Decision) -> None:
        state = require_withdrawal(decision, which)
        caller.must_see(state.client, state.entity)
        cancel(decision, which)

    return await _moved(front, Write(request, caller, key), decide, which)


@ROUTER.post("/{withdrawal}/approve")
async def approve_withdrawal(
    request: Request,
    withdrawal: Id,
    caller: Annotated[Caller, Needs("withdrawals:approve")],
    key: IdempotencyKey,
    front: AtFront,
) -> Moved:
    """Approve a withdrawal as a person; the gates are asked again in the same append."""
    house, which = front.house, WithdrawalId(withdrawal)
    touched(request, "approved withdrawal")

    def decide(decision: Decision) -> None:
        state = require_withdrawal(decision, which)
        caller.must_see(state.client, state.entity)
        approve(decision, which, caller.subject)
        judge(decision, which, house.desk.gates, house.desk.four_eyes_above)

    return await _moved(front, Write(request, caller, key), decide, which)


async def _moved(
    front: Front, write: Write, decide: Callable[[Decision], None], which: WithdrawalId
) -> Moved:
    stream = withdrawal_stream(which)
    receipt = await write.submit(front, decide, stream)
    state = await run_in_threadpool(front.house.book.state, stream)
    touched(write.request, "read withdrawal", client=state.client)
    return Moved(withdrawal=which, status=state.status, position=receipt.position)
