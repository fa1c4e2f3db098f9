"""The log of who read or did what: a second chained log of the same machinery as the book."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

import msgspec

from ledger.decision import Command, Decision, Fact, Kind
from ledger.ids import child_id

if TYPE_CHECKING:
    from api.access import AccessRecord
    from ledger.book import AnyBook


class AccessRecorded(Fact, frozen=True):
    """One call to account data, granted or not. Never a credential, never a body."""

    NAME: ClassVar[str] = "access.recorded"
    at: datetime
    request_id: str
    subject: str
    role: str
    token_id: str
    scope: str
    method: str
    route: str
    target: str
    did: tuple[str, ...]
    clients: tuple[str, ...]
    clients_count: int
    clients_sha256: str
    accounts: tuple[str, ...]
    accounts_count: int
    accounts_sha256: str
    status: int
    reason: str


class AccessState(msgspec.Struct, frozen=True):
    """Records decide nothing: there is nothing to remember."""


ACCESS: Kind[AccessState] = Kind("access", AccessState(), lambda state, _: state)
_ROOT = UUID(int=0)


class AccessLog:
    """Writes access records durably; those of concurrent calls share one commit."""

    def __init__(self, log: AnyBook) -> None:
        self._log = log

    async def write(self, record: AccessRecord) -> None:
        """Append a record; returns when it is durable.

        Raises:
            Refusal, OutcomeUnknown, LogUnreadable: it is not; the call must fail.
        """
        fact = _fact(record)
        stream = ACCESS(child_id(_ROOT, self._log.entity, "access", record.subject))

        def decide(decision: Decision) -> None:
            decision.record(stream, fact)

        by = record.subject or "nobody"
        await self._log.asubmit(Command(decide, by=by, at=record.at, names=(stream,)))


def _fact(record: AccessRecord) -> AccessRecorded:
    return AccessRecorded(
        at=record.at,
        request_id=record.request_id,
        subject=record.subject,
        role=record.role,
        token_id=record.token_id,
        scope=record.scope,
        method=record.method,
        route=record.route,
        target=record.target,
        did=record.did,
        clients=record.clients.names,
        clients_count=record.clients.count,
        clients_sha256=record.clients.sha256,
        accounts=record.accounts.names,
        accounts_count=record.accounts.count,
        accounts_sha256=record.accounts.sha256,
        status=record.status,
        reason=record.reason,
    )
