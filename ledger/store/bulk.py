"""Very many commands in one append: all of them, or none.

The rules are those of single commands, because the same round decides them. What differs: nobody
waits in the queue, an append is as large as a chunk, and one refusal refuses the whole batch. What
is decided is sent while the next is being decided, so the server works at the same time.
"""

from __future__ import annotations

import contextlib
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

from ledger.decision import Stream
from ledger.errors import Busy, InvalidInput, KeyReused, LogUnreadable, OutcomeUnknown, Refusal
from ledger.store.chain import Link, follow, micros
from ledger.store.checks import check
from ledger.store.limits import CATCH_UP_MAX, RETRY_AFTER_S
from ledger.store.overlay import Cold
from ledger.store.round import Round
from ledger.store.rows import event_of
from ledger.store.snapshots import is_due, snapshot_of
from ledger.store.states import States

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from ledger.decision import Command
    from ledger.store.chain import Row
    from ledger.store.codec import Vocabulary
    from ledger.store.loading import Loader
    from ledger.store.session import Seen, Session
    from ledger.store.states import Known
    from ledger.store.watch import Head

BULK_MAX: Final = 5_000
"""Commands of one batch. Whoever else wants to append waits a fifth of a second behind it."""
SENT_TOGETHER: Final = 250
"""Commands whose rows are sent together."""


class Appended(NamedTuple):
    """What became of a chunk: `recorded` commands are new, `replayed` ones stood there before."""

    position: int
    recorded: int
    replayed: int


class CommandRefused(Exception):
    """The command at `index` was refused, and the chunk with it: nothing of it is recorded."""

    def __init__(self, index: int, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.index = index
        self.refusal = refusal


class Bulk:
    """Appends chunks over a connection of its own, beside whoever else appends. One thread."""

    def __init__(
        self,
        session: Session,
        loader: Loader,
        vocabulary: Vocabulary,
        beginning: Link,
        watched: Head,
        clock: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._loader = loader
        self._vocabulary = vocabulary
        self._beginning = beginning
        self._watched = watched
        self._clock = clock
        self._states = States()
        self._head: Link | None = None

    def append(self, commands: Sequence[Command]) -> Appended:
        """Decide and record all of these; blocks until they are durable.

        A chunk may be sent again at any time: keyed commands that stand in the log stay as they
        are. Each command names every stream that it meets.

        Raises:
            CommandRefused: one of them was refused, so none is recorded.
            Busy: another writer did not give the lock back in time; nothing is recorded.
            OutcomeUnknown: the connection went; send the same chunk again.
            LogUnreadable: the log holds what this program does not know.
        """
        assert 0 < len(commands) <= BULK_MAX, f"a chunk of {len(commands)} commands"
        _check(commands)
        try:
            return self._append(commands)
        except psycopg.Error as error:
            self._forget()
            if not self._session.roll_back():
                raise OutcomeUnknown("the connection went: send the same again") from error
            if isinstance(error, psycopg.errors.LockNotAvailable):
                detail = "another writer keeps the book"
                raise Busy(detail, retry_after_s=RETRY_AFTER_S) from error
            raise
        except BaseException:
            self._session.roll_back()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _append(self, commands: Sequence[Command]) -> Appended:
        seen = self._begin(commands)
        assert self._head is not None
        answers = {row.key or b"": (event_of(row, self._vocabulary),) for row in seen.keyed}
        now_us = micros(self._clock())
        batch = Round(self._head, now_us, self._vocabulary, self._states, answers, remembers=False)
        replayed: list[int] = []
        self._session.copy_in(_decided(commands, batch, replayed))
        if batch.changed:
            self._session.commit(batch.bodies)
            self._believe(batch)
        else:
            self._session.roll_back()
        recorded = len(commands) - len(replayed)
        return Appended(batch.head.position, recorded, len(replayed))

    def _begin(self, commands: Sequence[Command]) -> Seen:
        """Load what is cold, take the lock, and take over what others appended meanwhile."""
        keys = [command.key for command in commands if command.key is not None]
        while True:
            if self._head is None:
                self._head = self._newest()
            self._warm(commands)
            seen = self._session.begin(self._head, keys)
            if len(seen.since) <= CATCH_UP_MAX:
                self._head = self._caught_up(self._head, seen.since)
                return seen
            self._session.roll_back()
            self._forget()

    def _newest(self) -> Link:
        row = self._session.newest()
        return Link(row.position, row.digest, row.recorded_us) if row else self._beginning

    def _warm(self, commands: Sequence[Command]) -> None:
        names = chain.from_iterable(command.names for command in commands)
        cold = {stream.id: stream for stream in names if self._states.peek(stream.id) is None}
        if cold:
            self._states.merge(self._loader.load(self._session.connection, cold.values()))

    def _caught_up(self, head: Link, since: list[Row]) -> Link:
        if head.position:
            if not since or since[0].digest != head.digest:
                raise LogUnreadable(f"position {head.position} is not what this program has seen")
            since = since[1:]
        stale: list[Stream[Any]] = []
        for row in since:
            head = follow(head, row)
            known = self._states.peek(row.stream)
            if known is not None and known.version < row.version:
                stale.append(Stream(known.kind, row.stream))
        if stale:
            self._states.merge(self._loader.load(self._session.connection, stale))
        return head

    def _believe(self, batch: Round) -> None:
        """The chunk is committed: go on from it, and tell who follows."""
        due = [
            snapshot_of(stream, known)
            for stream, known in batch.changed.items()
            if is_due(_version(self._states.peek(stream)), known.version)
        ]
        self._states.merge(batch.changed)
        self._states.trim()
        self._head = batch.head
        self._watched.advance(batch.head.position)
        with contextlib.suppress(psycopg.Error):  # costs followers a poll, loads a longer tail
            self._session.tell(batch.head.position)
            if due:
                self._session.keep_snapshots(due)

    def _forget(self) -> None:
        self._states.clear()
        self._head = None


def _check(commands: Sequence[Command]) -> None:
    for index, command in enumerate(commands):
        try:
            check(command)
        except InvalidInput as refusal:
            raise CommandRefused(index, refusal) from refusal


def _decided(commands: Sequence[Command], batch: Round, replayed: list[int]) -> Iterator[list[Row]]:
    asked: dict[bytes, str] = {}
    for index, command in enumerate(commands):
        try:
            again = _was_asked(asked, command)
            receipt = None if again else batch.decide(command)
        except Refusal as refusal:
            raise CommandRefused(index, refusal) from refusal
        except Cold as cold:
            raise AssertionError(f"command {index} meets what it does not name") from cold
        if receipt is None or receipt.replayed:
            replayed.append(index)
        elif receipt.events and command.key is not None:
            asked[command.key] = command.contents
        if len(batch.rows) >= SENT_TOGETHER:
            yield batch.take_rows()
    if batch.rows:
        yield batch.take_rows()


def _was_asked(asked: dict[bytes, str], command: Command) -> bool:
    """Tell whether this chunk recorded the request before; refuse its key with other contents."""
    contents = None if command.key is None else asked.get(command.key)
    if contents is not None and contents != command.contents:
        raise KeyReused("this idempotency key came first with another request")
    return contents is not None


def _version(known: Known | None) -> int:
    return 0 if known is None else known.version
