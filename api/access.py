"""Access records: who read or did what to account data, granted or not.

A call whose record cannot be written fails: the record is written when the answer is known and
before its first byte leaves. Only a "not now" leaves without: it tells nothing. A record holds
names and fixed words, never a credential or a body.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from api.context import call_of
from api.problems import ApiProblem, problem_response
from api.scopes import Door, Role

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.context import Call
    from ledger.chart import Account
    from ledger.ids import ClientId

SINK_SECONDS_MAX: Final = 5
NAMES_MAX: Final = 100
"""A record names this many clients or accounts; of more, the count and a digest of all."""

LOG: Final = logging.getLogger("counterfoil.access")


@dataclass(frozen=True, slots=True)
class Named:
    """The clients or accounts that a call touched: the first of them, and all in a digest."""

    names: tuple[str, ...]
    count: int
    sha256: str

    @classmethod
    def of(cls, every: set[str]) -> Named:
        """Name them in order."""
        ordered = sorted(every)
        digest = hashlib.sha256("\n".join(ordered).encode()).hexdigest() if ordered else ""
        return cls(tuple(ordered[:NAMES_MAX]), len(ordered), digest)


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """One call to account data.

    Attributes:
        at: when the answer was known, UTC.
        request_id: as in the answer's `X-Request-Id`.
        subject: who asked; empty where nobody was believed.
        role: the role of the token; `psp_ingress` for a verified webhook.
        entity: the legal entity the token is for.
        token_id: which token, never the token.
        scope: the scope that the route asks for.
        method: the HTTP method.
        route: the template of the path.
        target: the names in the path.
        did: what the route says it read or did, in its own fixed words.
        clients: whose data.
        accounts: which accounts.
        status: of the answer.
        reason: why the door stayed shut, in fixed words.
    """

    at: datetime
    request_id: str
    subject: str
    role: str
    entity: str
    token_id: str
    scope: str
    method: str
    route: str
    target: str
    did: tuple[str, ...]
    clients: Named
    accounts: Named
    status: int
    reason: str


Sink = Callable[[AccessRecord], Awaitable[None]]
"""Writes a record durably before it returns, or raises."""


def touched(
    request: Request,
    did: str,
    *,
    client: ClientId | None = None,
    account: Account | None = None,
) -> None:
    """Say what the route reads or does, before it answers; as often as it takes.

    Args:
        request: the call.
        did: fixed words, e.g. `read statement`; never what the caller sent.
        client: whose data.
        account: which account.
    """
    touches = call_of(request.scope).touches
    if did not in touches.did:
        touches.did.append(did)
    if client is not None:
        touches.clients.add(str(client))
    if account is not None:
        touches.accounts.add(account)


class AccessRecords:
    """Pure ASGI: holds an answer back until its record is written."""

    def __init__(
        self, app: ASGIApp, *, sink: Sink, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._app = app
        self._sink = sink
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call and record it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = False
        withheld = False

        async def recorded_send(message: Message) -> None:
            nonlocal asked, withheld
            if message["type"] == "http.response.start":
                asked = True
                written = await self._written(scope, message["status"])
                # That we cannot serve now tells nothing, and is told as it is.
                withheld = not written and message["status"] != HTTPStatus.SERVICE_UNAVAILABLE
                if withheld:
                    problem = ApiProblem("access_log_unavailable")
                    await problem_response(scope, problem)(scope, receive, send)
            if not withheld:
                await send(message)

        try:
            await self._app(scope, receive, recorded_send)
        except Exception:
            if not asked:
                await self._written(scope, 500)
            raise

    async def _written(self, scope: Scope, status: int) -> bool:
        call = call_of(scope)
        if not _concerns_account_data(call):
            return True
        record = _record(call, scope["method"], status, self._now())
        try:
            async with asyncio.timeout(SINK_SECONDS_MAX):
                await self._sink(record)
        except Exception:
            LOG.exception("an access record was not written", extra={"request_id": call.request_id})
            return False
        return True


def _concerns_account_data(call: Call) -> bool:
    if call.row is None or not call.row.recorded:
        return False
    # Anybody can post an unsigned webhook: those are counted, and recorded once verified.
    return call.row.door is Door.BEARER or bool(call.touches.did)


def _record(call: Call, method: str, status: int, at: datetime) -> AccessRecord:
    caller, row, touches = call.caller, call.row, call.touches
    assert row is not None, "what has no row is not recorded"
    webhook = row.door is Door.SIGNATURE
    return AccessRecord(
        at=at,
        request_id=call.request_id,
        subject=caller.subject if caller else call.target if webhook else "",
        role=caller.role if caller else Role.PSP_INGRESS if webhook else "",
        entity=caller.entity if caller else "",
        token_id=caller.token_id if caller else "",
        scope=row.scope,
        method=method,
        route=row.path,
        target=call.target,
        did=tuple(touches.did),
        clients=Named.of(touches.clients),
        accounts=Named.of(touches.accounts),
        status=status,
        reason=call.reason,
    )
