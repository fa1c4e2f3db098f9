"""The small broker with a database: its rows go into the real log, and are folded from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from ledger.store.rows import COPY_HEADER, COPY_IN, COPY_TRAILER, pack
from projections.log import LOG
from projections.runner import Runner
from tests.unit.projections.house import VOCABULARY, House

if TYPE_CHECKING:
    from adapters.database.roles import Database


class StoredHouse(House):
    """Decides in memory; `write` brings the rows into the database, `fold` into the read models."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self._written = 0

    def write(self) -> int:
        """Append what was decided since the last time; return the head."""
        rows = self.book.rows[self._written :]
        with psycopg.connect(self.database.dsn("book_writer")) as connection:
            with connection.cursor().copy(LOG.sql(COPY_IN)) as copy:
                copy.write(COPY_HEADER + pack(rows) + COPY_TRAILER)
            connection.execute("SELECT pg_notify(%s, '')", (LOG.channel,))
        self._written = len(self.book.rows)
        return self._written

    def runner(self, **how: Any) -> Runner:
        """Make a runner on this book's database."""
        return Runner(self.database.dsn("projector"), VOCABULARY, **how)

    def fold(self, **how: Any) -> int:
        """Write and fold everything; return the position."""
        self.write()
        return self.runner(**how).catch_up()

    def tamper(self, statement: str, *params: object) -> None:
        """Change the database behind everybody's back, as its superuser, triggers or not."""
        with psycopg.connect(self.database.admin_dsn) as connection:
            connection.execute("ALTER TABLE book.log DISABLE TRIGGER ALL")
            connection.execute(statement.encode(), params)
            connection.execute("ALTER TABLE book.log ENABLE ALWAYS TRIGGER append_only")
