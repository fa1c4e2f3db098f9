"""Snapshots shorten a load and change nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import psycopg
import pytest

from ledger.decision import Kind
from ledger.store.limits import SNAPSHOT_EVERY
from ledger.store.snapshots import decode_state, snapshot_name
from tests.unit.ledger.store.counter import COUNTER, Added, Total, add, command, counter, take

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import LiteralString

    from adapters.database.roles import Database
    from ledger.book import Book
    from ledger.decision import Decision
    from ledger.store.states import Known

    OpenBook = Callable[..., Book]


def grow(book: Book, name: str, facts: int) -> None:
    async def run() -> None:
        await asyncio.gather(*(book.asubmit(add(name, 1)) for _ in range(facts)))

    asyncio.run(run())


def snapshots(database: Database) -> list[Known]:
    with psycopg.connect(database.dsn("book_writer")) as connection:
        rows = connection.execute("SELECT version, state FROM book.snapshot ORDER BY version")
        return [decode_state(COUNTER, version, state) for version, state in rows]


def test_a_long_stream_gets_a_snapshot_that_refolds(
    open_book: OpenBook, database: Database
) -> None:
    book = open_book()
    grow(book, "a", SNAPSHOT_EVERY - 1)
    assert snapshots(database) == []
    grow(book, "a", 20)
    book.close()
    (snapshot,) = snapshots(database)
    assert snapshot.state == Total(snapshot.version)
    assert SNAPSHOT_EVERY <= snapshot.version < SNAPSHOT_EVERY + 20
    assert open_book().wrong_snapshots([COUNTER]) == []


def test_a_load_begins_at_the_snapshot_and_takes_the_tail(open_book: OpenBook) -> None:
    first = open_book()
    grow(first, "a", SNAPSHOT_EVERY + 30)
    first.submit(take("a", 7))
    first.close()
    book = open_book()
    assert book.state(counter("a")).total == SNAPSHOT_EVERY + 23
    assert book.submit(take("a", SNAPSHOT_EVERY + 23)).events[0].version == SNAPSHOT_EVERY + 32


def test_the_snapshots_of_one_append_are_one_transaction(
    open_book: OpenBook, database: Database
) -> None:
    book = open_book()

    def grow_ten(decision: Decision) -> None:
        for name in "abcdefghij":
            for _ in range(SNAPSHOT_EVERY):
                decision.record(counter(name), Added(amount=1))

    book.submit(command(grow_ten, *(counter(name) for name in "abcdefghij")))
    book.close()
    with psycopg.connect(database.dsn("book_writer")) as connection:
        told = connection.execute("SELECT count(*), count(DISTINCT xmin::text) FROM book.snapshot")
        assert told.fetchone() == (10, 1)


def test_a_snapshot_that_cannot_be_kept_harms_nobody(
    open_book: OpenBook, database: Database
) -> None:
    book = open_book()
    with psycopg.connect(database.dsn("migrator"), autocommit=True) as owner:
        owner.execute("REVOKE INSERT ON book.snapshot FROM book_writer")
    grow(book, "a", SNAPSHOT_EVERY + 1)
    assert book.submit(add("a", 1)).events[0].version == SNAPSHOT_EVERY + 2
    assert snapshots(database) == []


def test_control_a_wrong_snapshot_would_be_believed_and_is_found(
    open_book: OpenBook, database: Database
) -> None:
    book = open_book()
    grow(book, "a", 10)
    with psycopg.connect(database.dsn("book_writer"), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO book.snapshot VALUES (%s, 10, %s, %s)",
            (counter("a").id, snapshot_name(COUNTER), b'{"total":99}'),
        )
    assert open_book().state(counter("a")).total == 99
    assert book.wrong_snapshots([COUNTER]) == [(counter("a").id, 10)]


def test_a_snapshot_of_another_form_is_not_used(open_book: OpenBook, database: Database) -> None:
    class Wider(msgspec.Struct, frozen=True):
        total: int = 0
        facts: int = 0

    def evolve(state: Wider, fact: object) -> Wider:
        total = COUNTER.evolve(Total(state.total), fact).total  # type: ignore[arg-type]
        return Wider(total, state.facts + 1)

    book = open_book()
    grow(book, "a", SNAPSHOT_EVERY + 1)
    book.close()
    assert len(snapshots(database)) == 1
    wider = Kind("toy.counter", Wider(), evolve)
    assert snapshot_name(wider) != snapshot_name(COUNTER)
    state = open_book().state(wider(counter("a").id))
    assert state == Wider(SNAPSHOT_EVERY + 1, SNAPSHOT_EVERY + 1)


@pytest.mark.parametrize("forgery", ["DELETE FROM book.snapshot", "DELETE FROM book.log"])
def test_a_writer_changes_nothing_that_it_wrote(
    open_book: OpenBook, database: Database, forgery: LiteralString
) -> None:
    book = open_book()
    grow(book, "a", SNAPSHOT_EVERY)
    with (
        psycopg.connect(database.dsn("book_writer")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(forgery)
