"""The shape of every decision: facts, streams that fold them, and the command that records them.

A command is a pure function of a `Decision`: it reads the state of streams (`get`), refuses or
not, and records facts (`record`). All facts of a command stand in one append or in none.

What is made per command is a `msgspec` struct out of the garbage collector's sight (`gc=False`): it
is built in a tenth of a dataclass's time, and none of it can form a cycle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

S = TypeVar("S", bound="msgspec.Struct")


class Fact(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Something that happened. Frozen, timezone-aware times only, no personal data.

    `NAME` is the stored name, chosen once and for ever; `VERSION` grows when the form changes and
    then an upcaster from the former version must exist.
    """

    NAME: ClassVar[str]
    VERSION: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Kind(Generic[S]):
    """A kind of stream: how its facts fold into a state.

    `blank` is the state before the first fact; `evolve` is pure and total over the kind's facts
    (a fact that does not concern the state returns it unchanged).
    """

    name: str
    blank: S
    evolve: Callable[[S, Fact], S]

    def __call__(self, stream_id: UUID) -> Stream[S]:
        """Name one stream of this kind."""
        return Stream(self, stream_id)


class Stream(msgspec.Struct, Generic[S], frozen=True, gc=False, eq=False):
    """One stream: a kind and an id. Two streams are the same when their ids are."""

    kind: Kind[S]
    id: UUID

    def __eq__(self, other: object) -> bool:
        """Compare ids alone."""
        return self.id == other.id if isinstance(other, Stream) else NotImplemented

    def __hash__(self) -> int:
        """Hash the id alone."""
        return hash(self.id)


class Decision(Protocol):
    """What a command may do: read streams, record facts."""

    @property
    def at(self) -> datetime:
        """The world's time of the command: the default `at` of what it records."""
        ...

    def get(self, stream: Stream[S]) -> S:
        """Return the stream's state, what this command has recorded included."""
        ...

    def record(self, stream: Stream[Any], fact: Fact, *, at: datetime | None = None) -> None:
        """Append a fact to the stream. `at` is the world's time of the fact (effective time)."""
        ...


@dataclass(frozen=True, slots=True)
class Body:
    """A raw message to keep, encrypted, beside the log and in the same append.

    The fact that speaks of it carries `sha256` of the plain bytes; the log never holds the bytes.
    """

    id: UUID
    source: str
    sealed: bytes
    sha256: str
    received_at: datetime


class Command(msgspec.Struct, frozen=True):
    """One request to the book.

    Attributes:
        decide: the pure decision; a `Refusal` it raises reaches the caller and records nothing.
        by: the service identity that acts.
        at: the world's time of the request, timezone-aware.
        key: 16 bytes that identify the request for ever, or None for one that cannot repeat.
        contents: fingerprint of what was asked (`ids.fingerprint`); same key and other contents
            is a conflict.
        why: position of the fact that caused this command, if one did.
        names: streams to load before the lock is taken; others are loaded when met, at a cost.
        bodies: raw messages to keep in the same append.
    """

    decide: Callable[[Decision], None]
    by: str
    at: datetime
    key: bytes | None = None
    contents: str = ""
    why: int | None = None
    names: tuple[Stream[Any], ...] = ()
    bodies: tuple[Body, ...] = ()


class Event(msgspec.Struct, frozen=True, gc=False):
    """A fact as it stands in the log."""

    position: int
    stream_id: UUID
    version: int
    fact: Fact
    at: datetime
    """The world's time (effective time)."""
    by: str
    why: int | None
    recorded_at: datetime
    """Our time, never before the event ahead of it."""
    request: str = ""
    """Request key and contents, on the first event of a command: `<key hex>:<contents>`."""


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The answer to a command: what stands in the log because of it.

    `replayed` tells that the log already held the request; the events are those of the first time.
    A command that found nothing to record has no events; `position` is then the head it saw.
    """

    position: int
    events: tuple[Event, ...]
    replayed: bool = False

    def only(self, kind: type[F]) -> F:
        """Return the one fact of this type."""
        (found,) = [event.fact for event in self.events if isinstance(event.fact, kind)]
        return found

    def first(self, kind: type[F]) -> F | None:
        """Return the first fact of this type, if any."""
        return next((e.fact for e in self.events if isinstance(e.fact, kind)), None)


F = TypeVar("F", bound=Fact)
