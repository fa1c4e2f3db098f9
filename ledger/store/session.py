"""The one connection that appends: lock, look, write, commit. Its state tells what became of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql

from ledger.store.dial import dial
from ledger.store.limits import (
    CATCH_UP_MAX,
    IDLE_IN_TRANSACTION_MS,
    LOCK_TIMEOUT_MS,
    STATEMENT_TIMEOUT_MS,
)
from ledger.store.rows import COPY_HEADER, COPY_IN, COPY_TRAILER, pack, row_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ledger.decision import Body
    from ledger.store.chain import Link, Row
    from ledger.store.dial import Dsn
    from ledger.store.snapshots import Snapshot
    from ledger.store.tables import Log

LOCK: Final = "SELECT pg_advisory_xact_lock({lock})"
BEGIN: Final = "BEGIN; SELECT pg_advisory_xact_lock({lock})"
BEGIN_AND_LOOK: Final = """
BEGIN;
SELECT pg_advisory_xact_lock({lock});
SELECT {columns} FROM {log} WHERE position >= %d ORDER BY position LIMIT %d;
SELECT {columns} FROM {log} WHERE request_key = ANY ('{{%b}}')
"""
"""One message, one round trip; each statement in it sees what was committed before it began."""
NEWEST: Final = "SELECT {columns} FROM {log} ORDER BY position DESC LIMIT 1"
AT: Final = "SELECT {columns} FROM {log} WHERE position = ANY(%s)"
NOTIFY: Final = "SELECT pg_notify({channel}, %s)"
KEEP_BODIES: Final = """
INSERT INTO book.inbox (id, source, sealed, sha256, received_at)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::text[], %s::timestamptz[])
ON CONFLICT DO NOTHING
"""
"""The same body comes with every delivery of the same message: the first one stays."""
KEEP_SNAPSHOTS: Final = """
INSERT INTO book.snapshot (stream, version, name, state)
SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::bytea[])
ON CONFLICT DO NOTHING
"""
BY_INDEX: Final = """
SET TimeZone = 'UTC';
SET default_transaction_isolation = 'read committed';
SET work_mem = '32MB';
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off
"""
"""Few rows are wanted of large tables, and statistics may be of yesterday: always by index."""
PATIENCE: Final = sql.SQL("""
SET idle_in_transaction_session_timeout = {idle};
SET lock_timeout = {lock};
SET statement_timeout = {statement};
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 2;
SET tcp_keepalives_count = 3;
SET tcp_user_timeout = 10000
""").format(idle=IDLE_IN_TRANSACTION_MS, lock=LOCK_TIMEOUT_MS, statement=STATEMENT_TIMEOUT_MS)
"""The server's side of `KEEPALIVE`: a writer that was cut off in a COPY, for which no other timeout
counts, would keep the lock for hours."""
SETTLE: Final = "SELECT pg_logical_emit_message(true, 'counterfoil', '')"
"""Leaves no row, and commits only when all that stands here is as safe as any commit.

A server that died or was told to give up before its synchronous standby had a commit shows it all
the same; nobody may answer from it while a failover could still lose it."""
UNSEAT: Final = """
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity AS holder USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = 0 AND objid = {lock}
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND wait_event_type = 'Client' AND state = 'active'
    AND query_start < clock_timestamp() - make_interval(secs => %s)
"""
"""Ends a writer that fell silent in its COPY, as a process that is stopped does: its host answers
for it, so no connection breaks. What is on its way to the disk or to a standby is left alone."""
KEEPALIVE: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A peer that fell silent is gone within seconds."""


class Seen(NamedTuple):
    """What stands in the log when the lock is ours: the rows from the known head on, and keys."""

    since: list[Row]
    keyed: list[Row]


