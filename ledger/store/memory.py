"""A book in memory: the same decisions, codec and chain over a list, for tests and simulations.

One thread, no clock of its own, no surprises: two runs of the same commands give the same digests.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from ledger.store.chain import genesis, micros
from ledger.store.checks import check
from ledger.store.opening import check_opening, opening
from ledger.store.round import Round
from ledger.store.rows import event_of
from ledger.store.states import Known, States
from ledger.store.tables import LOGS
from ledger.store.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    import msgspec

    from ledger.decision import Body, Command, Event, Receipt, Stream
    from ledger.ids import EntityId
    from ledger.store.chain import Row
    from ledger.store.codec import Vocabulary
    from ledger.store.verify import Report

S = TypeVar("S", bound="msgspec.Struct")


class MemoryBook:
    """The interface of `Book`, over a list of rows."""

    def __init__(
        self,
        entity: EntityId,
        vocabulary: Vocabulary,
        *,
        clock: Callable[[], datetime],
        log: str = "log",
    ) -> None:
        self.entity = entity
        self.rows: list[Row] = []
        self._vocabulary = vocabulary
        self._clock = clock
        self._beginning = genesis(LOGS[log].name, entity)
        self._head = self._beginning
        self._states = States(states_max=sys.maxsize)
        self._bodies: dict[UUID, Body] = {}
        self._requests: dict[bytes, tuple[int, int]] = {}
        self.submit(opening(entity, clock()))
        check_opening(self.rows[0], entity, vocabulary)

    def submit(self, command: Command) -> Receipt:
        """Decide a command and record what it decides."""
        check(command)
        found = (
            {} if command.key is None else {command.key: tuple(self.events_of_request(command.key))}
        )
        answers = {key: events for key, events in found.items() if events}
        batch = Round(self._head, micros(self._clock()), self._vocabulary, self._states, answers)
        receipt = batch.decide(command, self._load)
        if command.key is not None and receipt.events and not receipt.replayed:
            self._requests[command.key] = (receipt.events[0].position, len(receipt.events))
        self.rows.extend(batch.take_rows())
        for body in batch.bodies:
            self._bodies.setdefault(body.id, body)
        self._states.merge(batch.changed)
        self._head = batch.head
        return receipt

    async def asubmit(self, command: Command) -> Receipt:
        """Decide a command and record what it decides."""
        return self.submit(command)

    def state(self, stream: Stream[S]) -> S:
        """Return the state of a stream."""
        state: S = (self._states.get(stream.id) or self._load(stream)).state
        return state

    def history(self, stream: Stream[Any]) -> list[Event]:
        """Return all events of a stream."""
        return [self._event(row) for row in self.rows if row.stream == stream.id]

    def events_after(self, position: int, limit: int, *, stop: int | None = None) -> list[Event]:
        """Return events in position order, `stop` included."""
        return [self._event(row) for row in self.rows[position:stop][:limit]]

    def event(self, position: int) -> Event | None:
        """Return the event at a position."""
        found = self.events_after(position - 1, 1) if position > 0 else []
        return found[0] if found else None

    def events_of_request(self, key: bytes) -> list[Event]:
        """Return the events of a request; none where the log does not hold it."""
        position, count = self._requests.get(key, (1, 0))
        return self.events_after(position - 1, count)

    def head(self) -> int:
        """Return the newest position."""
        return self._head.position

    def wait(self, position: int, timeout_s: float) -> int:  # noqa: ARG002 - nobody else appends
        """Return the newest position at once: nobody else appends."""
        return self.head()

    def body(self, body_id: UUID) -> Body | None:
        """Return a raw message, as it was kept."""
        return self._bodies.get(body_id)

    def verify(self, tell: Callable[[int], None] | None = None) -> Report:
        """Verify the log from its beginning."""
        return verify(self.rows, self._beginning, self.entity, self._vocabulary, tell)

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def _load(self, stream: Stream[Any]) -> Known:
        return Known(stream.kind, 0, stream.kind.blank)

    def _event(self, row: Row) -> Event:
        return event_of(row, self._vocabulary)
