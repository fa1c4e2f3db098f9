"""The committed states that the book keeps in memory: bounded, least recently used go first."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from ledger.store.limits import STATES_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from ledger.decision import Fact, Kind


class Known(msgspec.Struct, frozen=True, gc=False):
    """What one stream amounts to, at one version."""

    kind: Kind[Any]
    version: int
    state: Any

    def is_of(self, kind: Kind[Any]) -> bool:
        """Tell whether it was folded as this kind."""
        return self.kind is kind or self.kind.name == kind.name

    def then(self, fact: Fact) -> Known:
        """Fold one more fact."""
        return Known(self.kind, self.version + 1, self.kind.evolve(self.state, fact))


class States:
    """Only the appending thread writes and counts uses; any thread may `peek`."""

    def __init__(self, states_max: int = STATES_MAX) -> None:
        self._states_max = states_max
        self._known: OrderedDict[int, Known] = OrderedDict()
        """By the id's number, which hashes in C."""

    def __len__(self) -> int:
        """Return how many streams are known."""
        return len(self._known)

    def get(self, stream: UUID) -> Known | None:
        """Return what is known of a stream, and count the use."""
        number = stream.int
        known = self._known.get(number)
        if known is not None:
            self._known.move_to_end(number)
        return known

    def peek(self, stream: UUID) -> Known | None:
        """Return what is known of a stream."""
        return self._known.get(stream.int)

    def merge(self, changed: Mapping[UUID, Known]) -> None:
        """Take over what was committed or loaded."""
        for stream, known in changed.items():
            self._known[stream.int] = known

    def trim(self) -> None:
        """Forget the least recently used. Between appends only: a batch keeps what it loaded."""
        while len(self._known) > self._states_max:
            self._known.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
