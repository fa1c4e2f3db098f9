"""A toy: counters that go up, and down to nought and no further."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID, uuid5

import msgspec

from ledger.decision import Command, Fact, Kind, Stream
from ledger.errors import InsufficientFunds
from ledger.facts import BookOpened
from ledger.ids import EntityId, fingerprint, request_key
from ledger.store.codec import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.decision import Body, Decision

ENTITY = EntityId("acme-cy")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPACE = UUID("00000000-0000-4000-8000-0000000000c0")


class Added(Fact, frozen=True):
    NAME: ClassVar[str] = "toy.added"
    amount: int
    note: str = ""


class Taken(Fact, frozen=True):
    NAME: ClassVar[str] = "toy.taken"
    amount: int


class Total(msgspec.Struct, frozen=True, gc=False):
    total: int = 0


def _evolve(state: Total, fact: Fact) -> Total:
    match fact:
        case Added():
            return Total(state.total + fact.amount)
        case Taken():
            return Total(state.total - fact.amount)
        case _:
            return state


COUNTER = Kind("toy.counter", Total(), _evolve)


def counter(name: str) -> Stream[Total]:
    return COUNTER(uuid5(SPACE, name))


def vocabulary() -> Vocabulary:
    return Vocabulary([BookOpened, Added, Taken])


class Ticking:
    """A clock that goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


def command(
    decide: Callable[[Decision], None],
    *names: Stream[Total],
    key: str | None = None,
    contents: str = "",
    bodies: tuple[Body, ...] = (),
) -> Command:
    return Command(
        decide,
        by="toy",
        at=NOON,
        key=None if key is None else request_key(key),
        contents=fingerprint(contents.encode()) if contents else "",
        names=names,
        bodies=bodies,
    )


def add(name: str, amount: int = 1, *, key: str | None = None, named: bool = True) -> Command:
    stream = counter(name)

    def decide(decision: Decision) -> None:
        decision.record(stream, Added(amount=amount))

    return command(decide, *[stream] * named, key=key, contents=f"add {name} {amount}")


def take(name: str, amount: int = 1, *, key: str | None = None, named: bool = True) -> Command:
    stream = counter(name)

    def decide(decision: Decision) -> None:
        if decision.get(stream).total < amount:
            raise InsufficientFunds(f"{name} holds less than {amount}")
        decision.record(stream, Taken(amount=amount))

    return command(decide, *[stream] * named, key=key, contents=f"take {name} {amount}")


def move(source: str, target: str, amount: int, *, key: str | None = None) -> Command:
    sides = counter(source), counter(target)

    def decide(decision: Decision) -> None:
        if decision.get(sides[0]).total < amount:
            raise InsufficientFunds(f"{source} holds less than {amount}")
        decision.record(sides[0], Taken(amount=amount))
        decision.record(sides[1], Added(amount=amount))

    return command(decide, *sides, key=key, contents=f"move {source} {target} {amount}")
