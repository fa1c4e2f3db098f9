"""The log as projections read it: in position order, without a gap, decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.decision import Event
from ledger.store.chain import Broken
from ledger.store.rows import row_of
from ledger.store.tables import LOGS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from psycopg import Connection

    from ledger.journal import Entry
    from ledger.store.chain import Row
    from ledger.store.codec import Vocabulary
    from ledger.store.tables import Log

PAGE: Final = 5_000
"""Events that a walk through the log reads at a time."""

LOG: Final = LOGS["log"]
AFTER: Final = LOG.sql("""
SELECT position, stream, version, name, state, recorded_at FROM {log}
WHERE position > %s ORDER BY position LIMIT %s
""")
AT: Final = LOG.sql("""
SELECT position, stream, version, name, state, recorded_at FROM {log}
WHERE position = ANY(%s) ORDER BY position
""")
STORED_AFTER: Final = "SELECT {columns} FROM {log} WHERE position > %s ORDER BY position LIMIT %s"
ROWS_AFTER: Final = LOG.sql(STORED_AFTER)
BEFORE_ALL: Final = -(2**63)
"""No position comes before it: a forged row may stand where no true one does."""
HEAD: Final = LOG.sql("SELECT coalesce(max(position), 0) FROM {log}")


class Told(Event, frozen=True, gc=False):
    """An event, and how many facts its command recorded (said on a keyed command's first)."""

    facts: int = 1


def head(connection: Connection[Any]) -> int:
    """Return the newest position of the log."""
    row = connection.execute(HEAD).fetchone()
    assert row is not None, "an aggregate has a row"
    return int(row[0])


def events_after(
    connection: Connection[Any], vocabulary: Vocabulary, position: int, limit: int
) -> list[Told]:
    """Return the events after a position.

    Raises:
        Broken: a position is missing. In a log written under its lock that cannot be.
        LogUnreadable: a name or version that this program does not know.
    """
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(AFTER, (position, limit)).fetchall()
    for expected, row in enumerate(rows, start=position + 1):
        if row[0] != expected:
            raise Broken(expected, f"missing: the next row is {row[0]}")
    return [_told(row, vocabulary) for row in rows]


def events_at(
    connection: Connection[Any], vocabulary: Vocabulary, positions: Collection[int]
) -> dict[int, Told]:
    """Return the events at these positions."""
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(AT, (list(positions),)).fetchall()
    return {row[0]: _told(row, vocabulary) for row in rows}


def walk(
    connection: Connection[Any], vocabulary: Vocabulary, position: int = 0
) -> Iterator[list[Told]]:
    """Walk through the log after a position, a page at a time."""
    while page := events_after(connection, vocabulary, position, PAGE):
        yield page
        position = page[-1].position


def stored_rows(connection: Connection[Any], log: Log = LOG) -> Iterator[Row]:
    """Walk through the rows as they are stored, whatever they say."""
    query, position = log.sql(STORED_AFTER), BEFORE_ALL
    while True:
        with connection.cursor(binary=True) as cursor:
            page = cursor.execute(query, (position, PAGE)).fetchall()
        if not page:
            return
        yield from map(row_of, page)
        position = page[-1][0]


def entry_of(event: Event) -> Entry | None:
    """Return the entry that the event's fact carries, if it carries one."""
    entry: Entry | None = getattr(event.fact, "entry", None)
    return entry


def _told(row: tuple[Any, ...], vocabulary: Vocabulary) -> Told:
    position, stream, version, name, state, recorded_at = row
    told = vocabulary.decode(name, state)
    return Told(
        position,
        stream,
        version,
        told.data,
        told.at,
        told.by,
        told.why,
        recorded_at,
        told.req,
        told.n,
    )