class Session:
    """Every method but `roll_back` may raise `psycopg.Error`; `roll_back` tells if it lives."""

    def __init__(self, dsn: Dsn, log: Log) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection[Any] | None = None
        self._begin, self._notify = log.sql(BEGIN), log.sql(NOTIFY)
        self._begin_and_look = log.sql(BEGIN_AND_LOOK)
        self._newest, self._at = log.sql(NEWEST), log.sql(AT)
        self._copy_in, self._unseat = log.sql(COPY_IN), log.sql(UNSEAT)

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection; opened when there is none.

        Raises:
            psycopg.OperationalError: the database cannot be reached.
        """
        if self._connection is None:
            connection = dial(self._dsn, **KEEPALIVE)
            connection.execute(BY_INDEX)
            connection.execute(PATIENCE)
            connection.execute(SETTLE)
            self._connection = connection
        return self._connection

    def roll_back(self) -> bool:
        """Leave the transaction, if any. False: the connection is gone, and was closed."""
        connection = self._connection
        if connection is None:
            return False
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()
            return False
        return True

    def newest(self) -> Row | None:
        """Return the newest row of the log."""
        with self.connection.cursor(binary=True) as cursor:
            fields = cursor.execute(self._newest).fetchone()
        return None if fields is None else row_of(fields)

    def begin(self, head: Link, keys: Sequence[bytes]) -> Seen:
        """Take the lock, then look: the rows from our head on, and the known keys.

        Never in a pipeline: behind one, the server does not notice a writer that fell asleep on
        the lock (`idle_in_transaction_session_timeout` is not armed).
        """
        wanted = b",".join([key.hex().encode() for key in keys])
        look = self._begin_and_look % (max(head.position, 1), CATCH_UP_MAX + 2, wanted)
        with self._unseating(), self.connection.execute(look) as cursor:
            cursor.nextset()  # past what BEGIN answers
            cursor.nextset()  # past the lock
            since = [row_of(fields) for fields in cursor]
            cursor.nextset()
            return Seen(since, [row_of(fields) for fields in cursor])

    def rows_at(self, positions: Sequence[int]) -> list[Row]:
        """Return the rows at these positions, in any order."""
        with self.connection.cursor(binary=True) as cursor:
            cursor.execute(self._at, (list(positions),))
            return [row_of(fields) for fields in cursor]

    def stands(self, row: Row) -> bool:
        """Tell whether this very row is in the log. Waits for whoever is still committing it."""
        connection = self.connection
        with self._unseating():
            connection.execute(self._begin)
        found = self.rows_at([row.position])
        connection.execute("ROLLBACK")
        return bool(found) and found[0].digest == row.digest

    def copy_in(self, chunks: Iterator[list[Row]]) -> None:
        """Write rows as they come. The server works on one chunk while the next is decided."""
        first = next(chunks, None)
        if first is None:
            return
        with self.connection.cursor() as cursor, cursor.copy(self._copy_in) as copy:
            copy.write(COPY_HEADER + pack(first))
            for rows in chunks:
                copy.write(pack(rows))
            copy.write(COPY_TRAILER)

    def commit(self, bodies: Sequence[Body]) -> None:
        """Keep the bodies and commit."""
        connection = self.connection
        with connection.pipeline():
            if bodies:
                fields = [(b.id, b.source, b.sealed, b.sha256, b.received_at) for b in bodies]
                connection.execute(
                    KEEP_BODIES, [list(column) for column in zip(*fields, strict=True)]
                )
            done = connection.execute("COMMIT", prepare=False)
        assert done.statusmessage == "COMMIT", done.statusmessage

    def tell(self, position: int) -> None:
        """Tell the followers of others, in a transaction that writes nothing.

        In the append it would cost all logs of the database their shared fsync: the server lets
        those who notify commit one after the other.
        """
        self.connection.execute(self._notify, (str(position),))

    def keep_snapshots(self, snapshots: Sequence[Snapshot]) -> None:
        """Keep folded states. Nobody waits for the disk: what a crash takes is folded again."""
        connection = self.connection
        with connection.pipeline(), connection.transaction():
            connection.execute("SET LOCAL synchronous_commit = off")
            connection.execute(KEEP_SNAPSHOTS, [list(c) for c in zip(*snapshots, strict=True)])

    @contextlib.contextmanager
    def _unseating(self) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.LockNotAvailable:
            self.connection.execute("ROLLBACK")
            self.connection.execute(self._unseat, (IDLE_IN_TRANSACTION_MS // 1000,))
            raise

    def close(self) -> None:
        """Close the connection. The next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
