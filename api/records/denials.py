"""Calls of people who were not believed: counted by kind, and recorded together once a minute.

Anybody can knock. A record for each would let a stranger fill the access log; so the calls of one
reason at one route within a minute are one record, with their number and a few request ids. They
saw nothing, so nothing waits for that record: a crash loses the count of its last minute.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from api.records.access_record import AccessRecord
from api.records.access_words import Outcome, action_of, fields_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from api.door.context import Call
    from api.identity.scopes import Row
    from api.records.access_record import Sink

FAILED_FROM: Final = 500
WINDOW_S: Final = 60.0
SAMPLES_MAX: Final = 5
KINDS_MAX: Final = 1_000
"""Different kinds within a minute; what comes beyond is counted as `other reasons` of its route."""
OTHER: Final = "other reasons"

LOG: Final = logging.getLogger("counterfoil.access")


class Reason(NamedTuple):
    """What makes calls one record."""

    row: Row
    status: int
    reason: str


@dataclass(slots=True)
class Counted:
    """The calls of one kind since `since`."""

    since: datetime
    count: int = 0
    samples: list[str] = field(default_factory=list)


class Denials:
    """Counts; and writes what it counted a minute after the first of it, or at the end."""

    def __init__(self, sink: Sink, now: Callable[[], datetime]) -> None:
        self._sink, self._now = sink, now
        self._counted: dict[Reason, Counted] = {}
        self._timer: asyncio.Task[None] | None = None

    def add(self, call: Call, status: int) -> None:
        """Count one call."""
        assert call.row is not None, "what has no row is not recorded"
        kind = Reason(call.row, status, call.reason)
        if kind not in self._counted and len(self._counted) >= KINDS_MAX:
            kind = kind._replace(reason=OTHER)
        counted = self._counted.setdefault(kind, Counted(self._now()))
        counted.count += 1
        if len(counted.samples) < SAMPLES_MAX:
            counted.samples.append(call.request_id)
        if self._timer is None or self._timer.done():
            self._timer = asyncio.get_running_loop().create_task(self._later())

    async def flush(self) -> None:
        """Write what was counted; what cannot be written is counted on."""
        for kind in list(self._counted):
            counted = self._counted.pop(kind)
            record = AccessRecord(
                at=counted.since,
                subject="",
                action=action_of(kind.row),
                outcome=Outcome.DENIED if kind.status < FAILED_FROM else Outcome.FAILED,
                fields=fields_of(kind.row),
                scope=kind.row.scope,
                method=kind.row.method,
                route=kind.row.path,
                status=kind.status,
                reason=kind.reason,
                count=counted.count,
                samples=tuple(counted.samples),
            )
            try:
                await self._sink(record)
            except Exception:
                LOG.exception("denied calls were not recorded, and are counted on")
                self._put_back(kind, counted)
                return

    async def close(self) -> None:
        """Write what is left, and end."""
        if self._timer is not None:
            self._timer.cancel()
        await self.flush()

    async def _later(self) -> None:
        await asyncio.sleep(WINDOW_S)
        await self.flush()

    def _put_back(self, kind: Reason, counted: Counted) -> None:
        since = self._counted.setdefault(kind, counted)
        if since is not counted:
            since.since = counted.since
            since.count += counted.count
            since.samples = [*counted.samples, *since.samples][:SAMPLES_MAX]
