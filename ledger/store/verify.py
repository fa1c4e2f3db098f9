"""Does the log hold? Chain, positions, versions, keys, forms, and every entry balanced."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ledger.errors import LogUnreadable
from ledger.facts import BookOpened
from ledger.store.chain import Broken, Link, digest
from ledger.store.scan import as_stored
from ledger.store.snapshots import decode_state, snapshot_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ledger.decision import Event, Fact, Kind
    from ledger.store.chain import Row
    from ledger.store.codec import Envelope, Vocabulary
    from ledger.store.scan import Stored
    from ledger.store.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Problem:
    """The first row that does not hold."""

    position: int
    words: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was verified: up to `position`, whose digest is `digest` (hex)."""

    position: int
    digest: str
    streams: int
    problem: Problem | None = None

    @property
    def ok(self) -> bool:
        """Whether all of it holds."""
        return self.problem is None


class Verifier:
    """Takes the rows in position order. Decoding a fact checks that its entry balances."""

    def __init__(self, beginning: Link, entity: str, vocabulary: Vocabulary) -> None:
        self._position, self._digest, self._recorded_us = beginning
        self._versions: dict[bytes, int] = {}
        self._entity = entity
        self._decode = vocabulary.decode
        self._unkeyed_until = 0

    @property
    def link(self) -> Link:
        """The newest row that holds."""
        return Link(self._position, self._digest, self._recorded_us)

    @property
    def streams(self) -> int:
        """How many streams the rows that hold stand on."""
        return len(self._versions)

    def take(self, row: Stored) -> Envelope[Fact]:
        """Check one row against all before it, and return what it tells.

        Raises:
            Broken: the row does not hold.
        """
        position, stream, version, name, state, recorded_us, key, seal = row
        if position != self._position + 1:
            raise Broken(self._position + 1, f"missing: the next row is {position}")
        if recorded_us < self._recorded_us:
            raise Broken(position, "recorded before the row ahead of it")
        written = name.encode()
        if digest(self._digest, position, stream, version, recorded_us, written, state) != seal:
            raise Broken(position, "the digest does not cover what the row says")
        try:
            told = self._decode(name, state)
        except LogUnreadable as error:
            raise Broken(position, str(error)) from error
        if position == 1 or type(told.data) is BookOpened:
            self._check_opening(position, told)
        if key is not None or told.req:
            self._check_key(position, key, told)
        expected = self._versions.get(stream, 0) + 1
        if version != expected:
            words = f"version {version} of {UUID(bytes=stream)} is not {expected}"
            raise Broken(position, words)
        self._versions[stream] = expected
        self._position, self._digest, self._recorded_us = position, seal, recorded_us
        return told

    def _check_opening(self, position: int, told: Envelope[Any]) -> None:
        opens = isinstance(told.data, BookOpened)
        if opens != (position == 1):
            raise Broken(position, "position 1, and no other, opens the book")
        if opens and told.data.entity != self._entity:
            raise Broken(position, f"this is the book of {told.data.entity}")

    def _check_key(self, position: int, key: bytes | None, told: Envelope[Any]) -> None:
        stored = "" if key is None else key.hex()
        if told.req.partition(":")[0] != stored:
            raise Broken(position, "the request key is not the one in the fact")
        if key is not None:
            if position <= self._unkeyed_until:
                raise Broken(position, "a request begins inside another")
            self._unkeyed_until = position + told.n - 1


def verify(
    rows: Iterable[Row],
    beginning: Link,
    entity: str,
    vocabulary: Vocabulary,
    tell: Callable[[int], None] | None = None,
) -> Report:
    """Verify a log from its beginning. `tell` hears every position that held."""
    verifier = Verifier(beginning, entity, vocabulary)
    problem = None
    try:
        for row in rows:
            verifier.take(as_stored(row))
            if tell is not None:
                tell(row.position)
    except Broken as broken:
        problem = Problem(broken.position, broken.words)
    link = verifier.link
    return Report(link.position, link.digest.hex(), verifier.streams, problem)


def wrong_snapshots(
    kinds: Iterable[Kind[Any]],
    snapshots: Iterable[Snapshot],
    history: Callable[[UUID], list[Event]],
) -> list[tuple[UUID, int]]:
    """Name the snapshots (stream, version) that are not what the stream's facts amount to.

    Args:
        kinds: the kinds to check; snapshots of others, and of former forms, are passed over.
        snapshots: ordered by stream and version.
        history: reads the events of a stream.
    """
    named = {snapshot_name(kind): kind for kind in kinds}
    wrong = []
    for stream, of_stream in groupby(snapshots, key=itemgetter(0)):
        ours = [kept for kept in of_stream if kept.name in named]
        facts = [event.fact for event in history(stream)] if ours else []
        for kept in ours:
            kind = named[kept.name]
            state = reduce(kind.evolve, facts[: kept.version], kind.blank)
            if decode_state(kind, kept.version, kept.state).state != state:
                wrong.append((stream, kept.version))
    return wrong
