"""The log and the snapshots behind the event store library's own interfaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.postgres import (
    PostgresAggregateRecorder,
    PostgresApplicationRecorder,
    PostgresDatastore,
)
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Composed, Identifier

from ledger.store.chain import Link, Row, digest, micros
from ledger.store.limits import LOCK_TIMEOUT_MS, READERS_MAX
from ledger.store.rows import COPY_HEADER, COPY_IN, COPY_TRAILER, pack
from ledger.store.session import BY_INDEX, KEEPALIVE, LOCK, NOTIFY
from ledger.store.tables import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from psycopg import Connection, Cursor

    from ledger.store.dial import Dsn
    from ledger.store.tables import Log

HEAD: Final = "SELECT position, digest, recorded_at FROM {log} ORDER BY position DESC LIMIT 1"
INSERT_SNAPSHOT: Final = (
    "INSERT INTO book.snapshot (stream, version, name, state) VALUES (%s, %s, %s, %s)"
)


@dataclass(frozen=True)
class LoggedEvent(Notification):
    """A row of the log as the library wants it, with our time of it."""

    recorded_at: datetime


class LogDatastore(PostgresDatastore):
    """The reading connections: a small pool on a connection string, each checked before use."""

    def __init__(self, dsn: Dsn) -> None:
        super().__init__(
            dbname="",
            host="",
            port="",
            user="",
            password="",
            schema=SCHEMA,
            pool_size=1,
            max_overflow=READERS_MAX - 1,
            pre_ping=True,
        )
        # The library wants the parts of the address, and would lose the rest of the string.
        self.pool.conninfo = dsn
        self.pool.kwargs = {"row_factory": dict_row, **KEEPALIVE}

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """Return what prepares a new connection."""

        def after_connect(connection: Connection[Any]) -> None:
            connection.autocommit = True
            connection.execute(BY_INDEX)

        return after_connect

    def register_type_adapters(self) -> None:
        """Register nothing: no statement of ours uses the library's composite types."""


class LogRecorder(PostgresApplicationRecorder):
    """Reads the log; appends to it for whoever has stored events and no commands."""

    def __init__(
        self, datastore: LogDatastore, log: Log, beginning: Link, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(datastore, events_table_name=log.name)
        self.channel_name = log.channel
        self.sql_create_statements.clear()  # the tables are made by migrations alone
        self.max_notification_id_statement = SQL("SELECT max(position) FROM {}").format(
            Identifier(SCHEMA, log.name)
        )
        self._table = Identifier(SCHEMA, log.name)
        self._head, self._lock, self._notify = log.sql(HEAD), log.sql(LOCK), log.sql(NOTIFY)
        self._copy_in = log.sql(COPY_IN)
        self._beginning = beginning
        self._clock = clock

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Append in one transaction, chained. Never retried: a lost answer is no conflict."""
        if not stored_events:
            return None
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(SQL("SET LOCAL lock_timeout = {}").format(LOCK_TIMEOUT_MS))
            cursor.execute(self._lock)
            rows = self._chained(self._newest(cursor), stored_events)
            with cursor.copy(self._copy_in) as copy:
                copy.write(COPY_HEADER + pack(rows) + COPY_TRAILER)
            cursor.execute(self._notify, (str(rows[-1].position),))
        return [row.position for row in rows]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[LoggedEvent]:
        """Return a stream's events."""
        query = _select_stream(self._table, gt, lte, limit, desc=desc)
        params = {"stream": originator_id, "gt": gt, "lte": lte, "limit": limit}
        with self.datastore.get_connection() as connection:
            return [_logged(row) for row in connection.execute(query, params)]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[LoggedEvent]:
        """Return events in position order."""
        query = SQL(
            "SELECT * FROM {table} WHERE position >= %(first)s AND position <= %(stop)s"
            " {named} ORDER BY position LIMIT %(limit)s"
        ).format(table=self._table, named=SQL("AND name = ANY(%(topics)s)") if topics else SQL(""))
        first = 0 if start is None else start + (not inclusive_of_start)
        params = {
            "first": first,
            "stop": _LAST if stop is None else stop,
            "topics": list(topics),
            "limit": limit,
        }
        with self.datastore.get_connection() as connection:
            return [_logged(row) for row in connection.execute(query, params)]

    def _newest(self, cursor: Cursor[DictRow]) -> Link:
        row = cursor.execute(self._head).fetchone()
        if row is None:
            return self._beginning
        return Link(row["position"], row["digest"], micros(row["recorded_at"]))

    def _chained(self, link: Link, stored_events: Sequence[StoredEvent]) -> list[Row]:
        us = max(micros(self._clock()), link.recorded_us)
        rows = []
        for event in stored_events:
            stream, version, name, state = _parts(event)
            position = link.position + 1
            seal = digest(link.digest, position, stream.bytes, version, us, name.encode(), state)
            rows.append(Row(position, stream, version, name, state, us, None, seal))
            link = Link(position, seal, us)
        return rows


class SnapshotRecorder(PostgresAggregateRecorder):
    """The snapshots as a sequence of their own."""

    def __init__(self, datastore: LogDatastore) -> None:
        super().__init__(datastore, events_table_name="snapshot")
        self.sql_create_statements.clear()
        self._table = Identifier(SCHEMA, "snapshot")

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Keep snapshots, all or none."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.executemany(INSERT_SNAPSHOT, [_parts(event) for event in stored_events])
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return a stream's snapshots."""
        query = _select_stream(self._table, gt, lte, limit, desc=desc)
        params = {"stream": originator_id, "gt": gt, "lte": lte, "limit": limit}
        with self.datastore.get_connection() as connection:
            return [
                StoredEvent(row["stream"], row["version"], row["name"], row["state"])
                for row in connection.execute(query, params)
            ]


_LAST: Final = 2**63 - 1


def _select_stream(
    table: Identifier, gt: int | None, lte: int | None, limit: int | None, *, desc: bool
) -> Composed:
    parts = [SQL("SELECT * FROM {} WHERE stream = %(stream)s").format(table)]
    if gt is not None:
        parts.append(SQL("AND version > %(gt)s").format())
    if lte is not None:
        parts.append(SQL("AND version <= %(lte)s").format())
    parts.append(SQL("ORDER BY version DESC" if desc else "ORDER BY version").format())
    if limit is not None:
        parts.append(SQL("LIMIT %(limit)s").format())
    return SQL(" ").join(parts)


def _parts(event: StoredEvent) -> tuple[UUID, int, str, bytes]:
    assert not isinstance(event.originator_id, str), "streams are named by UUIDs"
    return event.originator_id, event.originator_version, event.topic, event.state


def _logged(row: DictRow) -> LoggedEvent:
    return LoggedEvent(
        originator_id=row["stream"],
        originator_version=row["version"],
        topic=row["name"],
        state=bytes(row["state"]),
        id=row["position"],
        recorded_at=row["recorded_at"],
    )
