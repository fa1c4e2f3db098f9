"""Replay: every read model folded anew from the log, compared with the live one, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from psycopg.sql import SQL, Composed, Identifier

from ledger.store.chain import Broken
from projections.log import entry_of, head
from projections.rows import LIVE, Projection
from projections.runner import LOCK, PROJECTIONS, ReadTracking, Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from psycopg import Connection

    from ledger.decision import Event
    from ledger.store.codec import Vocabulary

NEXT: Final = "read_next"
"""The schema in which the tables are filled anew."""

PATIENCE: Final = "SET LOCAL lock_timeout = '10s'"
"""A reader that keeps a table this long makes the swap fail: others would queue up behind it."""
ONE_REBUILD: Final = "SELECT pg_advisory_lock(%s)"
FORGET: Final = "DELETE FROM read.tracking WHERE application_name = %s"
DROP: Final = "DROP TABLE IF EXISTS {table}"
LIKE: Final = "CREATE TABLE {table} (LIKE {live} INCLUDING ALL)"
ANALYZE: Final = "ANALYZE {table}"
MOVE: Final = "ALTER TABLE {table} SET SCHEMA {live}"
COUNT: Final = "SELECT count(*) FROM {table}"
FIRST_DIFFERENCE: Final = """
SELECT row_to_json(only_here)::text
FROM (SELECT * FROM {here} EXCEPT ALL SELECT * FROM {there} ORDER BY 1 LIMIT 1) AS only_here
"""


class TableReport(msgspec.Struct, frozen=True):
    """One table: how many rows the log makes, and the first that is different, if any."""

    name: str
    rows: int
    only_live: str | None
    only_rebuilt: str | None

    @property
    def equal(self) -> bool:
        """Whether the live rows are those that the log makes."""
        return self.only_live is None and self.only_rebuilt is None


class ReplayReport(msgspec.Struct, frozen=True):
    """What a rebuild up to `position` showed."""

    position: int
    tables: tuple[TableReport, ...]
    adopted: bool

    @property
    def equal(self) -> bool:
        """Whether every live table is what the log makes."""
        return all(table.equal for table in self.tables)


def replay(
    dsn: str,
    vocabulary: Vocabulary,
    *,
    adopt: bool = False,
    projections: Sequence[Projection] = PROJECTIONS,
    tell: Callable[[int, int], None] | None = None,
) -> ReplayReport:
    """Fold all read models anew beside the live ones and compare both at the same position.

    Reads and the log go on meanwhile; only the last events and the comparison hold the live
    tables' position still.

    Args:
        dsn: where the database is, as the role `projector`.
        adopt: put the rebuilt tables in the place of the live ones, in one database transaction,
            even where they differ; else they are dropped, and the live ones stay as evidence.
        tell: hears the position reached and the log's head.

    Raises:
        LogUnreadable, Broken: the log cannot be folded.
    """
    live = Runner(dsn, vocabulary, projections=projections)
    anew = Runner(dsn, vocabulary, projections=projections, schema=NEXT)
    names = [name for projection in projections for name in projection.tables]
    with live.connect() as connection:
        connection.execute(ONE_REBUILD, (LOCK + 1,))
        _lay_tables(connection, names)
        _fill(connection, anew, tell)
        with connection.transaction():
            connection.execute(PATIENCE)
            position = _meet(connection, live, anew)
            reports = tuple(_compare(connection, name) for name in names)
            for name in names:
                if adopt:
                    _put_in_place(connection, name)
                else:
                    connection.execute(_sql(DROP, name))
            connection.execute(FORGET, (NEXT,))
    return ReplayReport(position, reports, adopt)


def fold_balances(events: Iterable[Event]) -> dict[tuple[str, str], int]:
    """Add up every posting in memory: what the balances must be, whoever keeps them."""
    balances: dict[tuple[str, str], int] = {}
    for event in events:
        entry = entry_of(event)
        for posting in entry.postings if entry else ():
            key = (posting.account, posting.currency)
            balances[key] = balances.get(key, 0) + posting.minor
    return balances


def _lay_tables(connection: Connection[Any], names: Iterable[str]) -> None:
    with connection.transaction():
        connection.execute(FORGET, (NEXT,))
        for name in names:
            connection.execute(_sql(DROP, name))
            connection.execute(_sql(LIKE, name))


def _fill(
    connection: Connection[Any], anew: Runner, tell: Callable[[int, int], None] | None
) -> None:
    position, end = -1, head(connection)
    while (reached := anew.step(connection)) != position:
        position = reached
        if tell is not None:
            tell(position, max(position, end))


def _meet(connection: Connection[Any], live: Runner, anew: Runner) -> int:
    """Hold the live position still, and bring both sides to the further one of the two."""
    tracking = ReadTracking(connection)
    goal = max(tracking.begin(LIVE), tracking.begin(NEXT))
    for runner in (live, anew):
        position = -1
        while (reached := runner.step(connection, until=goal)) != position:
            position = reached
        if position != goal:
            raise Broken(position + 1, f"missing: position {goal} was folded before")
    return goal


def _compare(connection: Connection[Any], name: str) -> TableReport:
    connection.execute(_sql(ANALYZE, name))
    count = connection.execute(_sql(COUNT, name)).fetchone()
    assert count is not None, "an aggregate has a row"
    return TableReport(
        name,
        int(count[0]),
        only_live=_first_difference(connection, name, here=LIVE, there=NEXT),
        only_rebuilt=_first_difference(connection, name, here=NEXT, there=LIVE),
    )


def _first_difference(
    connection: Connection[Any], name: str, *, here: str, there: str
) -> str | None:
    query = SQL(FIRST_DIFFERENCE).format(here=Identifier(here, name), there=Identifier(there, name))
    row = connection.execute(query).fetchone()
    return None if row is None else str(row[0])


def _put_in_place(connection: Connection[Any], name: str) -> None:
    connection.execute(SQL(DROP).format(table=Identifier(LIVE, name)))
    connection.execute(_sql(MOVE, name, live=Identifier(LIVE)))


def _sql(text: Any, name: str, **parts: Identifier) -> Composed:
    parts = {"table": Identifier(NEXT, name), "live": Identifier(LIVE, name)} | parts
    return SQL(text).format(**parts)
