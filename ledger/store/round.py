"""One append in the making: commands are decided one after the other and chained to the head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.decision import Event, Receipt
from ledger.errors import KeyReused
from ledger.store.chain import Link, Row, digest, moment
from ledger.store.limits import FACTS_MAX
from ledger.store.overlay import Cold, Overlay

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from ledger.decision import Body, Command
    from ledger.store.codec import Vocabulary
    from ledger.store.overlay import Load
    from ledger.store.states import Known, States


class Round:
    """Decides commands on top of the committed states. Nothing here touches what is committed.

    A command that refuses, fails or meets a cold stream leaves the round as it was.

    Args:
        head: the newest row of the log.
        now_us: our time, in microseconds since 1970; the head's time when that is later.
        answers: the events of requests that the log already holds, by key.
        remembers: whether what it recorded answers a key that comes again in the same round. In a
            large one, what is kept for that costs more than making it.
    """

    def __init__(
        self,
        head: Link,
        now_us: int,
        vocabulary: Vocabulary,
        states: States,
        answers: Mapping[bytes, tuple[Event, ...]],
        *,
        remembers: bool = True,
    ) -> None:
        self.head = head
        self.recorded_us = max(now_us, head.recorded_us)
        self.recorded_at = moment(self.recorded_us)
        self.first: Row | None = None
        self.rows: list[Row] = []
        """Rows decided and not yet taken by whoever writes them."""
        self.bodies: list[Body] = []
        self.changed: dict[UUID, Known] = {}
        self._vocabulary = vocabulary
        self._states = states
        self._answers = dict(answers)
        self._remembers = remembers

    def decide(self, command: Command, load: Load | None = None) -> Receipt:
        """Decide one command and chain what it records.

        Raises:
            Cold: it met a stream that is not loaded, and no `load` was given.
            Exception: whatever the decision raised; a `Refusal` above all.
        """
        if command.key is not None and command.key in self._answers:
            return replay(command, self._answers[command.key])
        overlay = Overlay(command.at, self._known, load)
        command.decide(overlay)
        if overlay.cold:
            raise Cold
        receipt = self._chain(command, overlay)
        self.bodies.extend(command.bodies)
        if self._remembers and command.key is not None and receipt.events:
            self._answers[command.key] = receipt.events
        return receipt

    def take_rows(self) -> list[Row]:
        """Hand over the rows decided since the last call."""
        rows, self.rows = self.rows, []
        return rows

    def _known(self, stream: UUID) -> Known | None:
        return self.changed.get(stream) or self._states.get(stream)

    def _chain(self, command: Command, overlay: Overlay) -> Receipt:
        recorded = overlay.recorded
        assert len(recorded) <= FACTS_MAX, f"{len(recorded)} facts in one command"
        position, seal, us = self.head.position, self.head.digest, self.recorded_us
        at, by, why = self.recorded_at, command.by, command.why
        key, request = command.key, request_of(command)
        n = len(recorded) if request else 1
        rows, events = [], []
        for told in recorded:
            fact, stream, known = told.fact, told.stream, told.known
            position, name, version = position + 1, fact.NAME, known.version
            state = self._vocabulary.encode(fact, told.at, by, request, why, n=n)
            seal = digest(seal, position, stream.bytes, version, us, name.encode(), state)
            rows.append(Row(position, stream, version, name, state, us, key, seal))
            events.append(Event(position, stream, version, fact, told.at, by, why, at, request))
            key, request, n = None, "", 1
        if rows:
            self.first = self.first or rows[0]
            self.rows += rows
            for told in recorded:
                self.changed[told.stream] = told.known
            self.head = Link(position, seal, us)
        return Receipt(position, tuple(events))


def request_of(command: Command) -> str:
    """Write what the first fact of a command says of its request."""
    return "" if command.key is None else f"{command.key.hex()}:{command.contents}"


def replay(command: Command, events: tuple[Event, ...]) -> Receipt:
    """Answer a request that the log already holds.

    Raises:
        KeyReused: the key came first with other contents.
    """
    if events[0].request != request_of(command):
        raise KeyReused("this idempotency key came first with another request")
    return Receipt(events[-1].position, events, replayed=True)
