"""What a simulation left behind: the log, every state and every balance, read once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ledger.chart import kind_of
from projections.replay import fold_balances

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from ledger.decision import Event
    from ledger.store.states import Known
    from tests.simulation.world.simulation import Simulation

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class View:
    """The log and what it amounts to. Balances are debit +."""

    sim: Simulation
    events: list[Event]
    balances: dict[tuple[str, str], int]
    known: dict[UUID, Known]

    def of(self, kind: type[S]) -> Iterator[tuple[UUID, S]]:
        """Every stream of a kind, by the type of its state."""
        for stream, known in self.known.items():
            if isinstance(known.state, kind):
                yield stream, known.state

    def sums(self, kind: str) -> Counter[str]:
        """The balance of all accounts of a kind, by currency."""
        found: Counter[str] = Counter()
        for (account, currency), minor in self.balances.items():
            if kind_of(account).name == kind:
                found[currency] += minor
        return found


def view_of(sim: Simulation) -> View:
    """Read the log and fold its balances."""
    events = sim.book.events_after(0, 1_000_000)
    known = {}
    for stream in {event.stream_id for event in events}:
        state = sim.book._states.peek(stream)
        assert state is not None, f"the book does not know {stream}"
        known[stream] = state
    return View(sim, events, fold_balances(events), known)


def same(what: str, ours: Counter[str], theirs: Counter[str]) -> None:
    """Compare by currency; what is missing is zero."""
    off = {
        currency: (ours[currency], theirs[currency])
        for currency in ours.keys() | theirs.keys()
        if ours[currency] != theirs[currency]
    }
    assert not off, f"{what} (booked, expected): {off}"
