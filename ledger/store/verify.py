"""Does the log hold? Chain, positions, versions, keys, forms, and every entry balanced."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ledger.errors import LogUnreadable
from ledger.facts import BookOpened
from ledger.store.chain import Broken, Link, follow
from ledger.store.snapshots import decode_state, snapshot_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from ledger.decision import Event, Kind
    from ledger.store.chain import Row
    from ledger.store.codec import Envelope, Vocabulary
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
        self.link = beginning
        self.versions: dict[UUID, int] = {}
        self._entity = entity
        self._vocabulary = vocabulary
        self._unkeyed_until = 0

    def take(self, row: Row) -> None:
        """Check one row against all before it.

        Raises:
            Broken: the row does not hold.
        """
        link = follow(self.link, row)
        try:
            told = self._vocabulary.decode(row.name, row.state)
        except LogUnreadable as error:
            raise Broken(row.position, str(error)) from error
        self._check_opening(row, told)
        self._check_key(row, told)
        expected = self.versions.get(row.stream, 0) + 1
        if row.version != expected:
            raise Broken(row.position, f"version {row.version} of {row.stream} is not {expected}")
        self.versions[row.stream] = expected
        self.link = link

    def _check_opening(self, row: Row, told: Envelope[Any]) -> None:
        opens = isinstance(told.data, BookOpened)
        if opens != (row.position == 1):
            raise Broken(row.position, "position 1, and no other, opens the book")
        if opens and told.data.entity != self._entity:
            raise Broken(row.position, f"this is the book of {told.data.entity}")

    def _check_key(self, row: Row, told: Envelope[Any]) -> None:
        stored = "" if row.key is None else row.key.hex()
        if told.req.partition(":")[0] != stored:
            raise Broken(row.position, "the request key is not the one in the fact")
        if row.key is not None:
            if row.position <= self._unkeyed_until:
                raise Broken(row.position, "a request begins inside another")
            self._unkeyed_until = row.position + told.n - 1


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
            verifier.take(row)
            if tell is not None:
                tell(row.position)
    except Broken as broken:
        problem = Problem(broken.position, broken.words)
    link = verifier.link
    return Report(link.position, link.digest.hex(), len(verifier.versions), problem)


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
