"""Several processes on one log: one order, one answer per key, no follower that misses an event."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
import pytest

from ledger.decision import Fact
from ledger.errors import InsufficientFunds, KeyReused, LogUnreadable
from ledger.facts import BookOpened
from ledger.ids import EntityId
from ledger.store import appender, session
from ledger.store.codec import Vocabulary
from tests.unit.ledger.store.counter import NOON, Added, Taken, add, command, counter, move, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.database.roles import Database
    from ledger.book import Book
    from ledger.decision import Event as Logged

    OpenBook = Callable[..., Book]

ANOTHER_PROCESS = """
import sys
from ledger.book import Book
from tests.unit.ledger.store.counter import ENTITY, Ticking, add, vocabulary
book = Book.open(sys.argv[1], ENTITY, vocabulary(), clock=Ticking())
for n in range(20):
    book.submit(add("a", 1, key=f"k{n}"))
book.close()
"""


def test_two_books_take_turns(open_book: OpenBook) -> None:
    one, two = open_book(), open_book()
    for _ in range(5):
        one.submit(add("a", 2))
        two.submit(take("a", 1))
    with pytest.raises(InsufficientFunds):
        one.submit(take("a", 6))
    two.submit(take("a", 5))
    assert one.state(counter("a")) == two.state(counter("a"))
    assert [event.version for event in one.history(counter("a"))] == list(range(1, 12))
    assert one.verify().ok


def test_a_book_whose_clock_is_behind_records_at_the_time_of_the_head(
    open_book: OpenBook,
) -> None:
    ahead = open_book(clock=lambda: NOON + timedelta(hours=1))
    behind = open_book(clock=lambda: NOON)
    first = ahead.submit(add("a")).events[0]
    second = behind.submit(add("a")).events[0]
    assert first.recorded_at == second.recorded_at == NOON + timedelta(hours=1)
    assert behind.verify().ok


def test_two_books_under_load_keep_one_order(open_book: OpenBook) -> None:
    books = open_book(), open_book()
    books[0].submit(add("pot", 60))

    def drain(n: int) -> bool:
        try:
            books[n % 2].submit(move("pot", f"c{n % 7}", 1))
        except InsufficientFunds:
            return False
        return True

    with ThreadPoolExecutor(20) as callers:
        assert sum(callers.map(drain, range(100))) == 60
    for book in books:
        assert book.state(counter("pot")).total == 0
        assert sum(book.state(counter(f"c{n}")).total for n in range(7)) == 60
    assert books[0].verify().ok


def test_a_key_is_answered_once_across_books(open_book: OpenBook) -> None:
    one, two = open_book(), open_book()
    first = one.submit(add("a", 1, key="k"))
    again = two.submit(add("a", 1, key="k"))
    assert again.replayed
    assert again.events == first.events
    with pytest.raises(KeyReused):
        two.submit(add("a", 2, key="k"))


def test_a_key_is_answered_once_across_processes(open_book: OpenBook, database: Database) -> None:
    book = open_book()
    dsn = database.dsn("book_writer")
    with subprocess.Popen([sys.executable, "-c", ANOTHER_PROCESS, dsn]) as other:
        mine = [book.submit(add("a", 1, key=f"k{n}")) for n in range(20)]
        assert other.wait(30) == 0
    assert book.state(counter("a")).total == 20
    assert len({receipt.events for receipt in mine}) == 20


def test_of_two_who_open_an_empty_log_one_writes_position_1(
    open_book: OpenBook,
) -> None:
    with ThreadPoolExecutor(4) as callers:
        books = list(callers.map(lambda _: open_book(), range(4)))
    assert {book.head() for book in books} == {1}


def test_another_entity_is_not_let_in(open_book: OpenBook, database: Database) -> None:
    book = open_book()
    with pytest.raises(LogUnreadable, match="acme-cy"):
        type(book).open(
            database.dsn("book_writer"),
            EntityId("acme-za"),
            Vocabulary([BookOpened]),
            clock=lambda: pytest.fail("nothing is recorded"),
        )


def test_the_access_log_is_a_chain_of_its_own(open_book: OpenBook) -> None:
    book, access = open_book(), open_book(log="access")
    access.submit(add("a", 1, key="k"))
    book.submit(add("b", 2, key="k"))
    assert (book.head(), access.head()) == (2, 2)
    assert book.verify().ok
    assert access.verify().ok
    assert book.event(1) != access.event(1) or book.verify().digest != access.verify().digest


class Novel(Fact, frozen=True):
    NAME: ClassVar[str] = "toy.novel"


def test_a_fact_that_an_old_program_does_not_know_stops_it(open_book: OpenBook) -> None:
    old, new = open_book(), open_book(vocabulary=Vocabulary([BookOpened, Added, Taken, Novel]))
    new.submit(command(lambda d: d.record(counter("x"), Novel())))
    for _ in range(2):
        with pytest.raises(LogUnreadable, match=r"toy\.novel"):
            old.submit(add("a"))
    assert new.submit(add("a")).position == 3


def test_a_book_far_behind_begins_at_the_head(
    open_book: OpenBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender, "CATCH_UP_MAX", 5)
    monkeypatch.setattr(session, "CATCH_UP_MAX", 5)
    behind, ahead = open_book(), open_book()
    behind.submit(add("a", 1))
    for _ in range(20):
        ahead.submit(add("a", 1))
    assert behind.submit(take("a", 21)).events[0].version == 22


def test_a_small_cache_decides_the_same(open_book: OpenBook) -> None:
    book = open_book()
    book._states._states_max = 2
    for n in range(30):
        book.submit(add(f"c{n % 6}", 1))
    assert len(book._states) <= 2
    assert [book.state(counter(f"c{n}")).total for n in range(6)] == [5] * 6
    with pytest.raises(InsufficientFunds):
        book.submit(take("c0", 6))


def test_the_library_s_repository_folds_the_same_events(open_book: OpenBook) -> None:
    book = open_book()
    for amount in (1, 2, 3):
        book.submit(add("a", amount))
    stream = counter("a")

    def project(_: Any, events: Any) -> Any:
        state = stream.kind.blank
        for event in events:
            state = stream.kind.evolve(state, event.fact)
        return state

    assert book.repository.get(stream.id, projector_func=project) == book.state(stream)


def follow(book: Book, stop_at: int, seen: list[Logged]) -> None:
    position = 0
    while position < stop_at:
        assert book.wait(position + 1, timeout_s=20) > position, "the follower waited in vain"
        for event in book.events_after(position, 50):
            seen.append(event)
            position = event.position


def test_followers_in_this_and_another_book_miss_nothing(open_book: OpenBook) -> None:
    writers = open_book(), open_book()
    follower = open_book()
    streams = [f"c{n}" for n in range(10)]
    last = 1 + 2 * 10 * 15
    here: list[Logged] = []
    there: list[Logged] = []
    threads = [
        Thread(target=follow, args=(writers[0], last, here)),
        Thread(target=follow, args=(follower, last, there)),
    ]
    for thread in threads:
        thread.start()
    with ThreadPoolExecutor(20) as callers:
        list(callers.map(lambda n: writers[n % 2].submit(add(streams[n % 10])), range(300)))
    for thread in threads:
        thread.join()
    assert [event.position for event in here] == list(range(1, last + 1))
    assert here == there


def test_control_positions_given_before_the_commit_are_missed(database: Database) -> None:
    with (
        psycopg.connect(database.dsn("migrator"), autocommit=True) as reader,
        psycopg.connect(database.dsn("migrator")) as slow,
        psycopg.connect(database.dsn("migrator")) as quick,
    ):
        reader.execute("CREATE TABLE book.naive (position bigserial)")
        slow.execute("INSERT INTO book.naive DEFAULT VALUES")
        quick.execute("INSERT INTO book.naive DEFAULT VALUES")
        quick.commit()
        seen = reader.execute("SELECT position FROM book.naive").fetchall()
        slow.commit()
        after = "SELECT position FROM book.naive WHERE position > %s"
        seen += reader.execute(after, (seen[-1][0],)).fetchall()
        assert seen == [(2,)], "the follower never sees position 1"


def test_a_follower_that_is_not_notified_polls(
    open_book: OpenBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, follower = open_book(), open_book()
    monkeypatch.setattr(follower._watch, "_listen", "SELECT 1")
    assert follower.wait(1, 20.0) == 1
    position = writer.submit(add("a")).position
    assert follower.wait(position, 20.0) == position


def test_wait_gives_up_in_time(open_book: OpenBook) -> None:
    assert open_book().wait(99, 0.05) == 1


def test_a_book_that_is_watched_closes(open_book: OpenBook) -> None:
    book = open_book()
    book.wait(1, 1.0)
    closing = Thread(target=book.close)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()
