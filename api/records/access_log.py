"""Writes the log of who read or did what: a second chained log of the same machinery as the book.

Records of concurrent calls share one append: what an append costs is waiting and switching, which
a record alone would pay for itself. They stand on a stream of whoever writes them, begun
with its sitting: a stream for each identity would cost a load whenever another one comes.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

from ledger.access import ACCESS, AccessRecorded
from ledger.decision import Command
from ledger.errors import LogUnreadable, OutcomeUnknown, Refusal

if TYPE_CHECKING:
    from api.records.access_record import AccessRecord
    from ledger.book import AnyBook
    from ledger.decision import Decision

API: Final = "service:api"
GATHER_S: Final = 0.01
"""How long the records of a crowd gather for the next append. Who is alone does not wait."""
TOGETHER_MAX: Final = 200
"""Records in one append."""


@dataclass(frozen=True, slots=True)
class Acting:
    """On whose behalf our programs work at this moment, and on which request."""

    subject: str = API
    request_id: str = ""


ACTING: Final[ContextVar[Acting]] = ContextVar("counterfoil_acting", default=Acting())  # noqa: B039
"""Follows a call into its threads, so that our own calls outward name what they are made for."""


class _Waiting(NamedTuple):
    """A record that is not written yet, and how its caller hears of it."""

    record: AccessRecord
    done: asyncio.Future[None]


class AccessLog:
    """Writes access records durably."""

    def __init__(self, log: AnyBook, *, by: str = API) -> None:
        """Begin a sitting.

        Args:
            log: the access log, opened as a book.
            by: which of our programs keeps the records.
        """
        self._log, self._by = log, by
        self._stream = ACCESS(uuid4())
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        self._writing: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    async def write(self, record: AccessRecord) -> None:
        """Append a record; returns when it is durable.

        Raises:
            Refusal, OutcomeUnknown, LogUnreadable: it is not; the call must fail.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(record, loop.create_future())
        self._gathered.setdefault(loop, []).append(waiting)
        writing = self._writing.get(loop)
        if writing is None or writing.done():
            self._writing[loop] = loop.create_task(self._write_gathered(loop))
        await waiting.done

    def write_now(self, record: AccessRecord) -> None:
        """Like `write`, for a thread that may wait."""
        self._log.submit(self._command([record]))

    async def _write_gathered(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what has come, and what comes meanwhile; then end."""
        crowded = False
        while self._gathered.get(loop):
            if crowded:
                # Somebody else is always near: to wait for them costs less than another append.
                await asyncio.sleep(GATHER_S)
            gathered = self._gathered[loop][:TOGETHER_MAX]
            del self._gathered[loop][:TOGETHER_MAX]
            await self._append(gathered)
            crowded = len(gathered) > 1

    async def _append(self, gathered: list[_Waiting]) -> None:
        try:
            await self._log.asubmit(self._command([waiting.record for waiting in gathered]))
        except (Refusal, OutcomeUnknown, LogUnreadable) as error:
            _settle(gathered, error)
        except Exception as error:
            if len(gathered) == 1:
                _settle(gathered, error)
                return
            for waiting in gathered:  # one of them cannot be kept: that is its own misfortune
                await self._append([waiting])
        else:
            _settle(gathered, None)

    def _command(self, records: list[AccessRecord]) -> Command:
        stream, facts = self._stream, [(fact_of(record), record.at) for record in records]

        def decide(decision: Decision) -> None:
            for fact, at in facts:
                decision.record(stream, fact, at=at)

        return Command(decide, by=self._by, at=records[0].at, names=(stream,))


def _settle(gathered: list[_Waiting], error: Exception | None) -> None:
    for waiting in gathered:
        if waiting.done.done():  # who asked has left; the record stands all the same
            continue
        if error is None:
            waiting.done.set_result(None)
        else:
            waiting.done.set_exception(error)


def fact_of(record: AccessRecord) -> AccessRecorded:
    """Write a record as the log holds it. What is as usual takes no room."""
    return AccessRecorded(
        subject=record.subject,
        action=record.action,
        outcome=record.outcome,
        did=record.did,
        fields=record.fields,
        clients=record.clients.names,
        clients_count=record.clients.beyond,
        clients_sha256=record.clients.sha256,
        accounts=record.accounts.names,
        accounts_count=record.accounts.beyond,
        accounts_sha256=record.accounts.sha256,
        things=record.things.names,
        things_count=record.things.beyond,
        things_sha256=record.things.sha256,
        role=record.role,
        scope=record.scope,
        token_id=record.token_id,
        request_id=record.request_id,
        method=record.method,
        route=record.route,
        target=record.target,
        status=record.status,
        reason=record.reason,
        count=record.count,
        samples=record.samples,
        credential=record.credential,
        asked_sha256=record.asked_sha256,
        answer_sha256=record.answer_sha256,
    )
