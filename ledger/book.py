"""The Book: submit a command, get its events; read what stands in the log.

One log, one writer at a time. Decisions are strictly serializable; a request key gives the same
answer for ever; a refused or failing command harms no other. How: `ledger/store/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.utils import Environment

from ledger.store.appender import Appender
from ledger.store.bulk import Bulk
from ledger.store.chain import genesis
from ledger.store.checks import check
from ledger.store.codec import Vocabulary
from ledger.store.committer import Committer
from ledger.store.desk import Desk
from ledger.store.infrastructure import FactMapper, StoreFactory
from ledger.store.limits import QUEUE_MAX
from ledger.store.loading import Loader
from ledger.store.opening import check_opening, opening
from ledger.store.reader import Reader
from ledger.store.session import Session
from ledger.store.states import States
from ledger.store.tables import LOGS
from ledger.store.verify import verify, wrong_snapshots
from ledger.store.watch import Head, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    import msgspec
    from eventsourcing.persistence import InfrastructureFactory
    from eventsourcing.utils import EnvType

    from ledger.decision import Body, Command, Event, Kind, Receipt, Stream
    from ledger.ids import EntityId
    from ledger.store.dial import Dsn
    from ledger.store.verify import Report

__all__ = ["AnyBook", "Book", "Vocabulary"]

S = TypeVar("S", bound="msgspec.Struct")


class AnyBook(Protocol):
    """What every book can do: `Book` on PostgreSQL, `ledger.store.memory.MemoryBook` on a list."""

    entity: EntityId

    def submit(self, command: Command) -> Receipt:
        """Decide a command and record what it decides; blocks until it is durable.

        Raises:
            Refusal: the command was judged and nothing was recorded.
            KeyReused: its key came first with other contents.
            Busy: too many wait, or the database cannot be reached; nothing was recorded.
            OutcomeUnknown: the connection went during the commit and did not come back.
            LogUnreadable: the log holds what this program does not know; it appends no more.
        """
        ...

    async def asubmit(self, command: Command) -> Receipt:
        """Like `submit`, for an event loop. Who leaves early does not take the command back."""
        ...

    def state(self, stream: Stream[S]) -> S:
        """Return the state of a stream as committed now."""
        ...

    def history(self, stream: Stream[Any]) -> list[Event]:
        """Return all events of a stream, in order."""
        ...

    def events_after(self, position: int, limit: int, *, stop: int | None = None) -> list[Event]:
        """Return events after a position, in order, up to and including `stop`."""
        ...

    def event(self, position: int) -> Event | None:
        """Return the event at a position."""
        ...

    def events_of_request(self, key: bytes) -> list[Event]:
        """Return the events of a request; none where the log does not hold it."""
        ...

    def head(self) -> int:
        """Return the newest position."""
        ...

    def wait(self, position: int, timeout_s: float) -> int:
        """Wait until the head is at the position or beyond, at most so long; return the head."""
        ...

    def body(self, body_id: UUID) -> Body | None:
        """Return a raw message, sealed as it was kept."""
        ...

    def verify(self, tell: Callable[[int], None] | None = None) -> Report:
        """Verify the log from its beginning; `tell` hears every position that holds."""
        ...

    def close(self) -> None:
        """Serve who waits, then stop."""
        ...


class Book(Application[UUID]):
    """The book of one legal entity on PostgreSQL. Open it with `Book.open`."""

    name = "book"

    def __init__(
        self,
        dsn: Dsn,
        entity: EntityId,
        vocabulary: Vocabulary,
        *,
        clock: Callable[[], datetime],
        log: str,
        queue_max: int,
    ) -> None:
        self.entity = entity
        self._dsn, self._clock = dsn, clock
        self._log, self._vocabulary = LOGS[log], vocabulary
        self._beginning = genesis(log, entity)
        self._store = StoreFactory(dsn, self._log, self._beginning, clock)
        super().__init__()
        self._reader = Reader(self._store.datastore, self._log, vocabulary)
        self._states = States()
        self._desk = Desk(queue_max)
        self._head = Head()
        self._watch = Watch(dsn, self._log, self._head)
        session = Session(dsn, self._log)
        appender = Appender(
            session,
            Loader(self._log, vocabulary),
            vocabulary,
            self._states,
            self._beginning,
            self._head,
            clock,
        )
        self._committer = Committer(self._desk, session, appender)

    @classmethod
    def open(
        cls,
        dsn: Dsn,
        entity: EntityId,
        vocabulary: Vocabulary,
        *,
        clock: Callable[[], datetime],
        log: str = "log",
        queue_max: int = QUEUE_MAX,
    ) -> Book:
        """Open the entity's book; the first to do so writes position 1.

        Args:
            dsn: where the database is, as the role `book_writer`; may give the password of now.
            entity: the legal entity whose book it is.
            vocabulary: the facts that this program knows; `BookOpened` among them.
            clock: our time, timezone-aware.
            log: `log`, or `access` for the record of who read or changed what.
            queue_max: commands that may wait; one more is refused with `Busy`.

        Raises:
            psycopg.OperationalError: the database cannot be reached.
            LogUnreadable: the log is another entity's, or none.
        """
        session = Session(dsn, LOGS[log])
        try:
            first = session.rows_at([1])
        finally:
            session.close()
        book = cls(dsn, entity, vocabulary, clock=clock, log=log, queue_max=queue_max)
        try:
            book._committer.start()
            if not first:
                book.submit(opening(entity, clock()))
                first = book._reader.first()
            check_opening(first[0] if first else None, entity, vocabulary)
        except BaseException:
            book.close()
            raise
        return book

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Return an empty environment: what the book needs comes in as arguments."""
        return Environment(name, env)

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:  # noqa: ARG002
        """Return the factory of our recorders."""
        return self._store

    def construct_mapper(self) -> FactMapper:
        """Return a mapper by our stored names."""
        return FactMapper(self._vocabulary)

    def submit(self, command: Command) -> Receipt:
        """Decide a command and record what it decides; blocks until it is durable."""
        check(command)
        return self._desk.submit(command)

    async def asubmit(self, command: Command) -> Receipt:
        """Like `submit`, for an event loop."""
        check(command)
        return await self._desk.queue(command)

    def bulk(self) -> Bulk:
        """Open another way in, for very many commands at a time; it is the caller's to close."""
        return Bulk(
            Session(self._dsn, self._log),
            Loader(self._log, self._vocabulary),
            self._vocabulary,
            self._beginning,
            self._head,
            self._clock,
        )

    def state(self, stream: Stream[S]) -> S:
        """Return the state of a stream as committed now."""
        return cast("S", self._reader.load(stream, self._states.peek(stream.id)).state)

    def history(self, stream: Stream[Any]) -> list[Event]:
        """Return all events of a stream, in order."""
        return self._reader.history(stream.id)

    def events_after(self, position: int, limit: int, *, stop: int | None = None) -> list[Event]:
        """Return events after a position, in order, up to and including `stop`."""
        return self._reader.after(position, limit, stop)

    def event(self, position: int) -> Event | None:
        """Return the event at a position."""
        found = self._reader.after(position - 1, 1, position)
        return found[0] if found else None

    def events_of_request(self, key: bytes) -> list[Event]:
        """Return the events of a request; none where the log does not hold it."""
        return self._reader.of_request(key)

    @property
    def ailing(self) -> bool:
        """Whether the database would not take an append just now, or lets one wait for long."""
        return self._committer.ailing

    def head(self) -> int:
        """Return the newest position, whoever wrote it."""
        return self._reader.head()

    def wait(self, position: int, timeout_s: float) -> int:
        """Wait until the head is at the position or beyond, at most so long; return the head."""
        self._watch.start()
        return self._head.wait(position, timeout_s)

    def body(self, body_id: UUID) -> Body | None:
        """Return a raw message, sealed as it was kept."""
        return self._reader.body(body_id)

    def verify(self, tell: Callable[[int], None] | None = None) -> Report:
        """Verify the log from its beginning; `tell` hears every position that holds."""
        rows = self._reader.rows()
        return verify(rows, self._beginning, self.entity, self._vocabulary, tell)

    def wrong_snapshots(self, kinds: Iterable[Kind[Any]]) -> list[tuple[UUID, int]]:
        """Fold long streams again; name the snapshots (stream, version) that differ."""
        return wrong_snapshots(kinds, self._reader.snapshots(), self._reader.history)

    def close(self) -> None:
        """Serve who waits, then stop."""
        self._committer.close()
        self._watch.close()
        super().close()
