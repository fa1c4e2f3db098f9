"""Reads of the committed log, from any thread."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from uuid import UUID

from eventsourcing.persistence import InterfaceError, OperationalError
from eventsourcing.utils import retry
from psycopg.rows import tuple_row

from ledger.decision import Body
from ledger.errors import LogUnreachable
from ledger.store.limits import PAGE
from ledger.store.loading import Loader
from ledger.store.rows import event_of, row_of
from ledger.store.snapshots import Snapshot
from ledger.store.states import Known
from ledger.store.watch import HEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from eventsourcing.postgres import PostgresDatastore

    from ledger.decision import Event, Stream
    from ledger.store.chain import Row
    from ledger.store.codec import Vocabulary
    from ledger.store.tables import Log

AFTER: Final = (
    "SELECT {columns} FROM {log} WHERE position > %s AND position <= %s ORDER BY position LIMIT %s"
)
OF_REQUEST: Final = "SELECT {columns} FROM {log} WHERE request_key = %s"
OF_STREAM: Final = "SELECT {columns} FROM {log} WHERE stream = %s AND version > %s ORDER BY version"
BODY: Final = """
SELECT id, source, sealed, sha256, received_at FROM book.inbox
WHERE id = %s ORDER BY received_at LIMIT 1
"""
SNAPSHOTS: Final = """
SELECT stream, version, name, state FROM book.snapshot
WHERE (stream, version) > (%s, %s) ORDER BY stream, version LIMIT %s
"""
LAST: Final = 2**63 - 1
_GONE: Final = (InterfaceError, OperationalError)

F = TypeVar("F", bound="Callable[..., Any]")


def _again(read: F) -> F:
    """Read again where a connection went: reads change nothing."""
    patient = retry(_GONE, max_attempts=3, wait=0.1)(read)

    @wraps(read)
    def told(*args: Any) -> Any:
        try:
            return patient(*args)
        except _GONE as error:
            raise LogUnreachable("the database does not answer") from error

    return cast("F", told)


class Reader:
    """Every call sees what is committed when it runs."""

    def __init__(self, datastore: PostgresDatastore, log: Log, vocabulary: Vocabulary) -> None:
        self._datastore = datastore
        self._vocabulary = vocabulary
        self._loader = Loader(log, vocabulary)
        self._after, self._of_stream = log.sql(AFTER), log.sql(OF_STREAM)
        self._of_request, self._head = log.sql(OF_REQUEST), log.sql(HEAD)

    def load(self, stream: Stream[Any], known: Known | None) -> Known:
        """Return the stream's state now; `known` is an earlier one, to go on from."""
        if known is None or known.kind is not stream.kind:
            return self._load(stream)
        for row in self._rows(self._of_stream, (stream.id, known.version)):
            known = known.then(event_of(row, self._vocabulary).fact)
        return known

    def history(self, stream: UUID) -> list[Event]:
        """Return all events of a stream."""
        return self._events(self._of_stream, (stream, 0))

    def after(self, position: int, limit: int, stop: int | None = None) -> list[Event]:
        """Return events in position order, `stop` included."""
        return self._events(self._after, (position, LAST if stop is None else stop, limit))

    def of_request(self, key: bytes) -> list[Event]:
        """Return the events of a request; none where the log does not hold it."""
        rows = self._rows(self._of_request, (UUID(bytes=key),))
        if not rows:
            return []
        count = self._vocabulary.decode(rows[0].name, rows[0].state).n
        return self.after(rows[0].position - 1, count)

    def first(self) -> list[Row]:
        """Return the row at position 1, if any."""
        return self._rows(self._after, (0, 1, 1))

    def rows(self, position: int = 0) -> Iterator[Row]:
        """Walk through the log after a position, a page at a time."""
        while page := self._rows(self._after, (position, LAST, PAGE)):
            yield from page
            position = page[-1].position

    def snapshots(self) -> Iterator[Snapshot]:
        """Walk through the snapshots by stream and version, a page at a time."""
        at = UUID(int=0), 0
        while page := self._snapshots(*at):
            yield from page
            at = page[-1].stream, page[-1].version

    @_again
    def head(self) -> int:
        """Return the newest position, 0 where there is none."""
        with self._datastore.get_connection() as connection:
            cursor = connection.cursor(row_factory=tuple_row)
            row = cursor.execute(self._head).fetchone()
        assert row is not None
        return int(row[0])

    @_again
    def body(self, body_id: UUID) -> Body | None:
        """Return a raw message, as it was kept."""
        with self._datastore.get_connection() as connection:
            cursor = connection.cursor(binary=True, row_factory=tuple_row)
            row = cursor.execute(BODY, (body_id,)).fetchone()
        return None if row is None else Body(*row)

    def _events(self, query: bytes, params: Sequence[Any]) -> list[Event]:
        return [event_of(row, self._vocabulary) for row in self._rows(query, params)]

    @_again
    def _rows(self, query: bytes, params: Sequence[Any]) -> list[Row]:
        with self._datastore.get_connection() as connection:
            cursor = connection.cursor(binary=True, row_factory=tuple_row)
            return [row_of(fields) for fields in cursor.execute(query, params)]

    @_again
    def _snapshots(self, stream: UUID, version: int) -> list[Snapshot]:
        with self._datastore.get_connection() as connection:
            cursor = connection.cursor(binary=True, row_factory=tuple_row)
            cursor.execute(SNAPSHOTS, (stream, version, PAGE))
            return [Snapshot(*fields) for fields in cursor]

    @_again
    def _load(self, stream: Stream[Any]) -> Known:
        with self._datastore.get_connection() as connection:
            return self._loader.load(connection, [stream])[stream.id]
