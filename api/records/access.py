"""Access records: who read or did what to account data, granted or not.

A call whose record cannot be written fails: the record is written when the answer is known and
before its first byte leaves. Only a "not now" leaves without: it tells nothing. Who was not
believed is told nothing either: such calls are counted, and recorded together
(`api/records/denials.py`). A record holds names and fixed words, never a credential or a body.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from api.door.context import call_of
from api.door.problems import ApiProblem, problem_response
from api.identity.scopes import Door, Role
from api.records.access_log import ACTING, Acting
from api.records.access_record import NAMES_MAX, AccessRecord, Named, Sink
from api.records.access_words import Outcome, action_of, fields_of
from api.records.denials import Denials
from ledger.access import outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.door.context import Call
    from ledger.chart import Account
    from ledger.ids import ClientId

SINK_SECONDS_MAX: Final = 5

LOG: Final = logging.getLogger("counterfoil.access")

__all__ = ["NAMES_MAX", "AccessRecord", "AccessRecords", "Named", "Sink", "touched"]


def touched(
    request: Request,
    did: str,
    *,
    client: ClientId | UUID | None = None,
    account: Account | None = None,
    clients: Iterable[UUID | str | None] = (),
    accounts: Iterable[str] = (),
    things: Iterable[UUID] = (),
) -> None:
    """Say what the route reads or does, before it answers; as often as it takes.

    Args:
        request: the call.
        did: fixed words, e.g. `read statement`; never what the caller sent.
        client: whose data.
        account: which account.
        clients: whose data, where a page shows several.
        accounts: which accounts, where a page shows several.
        things: ids of payments and the like, where whose they are is not known.
    """
    touches = call_of(request.scope).touches
    if did not in touches.did:
        touches.did.append(did)
    touches.clients.update(str(each) for each in (client, *clients) if each is not None)
    touches.accounts.update(accounts)
    touches.things.update(map(str, things))
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
        self._denials = Denials(sink, now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call and record it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._closing(send))
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Our own calls outward, made on the way, name the request that they are made for.
        ACTING.set(Acting(request_id=call_of(scope).request_id))
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

    def _closing(self, send: Send) -> Send:
        async def flushed_send(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                await self._denials.close()
            await send(message)

        return flushed_send

    async def _written(self, scope: Scope, status: int) -> bool:
        call = call_of(scope)
        if call.row is None or not call.row.recorded:
            return True
        # Too many calls are told as a number of them: a record of each would be one more burden.
        if not _is_believed(call) or status == HTTPStatus.TOO_MANY_REQUESTS:
            self._denials.add(call, status)
            return True
        record = _record(call, scope["method"], status, self._now())
        try:
            async with asyncio.timeout(SINK_SECONDS_MAX):
                await self._sink(record)
        except Exception:
            LOG.exception("an access record was not written", extra={"request_id": call.request_id})
            return False
        return True


def _is_believed(call: Call) -> bool:
    """Tell whether we know who calls: by a token, or by the signature over what was taken."""
    assert call.row is not None, "what has no row is not recorded"
    return call.caller is not None or (call.row.door is Door.SIGNATURE and bool(call.touches.did))


def _record(call: Call, method: str, status: int, at: datetime) -> AccessRecord:
    caller, row, touches = call.caller, call.row, call.touches
    assert row is not None, "what has no row is not recorded"
    return AccessRecord(
        at=at,
        subject=caller.subject if caller else call.target,
        action=action_of(row),
        outcome=Outcome(outcome_of(status)),
        did=tuple(touches.did),
        fields=fields_of(row),
        clients=Named.of(touches.clients),
        accounts=Named.of(touches.accounts),
        things=Named.of(touches.things),
        entity=caller.entity if caller else "",
        role=caller.role if caller else Role.PSP_INGRESS,
        scope=row.scope,
        token_id=caller.token_id if caller else "",
        request_id=call.request_id,
        method=method,
        route=row.path,
        target=call.target,
        status=status,
        reason=call.reason,
    )
