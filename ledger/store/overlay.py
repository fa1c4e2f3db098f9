"""One command's view of the book: committed states below, its own facts on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ledger.store.states import Known

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from ledger.decision import Fact, Stream

    Lookup = Callable[[UUID], Known | None]
    Load = Callable[[Stream[Any]], Known]

S = TypeVar("S", bound="msgspec.Struct")


class Cold(BaseException):
    """A command met a stream that is not loaded: it is put back, and decided when it is.

    Not an `Exception`, so that a decision which catches those cannot mistake it for its own.
    """


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """A fact that a command wants to record, and what its stream amounts to with it."""

    stream: UUID
    known: Known
    fact: Fact
    at: datetime


class Overlay:
    """The `Decision` that a command gets. Nothing outside sees what it holds until it is merged."""

    __slots__ = ("_below", "_load", "_met", "at", "cold", "recorded")

    def __init__(self, at: datetime, below: Lookup, load: Load | None = None) -> None:
        self.at = at
        self.recorded: list[Recorded] = []
        self.cold = False
        self._below = below
        self._load = load
        self._met: dict[int, Known] = {}
        """Streams that the command has read or written, by the number of the id."""

    def get(self, stream: Stream[S]) -> S:
        """Return the stream's state, what this command has recorded included."""
        state: S = self._known(stream).state
        return state

    def record(self, stream: Stream[Any], fact: Fact, *, at: datetime | None = None) -> None:
        """Append a fact to the stream."""
        known = self._met[stream.id.int] = self._known(stream).then(fact)
        self.recorded.append(Recorded(stream.id, known, fact, at or self.at))

    def _known(self, stream: Stream[Any]) -> Known:
        known = self._met.get(stream.id.int)
        if known is not None:
            if known.is_of(stream.kind):
                return known
            assert all(told.stream != stream.id for told in self.recorded), f"two kinds: {stream}"
        known = self._below(stream.id)
        # Ids come from outside: one that names a thing of another kind names nothing of this one.
        if known is None or not known.is_of(stream.kind):
            if self._load is None:
                self.cold = True
                raise Cold(stream)
            known = self._load(stream)
        self._met[stream.id.int] = known
        return known
