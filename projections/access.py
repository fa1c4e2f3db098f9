"""Who looked: an index of the access log by identity, by whose data and by time.

The index holds positions; what is shown are the records themselves. A client is found by their id
and by the ids of everything of theirs, so an attempt at one of their payments is found too.
"""

from __future__ import annotations

import logging
import re
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg
from psycopg.sql import SQL

from ledger.access import EVERYONE, AccessRecorded
from ledger.store.chain import Broken, moment
from ledger.store.dial import dial
from ledger.store.rows import row_of
from ledger.store.session import KEEPALIVE
from ledger.store.tables import LOGS
from projections.pages import LIMIT_MAX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from threading import Event as Flag
    from uuid import UUID

    from psycopg import Connection

    from ledger.store.chain import Row
    from ledger.store.codec import Envelope, Vocabulary
    from ledger.store.dial import Dsn

LOG: Final = logging.getLogger("counterfoil.access")
BATCH_MAX: Final = 5_000
"""Records that are folded and committed together."""
PAUSE_S: Final = 0.5
"""Between two looks: few ask, and they can wait; a burst is folded together."""
LOOK_S: Final = 0.05
TRACKED: Final = "read_access"

ACCESS: Final = LOGS["access"]
AFTER: Final = ACCESS.sql(
    "SELECT {columns} FROM {log} WHERE position > %s ORDER BY position LIMIT %s"
)
AT: Final = ACCESS.sql("SELECT {columns} FROM {log} WHERE position = ANY(%s) ORDER BY position")

BEGIN: Final = "INSERT INTO read.tracking VALUES (%s, 0) ON CONFLICT DO NOTHING"
POSITION: Final = """
SELECT notification_id FROM read.tracking WHERE application_name = %s FOR UPDATE
"""
INDEXED: Final = """
SELECT coalesce(max(notification_id), 0) FROM read.tracking WHERE application_name = %s
"""
ADVANCE: Final = "UPDATE read.tracking SET notification_id = %s WHERE application_name = %s"
INDEX_IN: Final = "COPY read.access_index (position, at, subject, outcome, everyone) FROM STDIN"
NAMES_IN: Final = "COPY read.access_name (name, position) FROM STDIN"
SETTINGS: Final = "SET TimeZone = 'UTC'; SET synchronous_commit = off"

OF_CLIENT: Final = """
SELECT id::text FROM (
    SELECT deposit AS id FROM read.deposit WHERE client = %(client)s
    UNION ALL SELECT withdrawal FROM read.withdrawal WHERE client = %(client)s
    UNION ALL SELECT payout FROM read.withdrawal WHERE client = %(client)s
    UNION ALL SELECT dispute FROM read.dispute WHERE client = %(client)s
    UNION ALL SELECT trading_account FROM read.trading_account WHERE client = %(client)s
) AS theirs WHERE id IS NOT NULL
"""
FIND: Final = """
SELECT position FROM read.access_index WHERE {where} ORDER BY position LIMIT %(limit)s
"""
CONCERNED: Final = """position IN (
    SELECT position FROM read.access_name WHERE name = ANY(%(names)s)
    UNION ALL SELECT position FROM read.access_index WHERE everyone
)"""

_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Access(msgspec.Struct, frozen=True):
    """One record as it stands in the access log."""

    position: int
    at: datetime
    recorded_at: datetime
    by: str
    fact: AccessRecorded
    digest: bytes


class Accesses(msgspec.Struct, frozen=True):
    """A page of records; `next` goes on after them, None where nothing follows."""

    rows: tuple[Access, ...]
    next: int | None


class IndexRunner:
    """Folds the access log of one book into its index."""

    def __init__(self, dsn: Dsn, vocabulary: Vocabulary, *, batch_max: int = BATCH_MAX) -> None:
        """Prepare.

        Args:
            dsn: where the database is, as the role `projector`.
            vocabulary: that of the access log.
        """
        self._dsn, self._vocabulary, self._batch_max = dsn, vocabulary, batch_max

    def catch_up(self) -> int:
        """Fold everything that is in the access log now, and return the position."""
        with self._connect() as connection:
            position = -1
            while (reached := self.step(connection)) != position:
                position = reached
        return position

    def follow(self, stop: Flag) -> None:
        """Fold what is new, now and then, until told to stop."""
        while not stop.is_set():
            try:
                self.catch_up()
            except psycopg.OperationalError:
                pass  # it is away: the next look finds it, or not
            except Exception:
                # The records are safe where they are; who asks is told that the index is behind.
                LOG.exception("the index of the access log stopped")
                return
            stop.wait(PAUSE_S)

    def step(self, connection: Connection[Any]) -> int:
        """Fold one batch, and return the position then.

        Raises:
            Broken: a position is missing. In a log written under its lock that cannot be.
            LogUnreadable: the log holds what this program does not know.
        """
        with connection.transaction():
            connection.execute(BEGIN, (TRACKED,))
            tracked = connection.execute(POSITION, (TRACKED,)).fetchone()
            assert tracked is not None, "the row was just made"
            rows = _rows(connection, AFTER, (tracked[0], self._batch_max))
            if not rows:
                return int(tracked[0])
            for expected, row in enumerate(rows, start=tracked[0] + 1):
                if row.position != expected:
                    raise Broken(expected, f"missing: the next row is {row.position}")
            self._write(connection, rows)
            connection.execute(ADVANCE, (rows[-1].position, TRACKED))
        return rows[-1].position

    def _write(self, connection: Connection[Any], rows: list[Row]) -> None:
        told = [(row.position, self._vocabulary.decode(row.name, row.state)) for row in rows]
        records = [(position, each) for position, each in told if _is_access(each)]
        with connection.cursor() as cursor, cursor.copy(INDEX_IN) as copy:
            for position, each in records:
                fact = record(each)
                copy.write_row(
                    (position, each.at, fact.subject, fact.outcome, EVERYONE in fact.clients)
                )
        with connection.cursor() as cursor, cursor.copy(NAMES_IN) as copy:
            for position, each in records:
                for name in names(record(each)):
                    copy.write_row((name, position))

    def _connect(self) -> Connection[Any]:
        connection = dial(self._dsn, **KEEPALIVE)
        connection.execute(SETTINGS)
        return connection


