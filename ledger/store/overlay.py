"""One command's view of the book: committed states below, its own facts on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ledger.store.states import Known

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    import msgspec

    from ledger.decision import Fact, Stream

    Lookup = Callable[[UUID], Known | None]
    Load = Callable[[Stream[Any]], Known]

S = TypeVar("S", bound="msgspec.Struct")


class Cold(BaseException):
    """A command met a stream that is not loaded: it is put back, and decided when it is.

    Not an `Exception`, so that a decision which catches those cannot mistake it for its own.
    """


class Recorded(NamedTuple):
    """A fact that a command wants to record."""

    stream: UUID
    version: int
    fact: Fact
    at: datetime


class Overlay:
    """The `Decision` that a command gets. Nothing outside sees what it holds until it is merged."""

    __slots__ = ("_below", "_load", "at", "changed", "cold", "recorded")

    def __init__(self, at: datetime, below: Lookup, load: Load | None = None) -> None:
        self.at = at
        self.changed: dict[UUID, Known] = {}
        self.recorded: list[Recorded] = []
        self.cold = False
        self._below = below
        self._load = load

    def get(self, stream: Stream[S]) -> S:
        """Return the stream's state, what this command has recorded included."""
        state: S = self._known(stream).state
        return state

    def record(self, stream: Stream[Any], fact: Fact, *, at: datetime | None = None) -> None:
        """Append a fact to the stream."""
        known = self._known(stream).then(fact)
        self.changed[stream.id] = known
        self.recorded.append(Recorded(stream.id, known.version, fact, at or self.at))

    def _known(self, stream: Stream[Any]) -> Known:
        known = self.changed.get(stream.id)
        if known is not None:
            assert known.is_of(stream.kind), f"stream {stream.id} is a {known.kind.name}"
            return known
        known = self._below(stream.id)
        # Ids come from outside: one that names a thing of another kind names nothing of this one.
        if known is None or not known.is_of(stream.kind):
            if self._load is None:
                self.cold = True
                raise Cold(stream)
            known = self._load(stream)
        return known