def wait_for(connection: Connection[Any], position: int, timeout_s: float) -> bool:
    """Wait until the index holds what stands at the position; False: not in time."""
    last_look = monotonic() + timeout_s
    while True:
        row = connection.execute(INDEXED, (TRACKED,)).fetchone()
        assert row is not None, "an aggregate has a row"
        if row[0] >= position:
            return True
        if monotonic() > last_look:
            return False
        sleep(LOOK_S)


def names(fact: AccessRecorded) -> set[str]:
    """Name everything by which a record is found: whose data, and every id that it mentions."""
    mentioned = " ".join((*fact.accounts, *fact.things, fact.target))
    return {*fact.clients, *fact.accounts, *_ID.findall(mentioned)} - {EVERYONE}


def names_of_client(connection: Connection[Any], client: UUID) -> list[str]:
    """Name the client, and everything of theirs."""
    theirs = [name for (name,) in connection.execute(OF_CLIENT, {"client": client})]
    return [str(client), *theirs]


def accesses(
    connection: Connection[Any],
    vocabulary: Vocabulary,
    *,
    client: UUID | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    outcome: str | None = None,
    after: int = 0,
    limit: int,
) -> Accesses:
    """Read a page of access records, in order; the connection's role is `audit_reader`.

    Args:
        client: whose data: records that concern everybody are among them.
        subject: who: exactly as recorded.
        since: not before.
        until: before.
        after: the position of the last record that the reader has.
    """
    assert 0 < limit <= LIMIT_MAX, f"a page has 1 to {LIMIT_MAX} rows"
    theirs = None if client is None else names_of_client(connection, client)
    asked = {
        "subject = %(subject)s": subject,
        "at >= %(since)s": since,
        "at < %(until)s": until,
        "outcome = %(outcome)s": outcome,
        CONCERNED: theirs,
    }
    parts = [SQL(text) for text, value in asked.items() if value is not None]
    query = SQL(FIND).format(where=SQL(" AND ").join([SQL("position > %(after)s"), *parts]))
    params = {
        "subject": subject, "since": since, "until": until, "outcome": outcome, "names": theirs,
        "after": after, "limit": limit + 1,
    }  # fmt: skip
    positions = [position for (position,) in connection.execute(query, params)]
    rows = at_positions(connection, vocabulary, positions[:limit])
    return Accesses(rows, positions[limit - 1] if len(positions) > limit else None)


def at_positions(
    connection: Connection[Any], vocabulary: Vocabulary, positions: Collection[int]
) -> tuple[Access, ...]:
    """Read the records at these positions as they are stored."""
    found = _rows(connection, AT, (list(positions),))
    if len(found) != len(positions):
        missing = min(set(positions) - {row.position for row in found})
        raise Broken(missing, "missing: the index knows it")
    return tuple(_access(row, vocabulary) for row in found)


def record(told: Envelope[Any]) -> AccessRecorded:
    """Return the record that a row of the access log holds."""
    fact = told.data
    assert isinstance(fact, AccessRecorded), "position 1 opens the log, and all others are records"
    return fact


def _is_access(told: Envelope[Any]) -> bool:
    return isinstance(told.data, AccessRecorded)


def _access(row: Row, vocabulary: Vocabulary) -> Access:
    told = vocabulary.decode(row.name, row.state)
    return Access(row.position, told.at, moment(row.recorded_us), told.by, record(told), row.digest)


def _rows(connection: Connection[Any], query: bytes, params: Iterable[Any]) -> list[Row]:
    with connection.cursor(binary=True) as cursor:
        return [row_of(fields) for fields in cursor.execute(query, tuple(params))]
